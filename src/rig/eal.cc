#include "rig/eal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_version.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>

#include "host/numa_placement.h"

namespace pollmark {
namespace {

constexpr std::int64_t kHugepageBytes = 2 << 20;
constexpr std::size_t kKeptLogBytes = 8192;

// Written by whatever thread DPDK logs from.
std::mutex log_mutex;
std::string log_tail;

ssize_t keep_log(void* /*cookie*/, const char* text, std::size_t bytes) {
  const std::lock_guard lock(log_mutex);
  log_tail.append(text, bytes);
  if (log_tail.size() > kKeptLogBytes) log_tail.erase(0, log_tail.size() - kKeptLogBytes);
  return static_cast<ssize_t>(bytes);
}

// The first line that tells of a failure (DPDK states the cause first, its consequences after), or
// else the last one.
std::string telling_line(const std::string& text) {
  std::string last;
  std::size_t from = 0;
  while (from < text.size()) {
    std::size_t to = text.find('\n', from);
    if (to == std::string::npos) to = text.size();
    std::string line = text.substr(from, to - from);
    from = to + 1;
    if (line.empty()) continue;
    for (const char* word :
         {"annot", "ailed", "rror", "nvalid", "not compatible", "No free", "not "})
      if (line.find(word) != std::string::npos) return line;
    last = std::move(line);
  }
  return last;
}

// EAL writes its fatal line to stderr, and its usage to stdout, by itself: both go to a file while
// it starts.
class TerminalAside {
 public:
  TerminalAside() : file_(memfd_create("pollmark-eal", MFD_CLOEXEC)) {
    if (file_ < 0) return;
    std::fflush(stdout);
    std::fflush(stderr);
    for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      saved_[fd - 1] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      if (saved_[fd - 1] >= 0) dup2(file_, fd);
    }
  }
  TerminalAside(const TerminalAside&) = delete;
  TerminalAside& operator=(const TerminalAside&) = delete;
  ~TerminalAside() {
    restore();
    if (file_ >= 0) close(file_);
  }
  void restore() {
    std::fflush(stdout);
    std::fflush(stderr);
    for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      if (saved_[fd - 1] < 0) continue;
      dup2(saved_[fd - 1], fd);
      close(saved_[fd - 1]);
      saved_[fd - 1] = -1;
    }
  }
  [[nodiscard]] std::string text() const {
    std::string all;
    char chunk[4096];
    off_t at = 0;
    for (ssize_t got = 0; file_ >= 0 && (got = pread(file_, chunk, sizeof chunk, at)) > 0;
         at += got)
      all.append(chunk, static_cast<std::size_t>(got));
    return all;
  }

 private:
  int file_;
  int saved_[2] = {-1, -1};
};

int lowest_allowed_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) return cpu;
  return 0;
}

// EAL cannot be started twice, so what it would stumble over is tried here first: that many
// hugepages, mapped and touched as this user; with a node, as many are free there.
Result<void> try_hugepages(std::int64_t memory_mib, int node) {
  const std::int64_t needed = (memory_mib * (1 << 20) + kHugepageBytes - 1) / kHugepageBytes;
  const std::string of_node =
      node < 0 ? "/sys/kernel/mm" : fmt::format("/sys/devices/system/node/node{}", node);
  std::ifstream file(of_node + "/hugepages/hugepages-2048kB/free_hugepages");
  std::int64_t free_pages = 0;
  if (!(file >> free_pages)) return fail(Errc::host_cannot, "the kernel has no 2 MiB hugepages");
  if (free_pages < needed)
    return fail(Errc::host_cannot,
                fmt::format("{} of {} hugepages of 2 MiB are free{}", free_pages, needed,
                            node < 0 ? std::string() : fmt::format(" on NUMA node {}", node)));
  const int file_descriptor = memfd_create("pollmark-try", MFD_CLOEXEC | MFD_HUGETLB);
  if (file_descriptor < 0)
    return fail(Errc::host_cannot, fmt::format("hugepages: {}", std::strerror(errno)));
  const auto bytes = static_cast<std::size_t>(needed * kHugepageBytes);
  std::string reason;
  if (ftruncate(file_descriptor, static_cast<off_t>(bytes)) != 0) {
    reason = std::strerror(errno);
  } else {
    void* mapped =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_descriptor, 0);
    if (mapped == MAP_FAILED)
      reason = std::strerror(errno);
    else
      munmap(mapped, bytes);
  }
  close(file_descriptor);
  if (!reason.empty()) return fail(Errc::host_cannot, "hugepages: " + reason);
  return {};
}

