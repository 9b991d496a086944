// The one journal: who changes a setting of a host that others use goes through it, so that the
// setting is put back whatever becomes of the process.
//
//   change()    the reading before is written to the journal and is on the disk; then the change
//   put_back()  at the end, by hand or by the destructor
//   guardian    a process that waits for the end of this one, and puts back what it left (kill -9)
//   restore     `pollmark restore`: any process, from the journal alone (the guardian died too)
//
// Journals lie in one folder, each locked (flock) for as long as its process or its guardian lives.
// Namespaces that vanish with the process need no journal: they are their own undo.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "host/journal_file.h"
#include "host/setting.h"

namespace pollmark {

// $POLLMARK_STATE, else /run/pollmark: it lasts as long as the settings do, until the host
// restarts.
[[nodiscard]] std::filesystem::path state_folder();

struct JournalOrder {
  std::filesystem::path folder = state_folder();
  std::string command;  // for whoever meets the journal
  std::string root;     // as SettingGround::root
};

// What is not as it was: "eth2 mtu: was 1500, is 9000: Operation not supported".
using Differences = std::vector<std::string>;

// One thread. Open it before other threads run: the guardian is forked from the process.
class Journal {
 public:
  // Errors: host_cannot when the journal cannot be written; then nothing can be changed.
  [[nodiscard]] static Result<Journal> open(const JournalOrder& order);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();  // puts back; a difference is told on stderr

  // Reads, notes, sets, reads back. netns.path empty: the namespace of the process.
  // Errors: host_cannot with the kernel's reason, "held by pid ..." when another run has changed
  // the setting and not yet put it back, or "the journal cannot be written": nothing was changed.
  [[nodiscard]] Result<SettingReading> change(const Setting& setting, const NetnsHolder& netns,
                                              const std::string& requested);
  // A namespace that others can find by its holder until the journal is gone, kept in a file beside
  // it: a new one; or where the process is. name: "sender". Errors: host_cannot; Netns::keep_at.
  [[nodiscard]] Result<NetnsHolder> make_netns(std::string_view name);
  [[nodiscard]] Result<NetnsHolder> keep_own_netns(std::string_view name);
  // Moves a device into another namespace, down; put_back() brings it home as it was
  // (host/netdev_home.h). Errors: as change().
  [[nodiscard]] Result<void> lend(const std::string& netdev, const NetnsHolder& home,
                                  const NetnsHolder& away);
  // Waits for the guardian of a run that was cut off while it had the device. Errors: "held by
  // ...", "not put back by ...".
  [[nodiscard]] Result<void> need_netdev_free(const std::string& netdev);
  // All of it, and compares with the first readings. The journal is gone when there is no
  // difference.
  [[nodiscard]] Differences put_back();
  [[nodiscard]] const std::filesystem::path& file() const;

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Where one can be found again, by the descriptor that this process has of it (-1: its own). After
// the process has died another one finds it only when it is the host's, or was held elsewhere too.
[[nodiscard]] NetnsHolder netns_held(int netns_fd);

struct Restored {
  std::filesystem::path file;
  JournalOwner owner;
  bool in_use = false;            // its process or its guardian lives: nothing was touched
  std::size_t settings = 0;       // put back, or found as they were
  std::vector<std::string> gone;  // settings whose device or namespace is no more
  Differences differences;
};

// What a process left behind. Without a difference the journal is removed. root: as SettingGround.
[[nodiscard]] Result<Restored> restore_journal(const std::filesystem::path& file,
                                               const std::string& root = "");
// Waits until the guardians of a process that has ended have put back, for 10 s at most.
void wait_for_guardians_of(pid_t pid, const std::filesystem::path& folder = state_folder());
// The journals of the folder, by name; none when there is no folder.
[[nodiscard]] std::vector<std::filesystem::path> journals_in(const std::filesystem::path& folder);

}  // namespace pollmark
