#include "plan/capture_filter.h"

#include <pcap/pcap.h>

#include <memory>

namespace pollmark {
namespace {

struct PcapClosed {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

}  // namespace

Result<std::vector<sock_filter>> compile_capture_filter(const std::string& expression,
                                                        int snaplen_bytes) {
  const std::unique_ptr<pcap_t, PcapClosed> pcap(pcap_open_dead(DLT_EN10MB, snaplen_bytes));
  PM_CHECK(pcap != nullptr);
  bpf_program compiled{};
  if (pcap_compile(pcap.get(), &compiled, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
    return fail(Errc::bad_experiment, pcap_geterr(pcap.get()));
  std::vector<sock_filter> program;
  for (const bpf_insn* step = compiled.bf_insns; step != compiled.bf_insns + compiled.bf_len;
       ++step) {
    program.push_back({step->code, step->jt, step->jf, step->k});
  }
  pcap_freecode(&compiled);
  return program;
}

}  // namespace pollmark
