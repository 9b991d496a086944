#include "judge/multiplicity.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace pollmark {
namespace {

std::vector<std::size_t> rising(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<double> adjusted(p.size());
  double most = 0.0;
  std::size_t left = p.size();
  for (const std::size_t index : rising(p)) {
    most = std::max(most, std::min(1.0, static_cast<double>(left) * p[index]));
    adjusted[index] = most;
    --left;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p) {
  std::vector<double> adjusted(p.size());
  const std::vector<std::size_t> order = rising(p);
  double least = 1.0;
  for (std::size_t rank = order.size(); rank-- > 0;) {
    const std::size_t index = order[rank];
    const double scaled = static_cast<double>(p.size()) * p[index] / static_cast<double>(rank + 1);
    least = std::min(least, scaled);
    adjusted[index] = least;
  }
  return adjusted;
}

}  // namespace pollmark
