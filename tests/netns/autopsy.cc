#include "autopsy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "host/drop_program.h"
#include "host/privilege.h"

namespace pollmark {

std::int64_t Findings::owned_pkts() const {
  std::int64_t pkts = 0;
  for (const auto& entry : owners) pkts += entry.second;
  return pkts;
}

Deltas moved(const Survey& before, const Survey& after, CounterRole role) {
  Deltas deltas;
  for (const auto& [name, change] : difference(before.counters, after.counters)) {
    EXPECT_FALSE(change.went_backwards) << name;
    if (change.facts.role != role || change.delta.value_or(0) == 0) continue;
    const auto inode = name.find('#');
    const auto rest = inode == std::string::npos ? name.npos : name.find(']', inode);
    deltas[inode == std::string::npos ? name : name.substr(0, inode) + name.substr(rest)] =
        *change.delta;
  }
  return deltas;
}

Autopsy::Autopsy(const NetdevPlace& place) : place_(place) {
  if (has_capability("CAP_BPF")) {
    auto reasons = start_drop_program({.netns_fds = {place.netns_fd}});
    EXPECT_TRUE(reasons) << reasons.error().text();
    if (reasons) reasons_ = *std::move(reasons);
  }
  before_ = survey();
}

Survey Autopsy::survey() const {
  auto survey = read_survey({.netns_fd = place_.netns_fd});
  EXPECT_TRUE(survey) << survey.error().text();
  if (!survey) return {};
  EXPECT_EQ(survey->not_read, (std::map<std::string, std::string>{}));
  return *std::move(survey);
}

Findings Autopsy::findings() const {
  Findings findings;
  const Survey after = survey();
  findings.owners = moved(before_, after, CounterRole::owner);
  findings.echoes = moved(before_, after, CounterRole::echo);
  findings.signs = moved(before_, after, CounterRole::context);
  if (!reasons_) return findings;
  auto reading = reasons_->read();
  EXPECT_TRUE(reading) << reading.error().text();
  if (!reading) return findings;
  EXPECT_EQ(reading->unseen_pkts, 0);
  findings.reasons.emplace();
  for (const auto& [place, count] : reading->places) {
    if (place.netdev == "b0" && place.reason.starts_with("NEIGH_")) continue;
    (*findings.reasons)[place.reason] += count.pkts;
  }
  findings.reading = *std::move(reading);
  return findings;
}

Findings Autopsy::findings_once(const std::function<bool(const Findings&)>& so) const {
  using Clock = std::chrono::steady_clock;
  const auto give_up = Clock::now() + std::chrono::seconds(2);
  for (;;) {
    Findings now = findings();
    if (so(now) || Clock::now() > give_up) return now;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool died_of(const Findings& findings, const std::string& reason, std::int64_t pkts) {
  return !findings.reasons || *findings.reasons == Deltas{{reason, pkts}} ||
         *findings.reasons == Deltas{{"NOT_SPECIFIED", pkts}};
}

}  // namespace pollmark
