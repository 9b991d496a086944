// Ports that others use: what a device carries, and who has taken it.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/file_text.h"
#include "host/journal.h"

namespace pollmark {

// What would be cut off if a trial took the device, in words: "carries the default route", "has the
// address 192.0.2.7/24", "carries the ssh connection from 192.0.2.1". Empty: nothing is known.
// netns_fd -1: the namespace of the process. Errors: host_cannot.
[[nodiscard]] Result<std::vector<std::string>> uses_of_netdev(const std::string& netdev,
                                                              int netns_fd = -1);
// Errors: host_cannot with all its uses, unless "netdev:NAME" is among what is allowed.
[[nodiscard]] Result<void> need_idle_netdev(const std::string& netdev,
                                            std::span<const std::string> allowed,
                                            int netns_fd = -1);

// What the driver of "netdev:eth2" says that its link does, bits/s. nullopt: nothing, or no link.
[[nodiscard]] std::optional<double> line_bps_of(const std::string& port);

// One run at a time has a port: a file below the state folder, locked for as long as this lives or
// its process does. The text in it says whose it is. Movable.
class PortLock {
 public:
  // Errors: host_cannot "held by pid ...", or when the file cannot be written.
  [[nodiscard]] static Result<PortLock> take(const std::string& port, const std::string& command,
                                             const std::filesystem::path& folder = state_folder());
  PortLock(PortLock&&) noexcept = default;
  PortLock& operator=(PortLock&&) noexcept = default;
  ~PortLock();

 private:
  explicit PortLock(FileHandle handle) : handle_(std::move(handle)) {}
  FileHandle handle_;
};

}  // namespace pollmark
