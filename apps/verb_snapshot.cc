#include <fmt/format.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/looking.h"
#include "apps/verbs.h"
#include "base/text.h"
#include "base/version.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/snapshot.h"

namespace pollmark {
namespace {

using Clock = std::chrono::steady_clock;

struct SnapshotOptions {
  std::string netdev;
  std::string netns;
  std::string look = "1s";
};

// Device -> its statistics.
Result<std::map<std::string, LinkStats>> read_links(int netns_fd) {
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  PM_TRY(auto links, netlink.links());
  std::map<std::string, LinkStats> stats;
  for (LinkState& link : links) stats.emplace(link.netdev, std::move(link.stats));
  return stats;
}

Result<int> print_snapshot(const SnapshotOptions& options) {
  PM_TRY(const auto look, duration_option("--look", options.look));
  SnapshotOrder order{.netdev = options.netdev};
  Netns netns;
  if (!options.netns.empty()) {
    PM_TRY(netns, Netns::open(options.netns));
    order.netns_fd = netns.fd();
  }
  PM_TRY(auto snapshot, read_snapshot(order));
  snapshot["utc"] = utc_text(epoch_seconds_now());
  snapshot["pollmark_version"] = kVersion;

  PM_TRY(const auto before, read_links(order.netns_fd));
  const auto start = Clock::now();
  if (!wait_until(start + look)) return static_cast<int>(Errc::interrupted);
  PM_TRY(const auto after, read_links(order.netns_fd));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (const auto& [netdev, stats] : before) {
    const auto found = after.find(netdev);
    if (found == after.end()) continue;
    put_traffic(snapshot, netdev, traffic_shape(stats, found->second, seconds));
  }
  fmt::print("{}\n", snapshot.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}

}  // namespace

void add_snapshot(CLI::App& app, Action& action) {
  static SnapshotOptions options;
  CLI::App* verb =
      app.add_subcommand("snapshot", "settings and traffic shape of this host, as JSON")
          ->group("look");
  verb->add_option("NETDEV", options.netdev, "this device alone");
  verb->add_option("--look", options.look, "how long the traffic is looked at")
      ->capture_default_str();
  verb->add_option("--netns", options.netns,
                   "of the namespace of this process, or of this file (/run/netns/NAME)");
  verb->footer(
      "Reads, changes nothing. What a driver or the kernel does not tell is not in it; "
      "\"not_told\" says why.\nExamples: " +
      app.get_name() + " snapshot > snapshot.json\n          " + app.get_name() +
      " snapshot lo --look 200ms");
  verb->callback([&action] { action = [] { return print_snapshot(options); }; });
}

}  // namespace pollmark
