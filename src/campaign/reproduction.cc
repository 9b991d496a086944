#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/line_rate.h"
#include "base/text.h"
#include "base/units.h"
#include "campaign/starter.h"
#include "plan/factors.h"
#include "plan/frame_sizes.h"
#include "record/json.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

constexpr double kMostPps = 1e9;
constexpr std::string_view kLoadUntold = "10 kpps";
constexpr int kEthernetAndFcs = 18;
constexpr std::size_t kLongestNetdev = 60;  // of one that goes into the name of a folder

// Absent, and of another type than it should be, are both "not told".
std::optional<std::string> text_in(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? std::optional(found->get<std::string>())
                                                     : std::nullopt;
}
std::optional<double> number_in(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number() ? std::optional(found->get<double>())
                                                     : std::nullopt;
}
std::optional<std::int64_t> whole_in(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number_integer()
             ? std::optional(found->get<std::int64_t>())
             : std::nullopt;
}
bool is_true(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_boolean() && found->get<bool>();
}
const Json& object_in(const Json& object, const std::string& key) {
  static const Json kNone = Json::object();
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_object() ? *found : kNone;
}

// What stands behind # or in quotes ends with its line.
std::string on_one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}
std::string quoted(const std::string& text) {
  std::string inner;
  for (const char c : on_one_line(text)) {
    if (c == '"' || c == '\\') inner += '\\';
    inner += c;
  }
  return "\"" + inner + "\"";
}
// A scalar of the snapshot as a comment shows it.
std::string shown(const Json& value) {
  return on_one_line(value.is_string()
                         ? value.get<std::string>()
                         : value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// "00000000,0000000c" -> "2,3"; "0" -> "off". nullopt: no mask.
std::optional<std::string> cpus_of_mask(std::string_view mask) {
  std::vector<std::string> cpus;
  int cpu = 0;
  for (auto digit = mask.rbegin(); digit != mask.rend(); ++digit) {
    if (*digit == ',') continue;
    int bits = 0;
    const char text = *digit;
    if (std::from_chars(&text, &text + 1, bits, 16).ec != std::errc()) return std::nullopt;
    for (int i = 0; i < 4; ++i, ++cpu) {
      if ((bits >> i & 1) != 0) cpus.push_back(fmt::format("{}", cpu));
    }
  }
  if (cpu == 0) return std::nullopt;
  return cpus.empty() ? "off" : join(cpus, ",");
}

// What a snapshot tells of a knob: its level, or why there is none.
struct Told {
  std::string level;
  std::string from;  // member of the snapshot
  std::string why_not;
};

class Reproducing {
 public:
  Reproducing(const Json& snapshot, const Json& netdev, int cpus)
      : snapshot_(snapshot), netdev_(netdev), cpus_(cpus), name_(*text_in(netdev, "netdev")) {}

  std::string text(std::string_view why_this) {
    for (const KernelKnob& knob : all_kernel_knobs()) place(knob);
    read_socket_buffer();
    read_congestion_control();
    read_traffic();
    say_what_has_no_key();
    return head(why_this) + kernel_table() + kTrial.data() + udp_group() + tcp_group() +
           "\n# Not in it, and why:\n" + left_out_;
  }

 private:
  static constexpr std::string_view kTrial = R"(
[trial]
seconds = 2
warmup  = 0.2
blocks  = 6

[judge]
metric = "loss_ratio"
)";

  // ---- what the snapshot tells

  std::string reason(const std::string& key) const {
    const auto why = text_in(object_in(snapshot_, "not_told"), key);
    return why ? "not told: " + on_one_line(*why) : "not told";
  }

  Told of_features(const KernelKnob& knob) const {
    const Json& features = object_in(netdev_, "features");
    Told told;
    for (const std::string& name : split(setting_name(knob), ' ')) {
      const auto found = features.find(name);
      if (found == features.end() || !found->is_boolean()) continue;
      // Of a family that has one on, that one is named.
      if (told.level.empty() || (told.level == "off" && found->get<bool>())) {
        told = {found->get<bool>() ? "on" : "off", "features." + name, ""};
      }
    }
    if (told.level.empty()) told.why_not = reason(name_ + " features");
    return told;
  }

  Told of_numbers(const KernelKnob& knob, const std::string& group) const {
    const Json& numbers = object_in(netdev_, group);
    std::string member(setting_name(knob));
    if (member == "receive")
      member = whole_in(numbers, "combined").value_or(0) > 0 ? "combined" : "rx";
    const auto value = whole_in(numbers, member);
    if (!value) return {"", "", reason(name_ + " " + group)};
    return {fmt::format("{}", *value), group + "." + member, ""};
  }

  Told of_file(const KernelKnob& knob) const {
    const std::string pattern(setting_name(knob));
    if (pattern == "mtu") {
      const auto mtu = whole_in(netdev_, "mtu");
      return mtu ? Told{fmt::format("{}", *mtu), "mtu", ""} : Told{"", "", "not told"};
    }
    const Json& settings = object_in(netdev_, "settings");
    const std::size_t star = pattern.find('*');
    std::set<std::string> values;
    for (const auto& [file, value] : settings.items()) {
      const bool is_it = star == std::string::npos ? file == pattern
                                                   : file.starts_with(pattern.substr(0, star)) &&
                                                         file.ends_with(pattern.substr(star + 1));
      if (is_it && value.is_string()) values.insert(value.get<std::string>());
    }
    if (values.empty()) return {"", "", "not told"};
    if (values.size() > 1) {
      const std::vector<std::string> all(values.begin(), values.end());
      return {"", "", "differs from queue to queue: " + on_one_line(join(all, "; "))};
    }
    return {*values.begin(), "settings." + pattern, ""};
  }

  Told of_sysctl(const std::string& name) const {
    auto value = text_in(object_in(snapshot_, "sysctls"), name);
    if (!value) return {"", "", reason(name)};
    return {std::move(*value), "sysctls." + name, ""};
  }

  // In the kernel's words.
  Told as_read(const KernelKnob& knob) const {
    const std::string_view kind = knob.setting.substr(0, knob.setting.find(' '));
    if (kind == "feature") return of_features(knob);
    if (kind == "ring") return of_numbers(knob, "rings");
    if (kind == "channels" || kind == "coalesce") return of_numbers(knob, std::string(kind));
    if (kind == "netdev") return of_file(knob);
    if (kind == "sysctl") return of_sysctl(std::string(setting_name(knob)));
    if (kind == "qdisc") {
      auto root = text_in(netdev_, "root_qdisc");
      if (root) return {std::move(*root), "root_qdisc", ""};
      const auto kind_of_root = text_in(netdev_, "qdisc");
      return {"", "",
              kind_of_root ? "is " + on_one_line(*kind_of_root) + ": pfifo, tbf and htb can be set"
                           : "not told"};
    }
    return {"", "", "a snapshot does not tell it"};
  }

  Told told_of(const KernelKnob& knob) const {
    Told told = as_read(knob);
    if (told.level.empty()) return told;
    std::string text = told.level;
    if (knob.form == KnobForm::cpus) text = cpus_of_mask(text).value_or(text);
    if (knob.form == KnobForm::duration) text += " ns";
    if (knob.form == KnobForm::on_off && text.size() == 1) text = text == "1" ? "on" : "off";
    const auto level = canonical_level(knob, text);
    if (!level) return {"", "", on_one_line(level.error().what)};
    told.level = *level;
    return told;
  }

  // ---- where it goes

  void leave_out(std::string_view what, std::string_view why) {
    left_out_ += fmt::format("#   {}: {}\n", what, why);
  }

  static std::string line(std::string_view key, const std::string& value, std::string_view from) {
    return fmt::format("{:<40} # {}\n", fmt::format("{} = {}", key, value), from);
  }

  // Why this machine's veth does not take it; empty: it does.
  std::string beyond(const KernelKnob& knob, const std::string& level) const {
    if (!knob.not_on_veth.empty() && level != "off") return std::string(knob.not_on_veth);
    if (knob.reach == KnobReach::host) {
      return fmt::format(
          "of the whole host; in [kernel] beside [host] allow = [\"{}\"] it is turned here, too",
          setting_name(knob));
    }
    if (knob.name == "channels" && std::stoi(level) > cpus_) {
      return fmt::format("a veth has as many queues as the machine CPUs, and this one has {}",
                         cpus_);
    }
    if (knob.form == KnobForm::cpus && level != "off" && cpus_in(level).value().back() >= cpus_) {
      return fmt::format("this machine has CPUs 0 to {}", cpus_ - 1);
    }
    if (knob.name == "threaded_napi" && level == "on" && level_of_kernel("gro") != "on") {
      return "a veth polls with its gro on alone";
    }
    return "";
  }

  std::string level_of_kernel(std::string_view name) const {
    return told_of(*find_kernel_knob(name)).level;
  }

  void place(const KernelKnob& knob) {
    const Told told = told_of(knob);
    if (told.level.empty()) return leave_out(knob.name, told.why_not);
    if (told.level == "default") {
      return leave_out(knob.name,
                       fmt::format("is {}, as the kernel chose; a veth has none of its own",
                                   on_one_line(text_in(netdev_, "qdisc").value_or("its default"))));
    }
    const std::string value = knob.form == KnobForm::whole ? told.level : quoted(told.level);
    if (const std::string why = beyond(knob, told.level); !why.empty()) {
      return leave_out(fmt::format("{} = {}", knob.name, value), why);
    }
    std::string& table = acts_on(*find_factor(knob.name), Path::udp_socket) ? kernel_ : tcp_kernel_;
    table += line(knob.name, value, told.from);
  }

  void read_socket_buffer() {
    constexpr std::string_view kName = "net.core.rmem_default";
    const Told told = of_sysctl(std::string(kName));
    std::int64_t bytes = 0;
    std::from_chars(told.level.data(), told.level.data() + told.level.size(), bytes);
    TrialOrder order;
    const std::string level = bytes_text(bytes / 2);
    if (bytes < 2 || !apply_level("socket_buffer", level, order)) {
      return leave_out("socket_buffer", told.level.empty()
                                            ? told.why_not
                                            : fmt::format("{} is no size of one: {}", kName,
                                                          on_one_line(told.level)));
    }
    socket_buffer_ = line("socket_buffer", quoted(level),
                          told.from + ", halved: the kernel doubles what is asked for");
  }

  void read_congestion_control() {
    const Told told = of_sysctl("net.ipv4.tcp_congestion_control");
    TrialOrder order;
    if (told.level.empty()) return leave_out("congestion_control", told.why_not);
    if (const auto applied = apply_level("congestion_control", told.level, order); !applied) {
      return leave_out("congestion_control", on_one_line(applied.error().what));
    }
    congestion_control_ = line("congestion_control", quoted(told.level), told.from);
  }

  int largest_frame() const {
    const std::string mtu = level_of_kernel("mtu");
    return mtu.empty() ? kMostFrameBytes
                       : std::min(kMostFrameBytes, std::stoi(mtu) + kEthernetAndFcs);
  }

  void read_traffic() {
    const Json& traffic = object_in(netdev_, "traffic");
    int frame = kLeastFrameBytes;
    std::string from = "not told: no frame came while the snapshot looked";
    if (const auto mean = number_in(traffic, "rx_mean_frame_bytes"); mean && *mean >= 0) {
      const double bytes = std::round(*mean) + kFcsBytes;
      frame = static_cast<int>(std::clamp(bytes, static_cast<double>(kLeastFrameBytes),
                                          static_cast<double>(largest_frame())));
      from = fmt::format("traffic.rx_mean_frame_bytes {:.1f}, and {} of FCS", *mean, kFcsBytes);
      if (frame != bytes) from += "; the nearest that can be sent";
    }
    traffic_ = line("frame", fmt::format("{}", frame), from);

    const auto pps = number_in(traffic, "rx_pps");
    if (!pps || !(*pps >= 1) || *pps > kMostPps) {
      load_ =
          line("load", quoted(std::string(kLoadUntold)),
               pps ? fmt::format("traffic.rx_pps {:g} is no load to offer: one of our own", *pps)
                   : "not told: one of our own");
    } else {
      const Load load{LoadUnit::pps, std::round(*pps)};
      load_ = line(
          "load", quoted(load.text()),
          fmt::format("traffic.rx_pps; with such frames {} L2", si(8.0 * frame * *pps, "bps")));
    }
    if (const auto tx = number_in(traffic, "tx_pps")) {
      leave_out("what it sent",
                fmt::format("{} ({}): one receiver is under test here", si(*tx, "pps"),
                            si(number_in(traffic, "tx_bps").value_or(0), "bps")));
    }
  }

  void say_what_has_no_key() {
    leave_out("flows", "a snapshot does not tell how many; neither does it tell gaps and bursts");
    leave_out("RSS", "a snapshot does not tell key and table, and a veth hashes nothing itself");
    std::set<std::string_view> known{"net.core.rmem_default", "net.ipv4.tcp_congestion_control"};
    std::vector<std::string> features;
    for (const KernelKnob& knob : all_kernel_knobs()) {
      known.insert(setting_name(knob));
      if (!knob.setting.starts_with("feature ")) continue;
      for (const std::string& name : split(setting_name(knob), ' ')) features.push_back(name);
    }
    std::vector<std::string> on;
    for (const auto& [name, value] : object_in(netdev_, "features").items()) {
      if (value == true && std::ranges::find(features, name) == features.end()) {
        on.push_back(on_one_line(name));
      }
    }
    if (!on.empty()) leave_out("other features that are on", join(on, " "));
    for (const auto& [name, value] : object_in(snapshot_, "sysctls").items()) {
      if (!known.contains(name)) leave_out(on_one_line(name) + " = " + shown(value), "no factor");
    }
    const auto list = [&](const Json& of, const std::string& before,
                          std::initializer_list<const char*> keys) {
      for (const char* key : keys) {
        if (of.contains(key) && !of.at(key).is_null()) {
          leave_out(fmt::format("{}{} = {}", before, key, shown(of.at(key))), "of that machine");
        }
      }
    };
    list(netdev_, "netdev.",
         {"driver", "driver_version", "firmware", "bus", "kind", "speed_bps", "numa_node", "qdiscs",
          "coalesce", "rings", "channels"});
    list(object_in(snapshot_, "host"), "host.",
         {"kernel", "cpu_model", "cpus", "cores", "isolated_cpus", "governor", "numa_nodes",
          "hugepages", "memory_bytes"});
  }

  // ---- the file

  std::string title() const {
    std::string netdev = on_one_line(name_);
    std::ranges::replace(netdev, '/', '-');
    return netdev.size() > kLongestNetdev ? "like a host" : "like " + netdev;
  }

  std::string head(std::string_view why_this) const {
    std::string taken;
    if (const auto utc = text_in(snapshot_, "utc")) taken = " taken " + on_one_line(*utc);
    return fmt::format(
        "# Two ends set as {} of a host was, by its snapshot{} ({}).\n"
        "# Behind each value stands the member of the snapshot that it comes from; what is not in "
        "it\n"
        "# stands at the end, with the reason. What acts on receiving is set at the receiver, what "
        "acts on\n"
        "# sending at the sender. To ask what a setting does, move it from [kernel] into [factors] "
        "as a\n"
        "# list: gro = [\"on\", \"off\"].\n"
        "name     = {}\n"
        "question = \"Does it behave here as it does on the host?\"\n\n"
        "[generator]\nport = \"veth\"\n\n[receiver]\nport = \"veth\"\n",
        on_one_line(name_), taken, on_one_line(std::string(why_this)), quoted(title()));
  }

  std::string kernel_table() const { return kernel_.empty() ? "" : "\n[kernel]\n" + kernel_; }

  std::string udp_group() const {
    return "\n[[group]]\nname = \"udp\"\n\n[group.receiver]\npath = \"udp_socket\"\n" +
           socket_buffer_ + "\n[group.traffic]\nkind = \"udp\"\n" + traffic_ + "flows = 64\n" +
           load_;
  }

  std::string tcp_group() const {
    std::string text = "\n[[group]]\nname = \"tcp\"\n\n[group.receiver]\npath = \"tcp_stream\"\n";
    if (!congestion_control_.empty()) text += "\n[group.traffic]\n" + congestion_control_;
    if (!tcp_kernel_.empty()) text += "\n[group.kernel]\n" + tcp_kernel_;
    return text;
  }

  const Json& snapshot_;
  const Json& netdev_;
  int cpus_;
  std::string name_;
  // Lines of the file.
  std::string traffic_;
  std::string load_;
  std::string socket_buffer_;
  std::string congestion_control_;
  std::string kernel_;
  std::string tcp_kernel_;
  std::string left_out_;
};

double packets_of(const Json& netdev) {
  const Json& traffic = object_in(netdev, "traffic");
  return number_in(traffic, "rx_pps").value_or(0) + number_in(traffic, "tx_pps").value_or(0);
}

struct Choice {
  const Json* netdev = nullptr;
  std::string why;
};

// The loopback device is nobody's link, unless there is no other.
Choice busiest(const std::vector<const Json*>& netdevs) {
  std::vector<const Json*> links;
  for (const Json* each : netdevs) {
    if (text_in(*each, "netdev") != "lo") links.push_back(each);
  }
  if (links.empty()) links = netdevs;
  const Json* most =
      *std::ranges::max_element(links, {}, [](const Json* each) { return packets_of(*each); });
  if (packets_of(*most) > 0) {
    return {most, fmt::format("the busiest: {} in and out", si(packets_of(*most), "pps"))};
  }
  const auto first_that = [&](auto is_so) -> const Json* {
    const auto found = std::ranges::find_if(links, [&](const Json* each) { return is_so(*each); });
    return found == links.end() ? nullptr : *found;
  };
  const auto wired = [](const Json& each) { return is_true(each, "carrier"); };
  if (const Json* nic =
          first_that([&](const Json& each) { return wired(each) && !each.contains("kind"); })) {
    return {nic, "none carried traffic; the first NIC with a carrier"};
  }
  if (const Json* link = first_that(wired)) {
    return {link, "none carried traffic; the first with a carrier"};
  }
  return {links.front(), "none carried traffic; the first"};
}

Result<Choice> choose(const Json& snapshot, const std::string& wanted) {
  std::vector<const Json*> netdevs;
  std::vector<std::string> names;
  const auto list = snapshot.find("netdevs");
  if (list != snapshot.end() && list->is_array()) {
    for (const Json& each : *list) {
      const auto name = text_in(each, "netdev");
      if (!name) continue;
      netdevs.push_back(&each);
      names.push_back(*name);
    }
  }
  if (netdevs.empty()) return fail(Errc::bad_experiment, "the snapshot has no device");
  if (wanted.empty()) {
    if (netdevs.size() == 1) return Choice{netdevs.front(), "the only one"};
    return busiest(netdevs);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == wanted) return Choice{netdevs[i], "asked for"};
  }
  return fail(Errc::bad_experiment, fmt::format("the snapshot has no device \"{}\"; allowed: {}",
                                                wanted, join(names, ", ")));
}

}  // namespace

Result<Reproduction> reproduce_host(std::string_view text, const ReproductionOrder& order) {
  Json snapshot;
  try {
    snapshot = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return fail(Errc::bad_experiment,
                fmt::format("no JSON, or not all of it (at byte {} of {}); allowed: what `pollmark "
                            "snapshot` prints",
                            error.byte, text.size()));
  }
  if (!snapshot.is_object() || text_in(snapshot, "kind") != "snapshot") {
    return fail(
        Errc::bad_experiment,
        "is no snapshot (\"kind\" is not \"snapshot\"); allowed: what `pollmark snapshot` prints");
  }
  PM_TRY(const Choice choice, choose(snapshot, order.netdev));
  return Reproduction{Reproducing(snapshot, *choice.netdev, order.cpus).text(choice.why),
                      *text_in(*choice.netdev, "netdev"), choice.why};
}

}  // namespace pollmark
