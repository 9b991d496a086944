#include "campaign/trial_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <numeric>
#include <optional>

#include "base/stop_signal.h"
#include "campaign/ends.h"
#include "host/journal.h"
#include "host/privilege.h"
#include "record/json.h"
#include "trial/trial.h"

extern char** environ;

namespace pollmark {

// Lines from a socket; keeps what came after the newline.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  enum class End { line, closed, timed_out, interrupted };
  // Waits for one whole line until the deadline; an interruption is reported only when `stoppable`.
  End next(std::string& line, std::chrono::steady_clock::time_point deadline, bool stoppable) {
    for (;;) {
      if (const auto newline = buffer_.find('\n'); newline != std::string::npos) {
        line = buffer_.substr(0, newline);
        buffer_.erase(0, newline + 1);
        return End::line;
      }
      if (stoppable && stop_requested()) return End::interrupted;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return End::timed_out;
      pollfd waiting{fd_, POLLIN, 0};
      // A signal between the question above and poll() is noticed within 200 ms.
      const int ready =
          ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 200)));
      if (ready <= 0) continue;
      std::array<char, 65536> chunk;
      const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return End::closed;
      buffer_.append(chunk.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int fd_;
  std::string buffer_;
};

namespace {

constexpr int kSocketFd = 3;
constexpr int kFirstCaptureFd = 4;         // of the trial process
constexpr int kAboveThoseOfTheChild = 16;  // descriptors

// Writes all of it. False when the other end is gone.
bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

Json error_json(const Error& error) {
  return {{"error",
           {{"code", static_cast<int>(error.code)}, {"what", error.what}, {"where", error.where}}}};
}

Result<TrialResult> carry_out(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) return fail(Errc::broken, "the trial process got no JSON");
  PM_TRY(const TrialOrder order, trial_order_from_json(json));
  std::vector<int> capture_files(order.capture.at.size());
  std::iota(capture_files.begin(), capture_files.end(), kFirstCaptureFd);
  PM_TRY(std::vector<Ends> ends, make_ends(order, capture_files));
  return run_trial(order, std::move(ends));
}

// Generous: the wall time of a lockstep trial depends on the machine, not on the order.
std::chrono::seconds patience(const TrialOrder& order) {
  const double virtual_seconds =
      order.seconds + order.warmup_seconds + order.wait_before_seconds + order.wait_after_seconds;
  return std::chrono::seconds(120 + static_cast<std::int64_t>(virtual_seconds * 100));
}

bool needs_fresh_process(const TrialOrder& order) { return order.path != Path::model; }

}  // namespace

int serve_trials(int socket_fd) {
  // The parent decides when a trial is abandoned; it ends this process then.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  LineReader reader(socket_fd);
  std::string line;
  constexpr auto kForever = std::chrono::hours(24 * 365);
  while (reader.next(line, std::chrono::steady_clock::now() + kForever, false) ==
         LineReader::End::line) {
    const auto result = carry_out(line);
    Json reply = result ? Json{{"result", to_json(*result)}} : error_json(result.error());
    if (result)
      for (const TimelinePoint& point : result->timeline)
        reply["timeline"].push_back(to_json(point));
    if (!send_all(socket_fd, json_text(reply) + "\n")) break;
  }
  return 0;
}

struct TrialRunner::Child {
  pid_t pid = -1;
  int fd = -1;
  LineReader reader{-1};

  ~Child() {
    if (fd >= 0) ::close(fd);
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
      wait_for_guardians_of(pid);
    }
  }

  // How it ended, for a reason; call once, after the socket closed.
  std::string last_words() {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    wait_for_guardians_of(pid);
    pid = -1;
    if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
    return fmt::format("exit code {}", WEXITSTATUS(status));
  }
};

TrialRunner::TrialRunner() = default;
TrialRunner::~TrialRunner() = default;

