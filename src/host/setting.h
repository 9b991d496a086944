// One setting of the kernel as text: where it stands, how it is read and how it is set. Knobs, the
// journal and `restore` all go through these calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// What resets others comes first: channels the masks of the queues, rings the link.
enum class SettingKind {
  channels,  // ethtool -L: rx, tx, combined, receive
  ring,      // ethtool -G: rx, tx
  coalesce,  // ethtool -C: rx_usecs, rx_frames, tx_usecs, tx_frames, adaptive_rx
  feature,   // ethtool -K, as the kernel names it: on, off
  netdev,    // file below /sys/class/net/NETDEV: mtu, queues/rx-0/rps_cpus
  irq,       // number of an interrupt: its CPUs
  qdisc,     // root: QdiscOrder as text
  nft,       // rules, conntrack: how many of such rules (nft_rules.h)
  sysctl,    // net.core.netdev_budget
  home,      // all that a device loses when it is lent (netdev_home.h); Journal::lend alone
};
inline constexpr SettingKind kLastSettingKind = SettingKind::home;
[[nodiscard]] std::string_view name_of(SettingKind kind);

struct Setting {
  SettingKind kind = SettingKind::sysctl;
  std::string name;
  std::string netdev;  // empty: of a namespace or of the host
  // "eth2 feature tx-tcp-segmentation", "net.core.netdev_budget"; a home: "eth2".
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Setting&, const Setting&) = default;
};

// Where it is looked for.
struct SettingGround {
  int netns_fd = -1;  // not owned; -1: the namespace of the process
  std::string root;   // prefix of /proc and /sys; a test gives a tree of files
};

// A feature may be requested and yet not active; of all others both are the same.
struct SettingReading {
  std::string requested;  // what puts it back when it is set again
  std::string effective;
  friend bool operator==(const SettingReading&, const SettingReading&) = default;
};

// Errors, of both: host_cannot with the setting and the driver's or the kernel's reason.
[[nodiscard]] Result<SettingReading> read_setting(const Setting& setting,
                                                  const SettingGround& ground);
// Whether it took effect is to be read back.
[[nodiscard]] Result<void> write_setting(const Setting& setting, const std::string& requested,
                                         const SettingGround& ground);
// Files of a device that can be read, * of the pattern standing for a number:
// "queues/rx-*/rps_cpus".
[[nodiscard]] std::vector<std::string> netdev_files(const std::string& netdev,
                                                    const std::string& pattern,
                                                    const SettingGround& ground);
// Whether the device's folder below /sys/class/net has that file.
[[nodiscard]] bool netdev_has_file(const std::string& netdev, const std::string& file,
                                   const SettingGround& ground);
// Numbers of the interrupts of a device on PCI; a virtual one has none.
[[nodiscard]] std::vector<std::string> interrupts_of_netdev(const std::string& netdev,
                                                            const SettingGround& ground);
// Settings of the same device that a change of this one may take along: the other features, the
// masks of the queues. Empty where they cannot be listed.
[[nodiscard]] std::vector<Setting> taken_along_by(const Setting& setting,
                                                  const SettingGround& ground);
// False when its device, or the file of the setting, is gone: nothing is left to put back.
[[nodiscard]] bool still_there(const Setting& setting, const SettingGround& ground);

}  // namespace pollmark