// Without hugepages DPDK knows one node only: its memory is one mapping, of which it has touched
// little by now.
Result<void> bind_mapped_memory(int node) {
  struct Binding {
    int node;
    Result<void> done;
  } binding{node, {}};
  rte_memseg_list_walk(
      [](const rte_memseg_list* list, void* found) {
        auto& each = *static_cast<Binding*>(found);
        if (list->base_va != nullptr && list->len > 0)
          each.done = bind_memory(list->base_va, list->len, each.node);
        return each.done ? 0 : 1;
      },
      &binding);
  return binding.done;
}

Result<EalFacts> start_once(const EalOrder& order) {
  EalFacts facts;
  facts.memory_mib = order.memory_mib;
  facts.cpu = order.cpu >= 0 ? order.cpu : lowest_allowed_cpu();
  facts.page_size_bytes = sysconf(_SC_PAGESIZE);

  std::vector<std::string> words{"pollmark",
                                 "-l",
                                 fmt::format("{}", facts.cpu),
                                 "--no-pci",
                                 "--no-telemetry",
                                 fmt::format("--file-prefix=pollmark-{}", getpid()),
                                 "--log-level=*:notice"};
  if (!order.use_hugepages) {
    facts.hugepages = "not asked for";
  } else if (auto usable = try_hugepages(order.memory_mib, order.memory_node); usable) {
    facts.hugepages = "2 MiB pages are free and usable";
    facts.page_size_bytes = kHugepageBytes;
  } else {
    facts.hugepages = usable.error().what;
  }
  const bool hugepages = facts.page_size_bytes == kHugepageBytes;
  if (hugepages && order.memory_node >= 0) {
    std::string mib_of_nodes;
    for (int node = 0; node < order.memory_node; ++node) mib_of_nodes += "0,";
    words.push_back(fmt::format("--socket-mem={}{}", mib_of_nodes, order.memory_mib));
  } else {
    words.emplace_back("-m");
    words.push_back(fmt::format("{}", order.memory_mib));
  }
  if (hugepages) {
    words.emplace_back("--in-memory");  // never together with --no-huge: EAL refuses it
  } else {
    words.emplace_back("--no-huge");
    words.emplace_back("--no-shconf");
  }
  for (const std::string& vdev : order.vdevs) words.push_back("--vdev=" + vdev);

  // EAL permutes the array and keeps pointers into the strings.
  static std::vector<std::string> kept;
  kept = std::move(words);
  std::vector<char*> arguments;
  arguments.reserve(kept.size() + 1);
  for (std::string& word : kept) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  cookie_io_functions_t functions{};
  functions.write = keep_log;
  if (FILE* stream = fopencookie(nullptr, "w", functions); stream != nullptr) {
    std::setvbuf(stream, nullptr, _IOLBF, 1024);
    rte_openlog_stream(stream);
  }
  TerminalAside aside;
  const int started = rte_eal_init(static_cast<int>(kept.size()), arguments.data());
  const int error = rte_errno;
  aside.restore();
  // Nothing lives there in either mode; EAL never removes it.
  if (const char* folder = rte_eal_get_runtime_dir(); folder != nullptr) rmdir(folder);
  if (started < 0) {
    std::string reason = telling_line(take_dpdk_message() + "\n" + aside.text());
    if (reason.empty()) reason = rte_strerror(error);
    return fail(Errc::host_cannot, "DPDK does not start: " + reason);
  }
  (void)take_dpdk_message();
  if (order.memory_node >= 0) {
    if (!hugepages) PM_TRYV(bind_mapped_memory(order.memory_node));
    facts.memory_node = order.memory_node;
  }
  facts.tsc_hz = static_cast<double>(rte_get_tsc_hz());
  facts.dpdk_version = rte_version();
  return facts;
}

std::mutex start_mutex;
std::unique_ptr<Result<EalFacts>> first_start;

}  // namespace

Result<EalFacts> start_eal(const EalOrder& order) {
  const std::lock_guard lock(start_mutex);
  if (!first_start) first_start = std::make_unique<Result<EalFacts>>(start_once(order));
  return *first_start;
}

std::optional<EalFacts> eal_facts() {
  const std::lock_guard lock(start_mutex);
  if (!first_start || !*first_start) return std::nullopt;
  return **first_start;
}

int memory_socket() {
  const std::optional<EalFacts> facts = eal_facts();
  return facts ? facts->memory_node.value_or(SOCKET_ID_ANY) : SOCKET_ID_ANY;
}

std::string take_dpdk_message() {
  const std::lock_guard lock(log_mutex);
  std::string line = telling_line(log_tail);
  log_tail.clear();
  return line;
}

}  // namespace pollmark