Result<std::unique_ptr<TrialRunner::Child>> TrialRunner::spawn(
    const std::vector<int>& capture_files) const {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return fail(Errc::host_cannot, fmt::format("socketpair: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair[1], kSocketFd);
  // From copies out of the way: none is written over before it is passed on.
  std::vector<int> copies;
  for (std::size_t at = 0; at < capture_files.size(); ++at) {
    copies.push_back(::fcntl(capture_files[at], F_DUPFD_CLOEXEC, kAboveThoseOfTheChild));
    posix_spawn_file_actions_adddup2(&actions, copies.back(),
                                     kFirstCaptureFd + static_cast<int>(at));
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A process group of its own: a Ctrl-C of the terminal reaches the parent alone.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string program = "pollmark";
  std::string verb = kTrialProcessVerb;
  std::array<char*, 3> arguments{program.data(), verb.data(), nullptr};
  auto child = std::make_unique<Child>();
  const int failed = ::posix_spawn(&child->pid, "/proc/self/exe", &actions, &attributes,
                                   arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(pair[1]);
  for (const int copy : copies) ::close(copy);
  if (failed != 0) {
    ::close(pair[0]);
    child->pid = -1;
    return fail(Errc::host_cannot,
                fmt::format("cannot start a process: {}", std::strerror(failed)));
  }
  child->fd = pair[0];
  child->reader = LineReader(pair[0]);
  return child;
}

Result<void> TrialRunner::take_ports(const TrialOrder& order) {
  for (const std::string& port : {order.generator_port, order.receiver_port}) {
    if (!netdev_of_port(port) || ports_.contains(port)) continue;
    PM_TRYV(need_network_lab());
    PM_TRY(PortLock lock, PortLock::take(port, fmt::format("{} -> {}", order.generator_port,
                                                           order.receiver_port)));
    ports_.emplace(port, std::move(lock));
  }
  return {};
}

Result<TrialResult> TrialRunner::run(const TrialOrder& order,
                                     const std::vector<int>& capture_files) {
  PM_CHECK(capture_files.size() == order.capture.at.size());
  if (stop_requested()) return fail(Errc::interrupted, "stopped by a signal");
  PM_TRYV(take_ports(order));
  const bool fresh = needs_fresh_process(order);
  std::unique_ptr<Child> own;
  std::unique_ptr<Child>& child = fresh ? own : kept_[order.receiver.numa];
  const bool has_served = child != nullptr;
  if (!child) {
    PM_TRY(child, spawn(capture_files));
  }

  const auto died = [&](std::string why) {
    TrialResult result;
    result.order = order;
    result.valid = false;
    result.invalid_reasons.push_back("trial_process_died: " + std::move(why));
    child.reset();
    return result;
  };

  if (!send_all(child->fd, json_text(to_json(order)) + "\n")) return died(child->last_words());
  std::string line;
  const auto deadline = std::chrono::steady_clock::now() + patience(order);
  switch (child->reader.next(line, deadline, true)) {
    case LineReader::End::line:
      break;
    case LineReader::End::closed:
      return died(child->last_words());
    case LineReader::End::timed_out:
      return died("no answer in time");
    case LineReader::End::interrupted:
      child.reset();
      return fail(Errc::interrupted, "stopped by a signal");
  }
  const Json reply = Json::parse(line, nullptr, false);
  if (reply.is_object() && reply.contains("result")) {
    PM_TRY(TrialResult result, trial_result_from_json(reply.at("result")));
    for (const Json& item : reply.value("timeline", Json::array())) {
      PM_TRY(const TimelinePoint point, timeline_point_from_json(item));
      result.timeline.push_back(point);
    }
    return result;
  }
  if (reply.is_object() && reply.contains("error")) {
    const Json& error = reply.at("error");
    // A process whose trial failed half-way is not used again.
    child.reset();
    const auto code = static_cast<Errc>(error.value("code", static_cast<int>(Errc::broken)));
    // EAL has the memory that the process's first trial asked for: this one may need a larger one.
    if (code == Errc::host_cannot && has_served) return run(order, capture_files);
    return fail(code, error.value("what", ""), error.value("where", ""));
  }
  return died("an answer that is not one");
}

}  // namespace pollmark
