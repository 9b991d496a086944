#include "kernel/trial_drops.h"

#include <fmt/format.h>

#include <utility>

namespace pollmark {
namespace {

Result<std::uint32_t> netns_of(const NetdevPlace& place) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place.netns_fd));
  PM_TRY(const Netns netns, Netns::current());
  return static_cast<std::uint32_t>(netns.inode());
}

Result<TrialDrops> start_watch(const TrialOrder& order, const NetdevPlace& sender,
                               const NetdevPlace& receiver) {
  TrialDrops drops;
  PM_TRY(drops.there.sender, netns_of(sender));
  PM_TRY(drops.there.receiver, netns_of(receiver));
  drops.both_ways = direction_count(order) == 2;
  PM_TRY(DropReasons started,
         DropReasons::start({.netns_fds = {sender.netns_fd, receiver.netns_fd}}));
  const auto reasons = std::make_shared<DropReasons>(std::move(started));
  drops.source = reasons->source();
  drops.read = [reasons] { return reasons->read(); };
  if (drops.source == DropSource::tracefs) {
    drops.not_watched = fmt::format(
        "drop reasons: {}; tracefs tells those of the whole host, so none is in the books",
        reasons->why_not_bpf());
  }
  return drops;
}

}  // namespace

std::shared_ptr<const TrialDrops> watch_trial_drops(const TrialOrder& order,
                                                    const NetdevPlace& sender,
                                                    const NetdevPlace& receiver) {
  if (!has_drop_reasons(order.path)) return nullptr;
  TrialDrops drops;
  if (order.drop_reasons == DropReasonsRule::off) {
    drops.not_watched = "drop reasons: switched off";
  } else if (auto started = start_watch(order, sender, receiver)) {
    drops = *std::move(started);
  } else {
    drops.not_watched = fmt::format("drop reasons: {}", started.error().text());
  }
  return std::make_shared<const TrialDrops>(std::move(drops));
}

}  // namespace pollmark
