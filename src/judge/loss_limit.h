// What a count of losses says of the true loss.
#pragma once

#include <cstdint>
#include <optional>

namespace pollmark {

// The loss ratio p at which as few losses as these, or fewer, would be seen with a probability of
// 1 - confidence: the one-sided Clopper-Pearson limit. Without a loss that is about 3 / offered for
// 95 % (rule of three). It takes losses as independent of each other; losses that come in bursts
// say less. nullopt when nothing was offered. 0 <= lost_pkts <= offered_pkts.
[[nodiscard]] std::optional<double> loss_ratio_limit(std::int64_t lost_pkts,
                                                     std::int64_t offered_pkts,
                                                     double confidence = 0.95);
// The other side: with 95 % confidence the true loss ratio is above this. 0 without a loss.
[[nodiscard]] std::optional<double> loss_ratio_floor(std::int64_t lost_pkts,
                                                     std::int64_t offered_pkts,
                                                     double confidence = 0.95);

}  // namespace pollmark
