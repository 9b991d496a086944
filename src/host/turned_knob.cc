#include "host/turned_knob.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "base/units.h"
#include "host/netns.h"
#include "record/qdisc_order.h"

namespace pollmark {
namespace {

constexpr double kQdiscRounding = 0.01;  // the kernel keeps times in ticks of 64 ns

SettingKind kind_of(const KernelKnob& knob) {
  const std::string_view name = knob.setting.substr(0, knob.setting.find(' '));
  for (int i = 0; i <= static_cast<int>(SettingKind::sysctl); ++i) {
    if (name_of(static_cast<SettingKind>(i)) == name) return static_cast<SettingKind>(i);
  }
  PM_CHECK(false);
}

std::string mask_text(const std::vector<int>& cpus) {
  std::vector<std::uint32_t> words(1);
  for (const int cpu : cpus) {
    const auto word = static_cast<std::size_t>(cpu / 32);
    if (words.size() <= word) words.resize(word + 1);
    words[word] |= 1U << (cpu % 32);
  }
  std::string text = fmt::format("{:x}", words.back());
  for (std::size_t i = words.size() - 1; i-- > 0;) text += fmt::format(",{:08x}", words[i]);
  return text;
}

// "00000000,00000003" -> "3".
std::string shortest_mask(std::string_view text) {
  const std::size_t first = text.find_first_not_of("0,");
  return first == std::string_view::npos ? "0" : std::string(text.substr(first));
}

bool about(std::int64_t found, std::int64_t asked) {
  return std::abs(static_cast<double>(found - asked)) <=
         kQdiscRounding * static_cast<double>(asked);
}

bool says_qdisc(const std::string& effective, const std::string& level) {
  const auto found = QdiscOrder::parse(effective);
  const auto asked = QdiscOrder::parse(level);
  return found && asked && found->kind == asked->kind && about(found->rate_bps, asked->rate_bps) &&
         about(found->bucket_bytes, asked->bucket_bytes) &&
         about(found->limit_bytes, asked->limit_bytes) &&
         found->limit_frames == asked->limit_frames;
}

}  // namespace

Result<std::vector<Setting>> settings_of(const KernelKnob& knob, const std::string& netdev,
                                         const SettingGround& ground) {
  const SettingKind kind = kind_of(knob);
  if (kind == SettingKind::sysctl || kind == SettingKind::nft)
    return std::vector{Setting{kind, std::string(setting_name(knob)), ""}};
  std::vector<std::string> names = split(setting_name(knob), ' ');
  if (kind == SettingKind::netdev) names = netdev_files(netdev, names.front(), ground);
  if (kind == SettingKind::irq) names = interrupts_of_netdev(netdev, ground);
  if (names.empty()) {
    return fail(Errc::host_cannot,
                kind == SettingKind::irq ? std::string("has no interrupts")
                                         : fmt::format("has no {}", setting_name(knob)),
                fmt::format("{}: {}", netdev, knob.name));
  }
  std::vector<Setting> settings;
  for (std::string& name : names) {
    settings.push_back({kind, std::move(name), kind == SettingKind::irq ? "" : netdev});
  }
  return settings;
}

std::string kernel_text(const KernelKnob& knob, const std::string& level) {
  const SettingKind kind = kind_of(knob);
  switch (knob.form) {
    case KnobForm::on_off:
      if (kind == SettingKind::feature) return level;
      return level == "on" ? "1" : "0";
    case KnobForm::duration:
      return fmt::format("{}", parse_duration_ns(level).value());
    case KnobForm::cpus:
      if (kind == SettingKind::irq) return level;
      return level == "off" ? "0" : mask_text(cpus_in(level).value());
    default:
      return level;
  }
}

bool says(const KernelKnob& knob, const std::string& effective, const std::string& level) {
  if (knob.form == KnobForm::qdisc) return says_qdisc(effective, level);
  const std::string wanted = kernel_text(knob, level);
  if (knob.form == KnobForm::cpus && kind_of(knob) == SettingKind::netdev) {
    return shortest_mask(effective) == shortest_mask(wanted);
  }
  return effective == wanted;
}

Result<void> turn_knob(const KernelKnob& knob, const std::string& level, const std::string& netdev,
                       const SettingGround& ground, Journal* journal) {
  PM_TRY(const std::vector<Setting> settings, settings_of(knob, netdev, ground));
  const std::string text = kernel_text(knob, level);
  std::optional<Error> refusal;
  for (const Setting& setting : settings) {
    // What is there already is left alone: a driver may refuse even that.
    if (const auto now = read_setting(setting, ground);
        now && says(knob, now->requested, level) && says(knob, now->effective, level)) {
      continue;
    }
    Result<void> turned;
    if (journal == nullptr) {
      turned = write_setting(setting, text, ground);
    } else if (auto changed = journal->change(setting, netns_held(ground.netns_fd), text);
               !changed) {
      turned = tl::unexpected<Error>(std::move(changed).error());
    }
    if (!turned && !refusal) refusal = std::move(turned).error();
  }
  // Of a family of features a device need have no more than one.
  if (!refusal || (settings.size() > 1 && check_knob(knob, level, netdev, ground))) return {};
  return fail(Errc::host_cannot, refusal->what, fmt::format("{}: {}", netdev, knob.name));
}

Result<void> check_knob(const KernelKnob& knob, const std::string& level, const std::string& netdev,
                        const SettingGround& ground) {
  PM_TRY(const std::vector<Setting> settings, settings_of(knob, netdev, ground));
  const bool any_will_do = kind_of(knob) == SettingKind::feature && level == "on";
  std::string other;
  bool any = false;
  for (const Setting& setting : settings) {
    const auto reading = read_setting(setting, ground);
    if (!reading) {
      // A feature that this kernel has not is off.
      if (kind_of(knob) == SettingKind::feature) continue;
      return fail(reading.error().code, reading.error().what,
                  fmt::format("{}: {}", netdev, knob.name));
    }
    if (says(knob, reading->effective, level)) {
      any = true;
    } else {
      other = reading->effective;
    }
  }
  if (any_will_do ? any : other.empty()) return {};
  return fail(Errc::host_cannot,
              fmt::format("asked for {}, stays {}", level, other.empty() ? "off" : other),
              fmt::format("{}: {}", netdev, knob.name));
}

}  // namespace pollmark
