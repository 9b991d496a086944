#include "host/setting.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>

#include "host/ethtool.h"
#include "host/ethtool_numbers.h"
#include "host/file_text.h"
#include "host/netdev_home.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/nft_rules.h"

namespace pollmark {
namespace {

constexpr std::array<std::string_view, 10> kKinds{
    "channels", "ring", "coalesce", "feature", "netdev", "irq", "qdisc", "nft", "sysctl", "home"};

NumberGroup group_of(SettingKind kind) {
  if (kind == SettingKind::channels) return NumberGroup::channels;
  return kind == SettingKind::ring ? NumberGroup::ring : NumberGroup::coalesce;
}

// A folder, and a file in it.
struct SettingFile {
  FileHandle folder;
  std::string file;
};

// The devices below /sys are those of the namespace in which it was mounted, so that a namespace
// needs a sysfs of its own: one that hangs on this descriptor alone. The calling thread is inside.
Result<FileHandle> open_sysfs(const SettingGround& ground) {
  if (ground.root.empty()) {
    const FileHandle context(fsopen("sysfs", FSOPEN_CLOEXEC));
    if (context.fd() >= 0 &&
        fsconfig(context.fd(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
      if (FileHandle mounted(fsmount(context.fd(), FSMOUNT_CLOEXEC, 0)); mounted.fd() >= 0) {
        return mounted;
      }
    }
    if (ground.netns_fd >= 0) {
      return fail(Errc::host_cannot, std::strerror(errno), "sysfs of a namespace");
    }
  }
  const std::string folder = ground.root + "/sys";
  FileHandle handle(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (handle.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), folder);
  return handle;
}

Result<SettingFile> file_of(const Setting& setting, const SettingGround& ground) {
  if (setting.kind == SettingKind::netdev) {
    PM_TRY(FileHandle sysfs, open_sysfs(ground));
    return SettingFile{std::move(sysfs),
                       fmt::format("class/net/{}/{}", setting.netdev, setting.name)};
  }
  if (setting.kind == SettingKind::irq) {
    return SettingFile{{},
                       fmt::format("{}/proc/irq/{}/smp_affinity_list", ground.root, setting.name)};
  }
  std::string path = setting.name;
  std::ranges::replace(path, '.', '/');
  return SettingFile{{}, fmt::format("{}/proc/sys/{}", ground.root, path)};
}

int folder_of(const SettingFile& at) { return at.folder.fd() >= 0 ? at.folder.fd() : AT_FDCWD; }

// "4096\t131072\t6291456" and "4096 131072 6291456" are the same.
std::string with_single_spaces(std::string text) {
  std::ranges::replace(text, '\t', ' ');
  return text;
}

Result<SettingReading> read_feature(const Setting& setting) {
  PM_TRY(const auto features, read_features(setting.netdev));
  const auto found = features.find(setting.name);
  if (found == features.end()) return fail(Errc::host_cannot, "this kernel has no such feature");
  return SettingReading{found->second.requested ? "on" : "off",
                        found->second.active ? "on" : "off"};
}

Result<void> write_feature(const Setting& setting, const std::string& requested) {
  PM_TRY(const auto features, read_features(setting.netdev));
  const auto found = features.find(setting.name);
  if (found == features.end()) return fail(Errc::host_cannot, "this kernel has no such feature");
  const std::string_view active = found->second.active ? "on" : "off";
  if (!found->second.changeable) {
    if (active == requested) return {};
    return fail(Errc::host_cannot, fmt::format("is {}, fixed by the driver", active));
  }
  return request_feature(setting.netdev, setting.name,
                         requested == "on" ? FeatureSwitch::on : FeatureSwitch::off);
}

Result<SettingReading> read_qdisc(const Setting& setting, const SettingGround& ground) {
  PM_TRY(Netlink netlink, Netlink::open(ground.netns_fd));
  PM_TRY(const auto root, netlink.root_qdisc(setting.netdev));
  if (!root) {
    return fail(Errc::host_cannot,
                "was made by somebody else, and is none that could be put back; allowed: the "
                "device's default, pfifo, tbf, htb with one class");
  }
  return SettingReading{root->text(), root->text()};
}

Result<void> write_qdisc(const Setting& setting, const std::string& requested,
                         const SettingGround& ground) {
  PM_TRY(const QdiscOrder order, QdiscOrder::parse(requested));
  PM_TRY(Netlink netlink, Netlink::open(ground.netns_fd));
  return netlink.set_root_qdisc(setting.netdev, order);
}

Result<std::uint32_t> number_in_text(const std::string& text) {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code == std::errc() && end == text.data() + text.size()) return value;
  return fail(Errc::bad_experiment, fmt::format("\"{}\" is no number", text));
}

NftTable table_of(const Setting& setting) {
  return setting.name == "conntrack" ? NftTable::conntrack : NftTable::walk;
}

// The calling thread is in the namespace.
Result<SettingReading> read_here(const Setting& setting, const SettingGround& ground) {
  switch (setting.kind) {
    case SettingKind::channels:
    case SettingKind::ring:
    case SettingKind::coalesce: {
      PM_TRY(const auto value,
             read_device_number(setting.netdev, group_of(setting.kind), setting.name));
      return SettingReading{fmt::format("{}", value), fmt::format("{}", value)};
    }
    case SettingKind::feature:
      return read_feature(setting);
    case SettingKind::qdisc:
      return read_qdisc(setting, ground);
    case SettingKind::home: {
      PM_TRY(const std::string home, read_netdev_home(setting.netdev, ground.netns_fd));
      return SettingReading{home, home};
    }
    case SettingKind::nft: {
      PM_TRY(const NftRules found, read_nft_rules(-1, table_of(setting)));
      return SettingReading{fmt::format("{}", found.rules), fmt::format("{}", found.rules)};
    }
    case SettingKind::netdev:
    case SettingKind::irq:
    case SettingKind::sysctl:
      break;
  }
  PM_TRY(const SettingFile at, file_of(setting, ground));
  PM_TRY(std::string text, read_text_at(folder_of(at), at.file));
  text = with_single_spaces(std::move(text));
  return SettingReading{text, text};
}

Result<void> write_here(const Setting& setting, const std::string& requested,
                        const SettingGround& ground) {
  switch (setting.kind) {
    case SettingKind::channels:
    case SettingKind::ring:
    case SettingKind::coalesce: {
      PM_TRY(const auto value, number_in_text(requested));
      return set_device_number(setting.netdev, group_of(setting.kind), setting.name, value);
    }
    case SettingKind::feature:
      return write_feature(setting, requested);
    case SettingKind::qdisc:
      return write_qdisc(setting, requested, ground);
    case SettingKind::home:
      return fail(Errc::broken, "is not set but lent");
    case SettingKind::nft: {
      PM_TRY(const auto rules, number_in_text(requested));
      return put_nft_rules(-1, table_of(setting), static_cast<int>(rules));
    }
    case SettingKind::netdev:
    case SettingKind::irq:
    case SettingKind::sysctl:
      break;
  }
  PM_TRY(const SettingFile at, file_of(setting, ground));
  return write_text_at(folder_of(at), at.file, requested);
}

template <typename Value>
Result<Value> named(Result<Value> result, const Setting& setting) {
  if (result) return result;
  return fail(result.error().code, result.error().what, setting.text());
}

}  // namespace

std::string_view name_of(SettingKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::string Setting::text() const {
  if (kind == SettingKind::home) return netdev;
  if (netdev.empty()) return kind == SettingKind::irq ? "irq " + name : name;
  if (kind == SettingKind::netdev) return fmt::format("{} {}", netdev, name);
  return fmt::format("{} {} {}", netdev, name_of(kind), name);
}

Result<SettingReading> read_setting(const Setting& setting, const SettingGround& ground) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(ground.netns_fd));
  return named(read_here(setting, ground), setting);
}

Result<void> write_setting(const Setting& setting, const std::string& requested,
                           const SettingGround& ground) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(ground.netns_fd));
  return named(write_here(setting, requested, ground), setting);
}

