#include "judge/scale.h"

#include <algorithm>
#include <cmath>

namespace pollmark {
namespace {

constexpr double kLargestShareMargin = 0.001;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

Scale scale_of(std::string_view metric) {
  return ends_with(metric, "_ratio") || ends_with(metric, "_fraction") ? Scale::absolute
                                                                       : Scale::relative;
}

double margin_of(std::string_view metric, double matters) {
  return scale_of(metric) == Scale::absolute ? std::min(matters, kLargestShareMargin)
                                             : std::log1p(matters);
}

}  // namespace pollmark
