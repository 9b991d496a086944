#include "campaign/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "base/units.h"

namespace pollmark {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

Progress::Voice Progress::voice_of_stderr() {
  return ::isatty(STDERR_FILENO) ? Voice::terminal : Voice::plain;
}

Progress::Progress(Voice voice, std::size_t trials_planned)
    : voice_(voice), planned_(trials_planned) {}

Progress::~Progress() {
  if (voice_ == Voice::terminal && !line_.empty()) std::fputs("\r\033[K", stderr);
}

void Progress::show(const std::string& line) {
  line_ = line;
  if (voice_ == Voice::terminal) {
    const std::string cut = line.substr(0, terminal_width() - 1);
    std::fprintf(stderr, "\r\033[K%s", cut.c_str());
    std::fflush(stderr);
  } else if (voice_ == Voice::plain) {
    // One line every five seconds is enough for a log.
    const auto now = std::chrono::steady_clock::now();
    if (now - plain_last_ < std::chrono::seconds(5)) return;
    plain_last_ = now;
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void Progress::trial_starts(std::size_t number, const std::string& label, double pps, int attempt,
                            double remaining_seconds) {
  if (attempt > 0) ++retried_;
  std::string status = fmt::format("[{}/{}] {}", number, planned_, label);
  if (pps > 0.0) status += " " + si(pps, "pps");
  status += fmt::format(" ETA {}", duration_text(remaining_seconds * 1e9));
  if (invalid_ > 0) status += fmt::format(" ({} invalid, {} retried)", invalid_, retried_);
  show(status);
}

void Progress::trial_was_invalid(const std::string& why) {
  ++invalid_;
  if (voice_ == Voice::plain) std::fprintf(stderr, "  invalid: %s\n", why.c_str());
}

void Progress::say(const std::string& line) {
  if (voice_ == Voice::quiet) return;
  if (voice_ == Voice::terminal && !line_.empty()) std::fputs("\r\033[K", stderr);
  std::fprintf(stderr, "%s\n", line.c_str());
  if (voice_ == Voice::terminal && !line_.empty()) show(line_);
}

}  // namespace pollmark