std::vector<Setting> taken_along_by(const Setting& setting, const SettingGround& ground) {
  std::vector<Setting> along;
  const auto inside = ScopedNetns::enter(ground.netns_fd);
  if (!inside) return along;
  if (setting.kind == SettingKind::feature) {
    const auto features = read_features(setting.netdev);
    if (!features) return along;
    for (const auto& [name, state] : *features) {
      if (state.changeable) along.push_back({SettingKind::feature, name, setting.netdev});
    }
  }
  if (setting.kind == SettingKind::channels) {
    for (const char* each :
         {"queues/rx-*/rps_cpus", "queues/rx-*/rps_flow_cnt", "queues/tx-*/xps_cpus"}) {
      for (const std::string& name : netdev_files(setting.netdev, each, ground)) {
        along.push_back({SettingKind::netdev, name, setting.netdev});
      }
    }
  }
  return along;
}

std::vector<std::string> netdev_files(const std::string& netdev, const std::string& pattern,
                                      const SettingGround& ground) {
  const auto inside = ScopedNetns::enter(ground.netns_fd);
  const std::size_t star = pattern.find('*');
  if (!inside || star == std::string::npos) return {pattern};
  const auto sysfs = open_sysfs(ground);
  std::vector<std::string> names;
  // Numbered without a gap.
  for (int i = 0; sysfs; ++i) {
    std::string name = pattern;
    name.replace(star, 1, fmt::format("{}", i));
    // One that cannot be read (the mask of a single queue) is none.
    if (!read_text_at(sysfs->fd(), fmt::format("class/net/{}/{}", netdev, name))) break;
    names.push_back(std::move(name));
  }
  return names;
}

bool netdev_has_file(const std::string& netdev, const std::string& file,
                     const SettingGround& ground) {
  const auto inside = ScopedNetns::enter(ground.netns_fd);
  if (!inside) return false;
  const auto sysfs = open_sysfs(ground);
  return sysfs &&
         faccessat(sysfs->fd(), fmt::format("class/net/{}/{}", netdev, file).c_str(), F_OK, 0) == 0;
}

std::vector<std::string> interrupts_of_netdev(const std::string& netdev,
                                              const SettingGround& ground) {
  std::vector<std::string> numbers;
  const auto inside = ScopedNetns::enter(ground.netns_fd);
  if (!inside) return numbers;
  const auto sysfs = open_sysfs(ground);
  if (!sysfs) return numbers;
  const int folder =
      openat(sysfs->fd(), fmt::format("class/net/{}/device/msi_irqs", netdev).c_str(),
             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* open = folder < 0 ? nullptr : fdopendir(folder);
  if (open == nullptr) return numbers;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] != '.') numbers.emplace_back(entry->d_name);
  }
  closedir(open);
  std::ranges::sort(numbers);
  return numbers;
}

bool still_there(const Setting& setting, const SettingGround& ground) {
  const auto inside = ScopedNetns::enter(ground.netns_fd);
  if (!inside) return false;
  switch (setting.kind) {
    case SettingKind::netdev:
    case SettingKind::irq:
    case SettingKind::sysctl: {
      const auto at = file_of(setting, ground);
      return at && faccessat(folder_of(*at), at->file.c_str(), F_OK, 0) == 0;
    }
    case SettingKind::nft:
      return true;
    default: {
      auto netlink = Netlink::open(-1);
      return netlink && netlink->link(setting.netdev);
    }
  }
}

}  // namespace pollmark
