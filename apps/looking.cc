#include "apps/looking.h"

#include <ctime>
#include <utility>

#include "base/stop_signal.h"
#include "base/units.h"

namespace pollmark {

Result<std::chrono::steady_clock::duration> duration_option(std::string_view option,
                                                            const std::string& text) {
  Result<std::int64_t> ns = parse_duration_ns(text);
  if (!ns) return tl::unexpected<Error>(std::move(ns).error().within(option));
  return std::chrono::nanoseconds(*ns);
}

double epoch_seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool wait_until(std::chrono::steady_clock::time_point due) {
  while (!stop_requested()) {
    const auto left = due - std::chrono::steady_clock::now();
    if (left <= std::chrono::steady_clock::duration::zero()) return true;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const timespec length{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    nanosleep(&length, nullptr);
  }
  return false;
}

}  // namespace pollmark
