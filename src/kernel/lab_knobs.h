// The knobs of the kernel's path that an order asks for, turned on the two ends of a lab: what was
// asked, what reads back, and what shows that it acted.
//
// Settings of a namespace vanish with it, and those of a veth lab's devices; a netdev lab's devices
// come home as they were. Settings of the whole host go through the journal, and are put back when
// this object goes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/journal.h"
#include "host/netns.h"
#include "kernel/books.h"
#include "record/kernel_knob.h"
#include "record/trial_order.h"
#include "record/trial_result.h"
#include "trial/endpoints.h"

namespace pollmark {

// What the kernel counted, of everything that can show that a knob acted. nullopt: not told.
struct KnobSigns {
  std::optional<std::uint64_t> link_tx_packets;  // of the sender's device
  std::optional<std::uint64_t> link_rx_packets;  // of the receiver's
  std::optional<std::uint64_t> qdisc_packets;    // through the sender's root; nullopt: it has none
  std::optional<std::uint64_t> qdisc_drops;
  std::optional<std::uint64_t> tcp_segments_sent;  // the sender's namespace
  std::optional<std::uint64_t> ip_sent;            // packets that the sender's stack passed on
  std::optional<std::uint64_t>
      segments_received;                     // IP packets as they were before they were joined
  std::optional<std::uint64_t> ip_received;  // as the receiver's stack took them
  std::optional<std::uint64_t> tcp_segments_received;
  std::optional<std::uint64_t> syncookies_sent;
  std::optional<std::uint64_t> busy_polled_pkts;
  std::optional<std::uint64_t> softnet_processed;  // softnet: of the whole host
  std::optional<std::uint64_t> softnet_dropped;
  std::optional<std::uint64_t> softnet_squeezed;
  std::optional<std::uint64_t> softnet_steered;
  std::optional<std::uint64_t> conntrack_entries;  // of the receiver's namespace
  // Packets at the first and the last rule of nft_rules; nullopt: it has none.
  std::optional<std::uint64_t> nft_first_pkts;
  std::optional<std::uint64_t> nft_last_pkts;
  std::optional<std::uint64_t> napi_threads_ns;  // CPU time; nullopt: no such thread
  // The receiver's device joins what it polls: its GRO is on; of a veth also its peer's TSO off (or
  // GRO chains or forwards). Otherwise its frames go past both (kernel 6.18,
  // veth_skb_is_eligible_for_gro).
  bool gro_acts = false;
};

// What the signs say of the knob between two readings: evidence, and whether it acted. Of a knob
// that did not act, why.
struct KnobEvidence {
  bool exercised = false;
  std::string text;
};
[[nodiscard]] KnobEvidence evidence_of(const KernelKnob& knob, const KnobSigns& before,
                                       const KnobSigns& after);

// What of the host a trial changes, its settings or where its devices are: the journal, and where
// the settings are.
struct HostWide {
  std::shared_ptr<Journal> journal;  // nullptr: the order asks for none
  std::string root;                  // as SettingGround::root
};
// To be called before the process has threads. Errors: host_cannot when the journal cannot be
// written, or the order has no permission for what it asks.
[[nodiscard]] Result<HostWide> open_host_wide(const TrialOrder& order,
                                              const std::string& root = "");

class LabKnobs {
 public:
  // Turns and checks all of them; the devices are up. Errors: host_cannot with the driver's words.
  [[nodiscard]] static Result<std::unique_ptr<LabKnobs>> turn(const TrialOrder& order,
                                                              const NetdevPlace& sender,
                                                              const NetdevPlace& receiver,
                                                              const HostWide& host,
                                                              LinkKind link = LinkKind::veth_pair);

  void begin();  // the traffic is about to start
  [[nodiscard]] std::map<std::string, Knob> knobs() const;
  [[nodiscard]] bool polls_in_threads() const {
    const auto asked = levels_.find("threaded_napi");
    return asked != levels_.end() && asked->second == "on";
  }

 private:
  LabKnobs(const TrialOrder& order, NetdevPlace sender, NetdevPlace receiver, HostWide host,
           LinkKind link)
      : sender_(std::move(sender)),
        receiver_(std::move(receiver)),
        host_(std::move(host)),
        link_(link),
        wire_(order.closed_loop.wire),
        levels_(order.kernel_knobs) {}
  [[nodiscard]] Result<void> turn_all();
  [[nodiscard]] KnobSigns signs() const;
  void read_firewall_signs(KnobSigns& signs) const;

  NetdevPlace sender_;
  NetdevPlace receiver_;
  HostWide host_;  // put back when the last of a trial's ends has gone
  LinkKind link_;
  WireKind wire_;
  std::map<std::string, std::string> levels_;
  std::vector<int> napi_threads_;  // of the receiver's device
  KnobSigns before_;
};

// The receiver, which tells of the knobs too.
[[nodiscard]] std::unique_ptr<Receiver> with_knobs(std::unique_ptr<Receiver> receiver,
                                                   std::shared_ptr<LabKnobs> knobs);

}  // namespace pollmark
