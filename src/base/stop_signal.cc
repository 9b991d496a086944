#include "base/stop_signal.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/error.h"

namespace pollmark {
namespace {

std::atomic<int> stop_count{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_stop(int signal) {
  if (stop_count.fetch_add(1) >= 1 && signal != SIGHUP) _exit(static_cast<int>(Errc::interrupted));
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction former {};
  sigaction(SIGHUP, nullptr, &former);
  if (former.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() { return stop_count.load() > 0; }

}  // namespace pollmark
