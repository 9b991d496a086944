// Both books over what dies in a namespace: the survey's counters, and the kernel's own reasons.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "host/drop_reasons.h"
#include "host/netns.h"
#include "host/survey.h"

namespace pollmark {

using Deltas = std::map<std::string, std::int64_t>;

struct Findings {
  Deltas owners;  // counters that moved, sockets without the numbers of their inodes
  Deltas echoes;
  Deltas signs;
  // Reason -> packets; nullopt: BPF cannot be had here. Without the answers (ICMP) that this
  // namespace sends by b0 to addresses where nobody is.
  std::optional<Deltas> reasons;
  std::optional<DropReading> reading;

  [[nodiscard]] std::int64_t owned_pkts() const;
};

// What moved of one role, without the numbers of inodes.
[[nodiscard]] Deltas moved(const Survey& before, const Survey& after, CounterRole role);

class Autopsy {
 public:
  explicit Autopsy(const NetdevPlace& place);
  [[nodiscard]] Findings findings() const;
  // As soon as they are so, or after two seconds: what waits somewhere takes its time to die.
  [[nodiscard]] Findings findings_once(const std::function<bool(const Findings&)>& so) const;

 private:
  [[nodiscard]] Survey survey() const;

  NetdevPlace place_;
  std::unique_ptr<DropTable> reasons_;
  Survey before_;
};

// All of them for that reason; for none, where this kernel does not know it yet.
[[nodiscard]] bool died_of(const Findings& findings, const std::string& reason, std::int64_t pkts);

}  // namespace pollmark
