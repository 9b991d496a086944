#include "judge/loss_limit.h"

#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "base/error.h"

namespace pollmark {

std::optional<double> loss_ratio_limit(std::int64_t lost_pkts, std::int64_t offered_pkts,
                                       double confidence) {
  PM_CHECK(lost_pkts >= 0 && confidence > 0.0 && confidence < 1.0);
  if (offered_pkts <= 0) return std::nullopt;
  PM_CHECK(lost_pkts <= offered_pkts);
  if (lost_pkts == offered_pkts) return 1.0;
  const double offered = static_cast<double>(offered_pkts);
  if (lost_pkts == 0) return -std::expm1(std::log1p(-confidence) / offered);
  return boost::math::ibeta_inv(static_cast<double>(lost_pkts) + 1.0,
                                offered - static_cast<double>(lost_pkts), confidence);
}

std::optional<double> loss_ratio_floor(std::int64_t lost_pkts, std::int64_t offered_pkts,
                                       double confidence) {
  PM_CHECK(lost_pkts >= 0 && confidence > 0.0 && confidence < 1.0);
  if (offered_pkts <= 0) return std::nullopt;
  PM_CHECK(lost_pkts <= offered_pkts);
  if (lost_pkts == 0) return 0.0;
  return boost::math::ibeta_inv(static_cast<double>(lost_pkts),
                                static_cast<double>(offered_pkts - lost_pkts) + 1.0,
                                1.0 - confidence);
}

}  // namespace pollmark
