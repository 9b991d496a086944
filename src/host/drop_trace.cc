#include "host/drop_trace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "base/text.h"
#include "host/file_text.h"
#include "host/kernel_symbols.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInstancePrefix = "pollmark-";

tl::unexpected<Error> trace_refusal(std::string what) {
  return fail(Errc::host_cannot, std::move(what), "tracefs");
}

std::optional<fs::path> tracefs_folder() {
  const auto mounts = read_text_at(AT_FDCWD, "/proc/thread-self/mounts");
  if (!mounts) return std::nullopt;
  for (const std::string& line : split(*mounts, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() > 2 && words[2] == "tracefs") return words[1];
  }
  return std::nullopt;
}

// A number behind a word: "overrun: 17" -> 17.
std::int64_t number_behind(std::string_view text, std::string_view word) {
  std::int64_t number = 0;
  if (const auto at = text.find(word); at != text.npos) {
    const auto digits = trimmed(text.substr(at + word.size()));
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
  }
  return number;
}

std::string_view word_behind(std::string_view text, std::string_view label) {
  const auto at = text.find(label);
  if (at == text.npos) return {};
  text.remove_prefix(at + label.size());
  return text.substr(0, text.find_first_of(" \n"));
}

// The kernel does not remove one that somebody reads: a living process's stays.
void sweep_dead_instances(const fs::path& instances) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(instances, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kInstancePrefix)) continue;
    const auto pid = static_cast<pid_t>(number_behind(name, kInstancePrefix));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) rmdir(entry.path().c_str());
  }
}

class TraceInstance {
 public:
  explicit TraceInstance(fs::path folder) : folder_(std::move(folder)) {}
  TraceInstance(const TraceInstance&) = delete;
  TraceInstance& operator=(const TraceInstance&) = delete;
  ~TraceInstance() { rmdir(folder_.c_str()); }
  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

class DropTraceTable final : public DropTable {
 public:
  static Result<std::unique_ptr<DropTable>> start() {
    const auto tracefs = tracefs_folder();
    if (!tracefs) return trace_refusal("is not mounted");
    const fs::path instances = *tracefs / "instances";
    sweep_dead_instances(instances);
    const fs::path folder = instances / fmt::format("{}{}", kInstancePrefix, getpid());
    if (mkdir(folder.c_str(), 0700) != 0) return trace_refusal(std::strerror(errno));
    auto table = std::unique_ptr<DropTraceTable>(new DropTraceTable(folder));
    PM_TRYV(table->open());
    return table;
  }

  Result<DropReading> read() override {
    PM_TRYV(drain());
    reading_.unseen_pkts = lost_events();
    return reading_;
  }

 private:
  explicit DropTraceTable(fs::path folder) : instance_(std::move(folder)) {}

  Result<void> open() {
    const fs::path& folder = instance_.folder();
    pipe_ = FileHandle(::open((folder / "trace_pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (pipe_.fd() < 0) return trace_refusal(std::strerror(errno));
    return write_text_at(AT_FDCWD, (folder / "events/skb/kfree_skb/enable").string(), "1");
  }

  // So much of what stands in the buffers that packets lost meanwhile cannot keep it for ever.
  Result<void> drain() {
    constexpr int kMostChunks = 4096;
    std::array<char, 1 << 16> chunk;
    for (int k = 0; k < kMostChunks; ++k) {
      const ssize_t got = ::read(pipe_.fd(), chunk.data(), chunk.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        if (got == 0 || errno == EAGAIN) return {};
        return trace_refusal(std::strerror(errno));
      }
      take({chunk.data(), static_cast<std::size_t>(got)});
    }
    return {};
  }

  void take(std::string_view text) {
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      rest_ += text.substr(0, end);
      if (const auto place = parse_drop_event(rest_)) {
        DropCount& count = reading_.places[*place];
        count.segments = ++count.pkts;
      }
      rest_.clear();
      text.remove_prefix(end + 1);
    }
    rest_ += text;
  }

  // What was written over before it was read.
  std::int64_t lost_events() const {
    std::int64_t lost = 0;
    std::error_code error;
    for (const auto& cpu : fs::directory_iterator(instance_.folder() / "per_cpu", error)) {
      const auto stats = read_text_at(AT_FDCWD, (cpu.path() / "stats").string());
      if (!stats) continue;
      lost += number_behind(*stats, "\noverrun:") + number_behind(*stats, "\ndropped events:");
    }
    return lost;
  }

  TraceInstance instance_;
  FileHandle pipe_;  // closed first: the instance cannot be removed while it is read
  std::string rest_;
  DropReading reading_;
};

}  // namespace

std::optional<DropPlace> parse_drop_event(std::string_view line) {
  const auto event = line.find(" kfree_skb: ");
  if (event == line.npos) return std::nullopt;
  line.remove_prefix(event);
  DropPlace place;
  place.reason = word_behind(line, " reason: ");
  place.function = bare_function(word_behind(line, " location="));
  place.ethertype = static_cast<std::uint16_t>(number_behind(line, " protocol="));
  if (place.reason.empty() || place.function.empty()) return std::nullopt;
  return place;
}

Result<std::unique_ptr<DropTable>> start_drop_trace() { return DropTraceTable::start(); }

}  // namespace pollmark
