#include "campaign/starter.h"

#include <fmt/format.h>

#include "base/text.h"

namespace pollmark {
namespace {

constexpr std::string_view kOnVeth =
    R"(# An experiment to begin with, for this machine: {cpus} CPUs, and the rights to make a veth pair in
# network namespaces of its own. It touches no other device.
#   pollmark plan FILE           cells, order and time
#   pollmark run FILE -o DIR     about a minute; then look at DIR/report.html
#   pollmark factors             what else may stand in [factors]
name     = "first"
question = "Which way of receiving takes this load without loss?"

[generator]
port = "veth"

[receiver]
port  = "veth"
stage = "touch"                  # read every frame; "none": count it

[traffic]
kind  = "udp"
frame = 64                       # bytes with FCS; "imix", [64, 1518]
flows = 64
load  = "50 kpps"                # "1 Gbps L2"; "max" measures what the sender reaches

[factors]                        # every combination is a cell
path = [{paths}]

[trial]
seconds = 0.5
warmup  = 0.1
blocks  = 6                      # repeats of every cell; fewer than 6 give no verdict

[judge]
metric = "loss_ratio"            # or "cpu_cores_used", "latency_p99_ns"

# To find the load instead of setting it, take the lines of load and metric away, and these in:
# [search]
# goals = ["ndr"]
)";

constexpr std::string_view kOnModel =
    R"(# An experiment to begin with, for this machine: {cpus} CPU{plural}. It is on the model of a link and of a
# NIC's receive side, which needs no rights and no NIC; a veth pair is not for this user here:
# {no_lab}.
#   pollmark plan FILE           cells, order and time
#   pollmark run FILE -o DIR     about a minute; then look at DIR/report.html
#   pollmark factors             what else may stand in [factors]
name     = "first"
question = "Which receive ring rides out these stalls?"

[generator]
port = "model"

[receiver]
port  = "model"
stage = "touch"                  # read every frame; "checksum" verifies it

[traffic]
kind  = "udp"
frame = 128                      # bytes with FCS; "imix", [64, 1518]
flows = 256
load  = "5 Mpps"                 # "80 %" of the link, "10 Gbps L2"

[model]
link   = "25G"
stalls = "every 1 ms for 60 us"  # when the receiving lcore does not poll; "none"

[factors]                        # every combination is a cell
rx_ring = [128, 512, 2048]

[trial]
seconds = 0.1                    # virtual
warmup  = 0.02
blocks  = 6                      # repeats of every cell; fewer than 6 give no verdict

[judge]
metric   = "loss_ratio"          # or "cycles_per_pkt", "latency_p99_ns"
baseline = {{ rx_ring = 512 }}

# To find the load instead of setting it, take the lines of load and metric away, and these in:
# [search]
# goals = ["ndr"]
)";

}  // namespace

std::string starter_experiment(const StarterMachine& machine) {
  if (machine.no_lab.empty() && machine.cpus >= 2) {
    std::string paths = R"("udp_socket", "packet_mmap")";
    if (machine.has_bpf) paths += R"(, "af_xdp")";
    return fmt::format(kOnVeth, fmt::arg("cpus", machine.cpus), fmt::arg("paths", paths));
  }
  return fmt::format(
      kOnModel, fmt::arg("cpus", machine.cpus), fmt::arg("plural", machine.cpus == 1 ? "" : "s"),
      fmt::arg("no_lab", machine.no_lab.empty() ? "its ends need two CPUs" : machine.no_lab));
}

}  // namespace pollmark
