#include "rig/testpmd_peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "rig/eal.h"

namespace pollmark {
namespace {

constexpr const char* kProgram = "dpdk-testpmd";
constexpr const char* kPrompt = "testpmd> ";
constexpr int kAnswerMs = 30'000;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// The number behind the last "TX-packets:" of the sums over all ports.
std::int64_t sent_packets(const std::string& text) {
  const std::size_t all = text.rfind("for all ports");
  const std::size_t at = all == std::string::npos ? all : text.find("TX-packets:", all);
  if (at == std::string::npos) return 0;
  const std::size_t digits = text.find_first_of("0123456789", at);
  if (digits == std::string::npos) return 0;
  std::int64_t packets = 0;
  std::from_chars(text.data() + digits, text.data() + text.size(), packets);
  return packets;
}

}  // namespace

TestpmdPeer::TestpmdPeer(TestpmdPeer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)),
      lcore_(other.lcore_) {}

TestpmdPeer::~TestpmdPeer() {
  if (pid_ < 0) return;
  (void)command("quit");
  close(to_);
  // What it still says must not block it.
  std::array<char, 4096> rest;
  while (read(from_, rest.data(), rest.size()) > 0) {
  }
  close(from_);
  int status = 0;
  waitpid(pid_, &status, 0);
}

Result<TestpmdPeer> TestpmdPeer::start(int cpu, const std::string& options) {
  std::vector<std::string> words{"stdbuf",
                                 "-oL",
                                 kProgram,
                                 fmt::format("--lcores=0@{},1@{}", cpu, cpu),
                                 "--no-pci",
                                 "--no-telemetry",
                                 fmt::format("--file-prefix=pollmark-peer-{}", getpid()),
                                 "-m",
                                 "192",
                                 "--vdev=net_null0"};
  const auto facts = eal_facts();
  if (facts && facts->page_size_bytes > sysconf(_SC_PAGESIZE)) {
    words.emplace_back("--in-memory");
  } else {
    words.emplace_back("--no-huge");
    words.emplace_back("--no-shconf");
  }
  for (const char* word : {"--", "-i", "--total-num-mbufs=32768", "--no-mlockall"})
    words.emplace_back(word);
  for (std::string& word : words_of(options)) words.push_back(std::move(word));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  std::array<int, 2> in{-1, -1};
  std::array<int, 2> out{-1, -1};
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)
    return fail(Errc::host_cannot, "no pipe", kProgram);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
  TestpmdPeer peer;
  const int error =
      posix_spawnp(&peer.pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  peer.to_ = in[1];
  peer.from_ = out[0];
  if (error != 0) {
    peer.pid_ = -1;
    close(in[1]);
    close(out[0]);
    return fail(Errc::host_cannot, "it does not start", kProgram);
  }
  if (auto said = peer.read_to_prompt(); !said)
    return tl::unexpected<Error>(std::move(said).error());
  std::error_code ignored;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", peer.pid_), ignored)) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (name.find("worker") != std::string::npos)
      peer.lcore_ = static_cast<pid_t>(std::stol(task.path().filename().string()));
  }
  if (peer.lcore_ == 0) return fail(Errc::host_cannot, "it has no forwarding lcore", kProgram);
  PM_TRYV(peer.command("set fwd txonly"));
  PM_TRY(const std::string answer, peer.read_to_prompt());
  (void)answer;
  return peer;
}

Result<void> TestpmdPeer::command(const std::string& line) {
  const std::string text = line + "\n";
  if (write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail(Errc::host_cannot, "it has ended", kProgram);
  return {};
}

Result<std::string> TestpmdPeer::read_to_prompt() {
  std::string text;
  std::array<char, 4096> chunk;
  while (!text.ends_with(kPrompt)) {
    pollfd ready{from_, POLLIN, 0};
    if (poll(&ready, 1, kAnswerMs) <= 0)
      return fail(Errc::host_cannot, "it does not come to its prompt", kProgram);
    const ssize_t got = read(from_, chunk.data(), chunk.size());
    if (got <= 0) {
      const std::size_t line = text.find_last_not_of('\n');
      const std::size_t from = text.rfind('\n', line);
      return fail(Errc::host_cannot,
                  "it ended: " + text.substr(from == std::string::npos ? 0 : from + 1), kProgram);
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::int64_t TestpmdPeer::lcore_cpu_ns() const {
  std::ifstream file(fmt::format("/proc/{}/task/{}/schedstat", pid_, lcore_));
  std::int64_t on_cpu_ns = 0;
  file >> on_cpu_ns;
  return on_cpu_ns;
}

Result<PeerSample> TestpmdPeer::send_for(double seconds) {
  PeerSample sample;
  const std::int64_t before_ns = lcore_cpu_ns();
  PM_TRYV(command("start"));
  PM_TRY(const std::string started, read_to_prompt());
  (void)started;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  PM_TRYV(command("stop"));
  PM_TRY(const std::string text, read_to_prompt());
  sample.cpu_ns = lcore_cpu_ns() - before_ns;
  sample.packets = sent_packets(text);
  if (sample.packets == 0 || sample.cpu_ns == 0)
    return fail(Errc::host_cannot, "it sent nothing", kProgram);
  return sample;
}

}  // namespace pollmark
