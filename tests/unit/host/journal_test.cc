#include "host/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "host/file_text.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A tree of files in place of the host's, and a state folder.
class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "pollmark-journal-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    base_ = name;
    order_ = {.folder = base_ / "state", .command = "a test", .root = base_};
    for (const char* file : {"netdev_budget", "busy_poll", "rmem_max"}) put(file, "300");
  }
  void TearDown() override { fs::remove_all(base_); }

  static Setting sysctl(const std::string& name) {
    return {SettingKind::sysctl, "net.core." + name, ""};
  }
  [[nodiscard]] fs::path file_of(const std::string& name) const {
    return base_ / "proc/sys/net/core" / name;
  }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories(file_of(name).parent_path());
    std::ofstream(file_of(name)) << text << "\n";
  }
  [[nodiscard]] std::string value_of(const std::string& name) const {
    return read_text_at(AT_FDCWD, file_of(name)).value_or("unreadable");
  }
  [[nodiscard]] std::vector<fs::path> journals() const { return journals_in(order_.folder); }

  // A guardian is another process: wait for it, at most 20 s.
  template <typename Condition>
  static bool comes_true(Condition condition) {
    for (int i = 0; i < 4000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  // Runs it in a child that then waits to be killed; returns when it has been run.
  template <typename Run>
  pid_t child_that(Run run) {
    std::array<int, 2> ready{};
    EXPECT_EQ(pipe2(ready.data(), O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
      // Under nohup the suite ignores SIGHUP, and so would the child.
      for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_DFL);
      run([&] { (void)!write(ready[1], "r", 1); });
      for (;;) pause();
    }
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
  }
  static void end(pid_t child, int signal) {
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
  }

  // A journal of a process that is no more, which changed busy_poll from 300 to 50.
  fs::path stale_journal() {
    fs::create_directories(order_.folder);
    const fs::path file = order_.folder / "1-1-0.journal";
    std::ofstream(file) << journal_line(JournalOwner{1 << 30, 1, "2026-11-27T18:00:00Z", "crashed"})
                        << journal_line(JournalEntry{
                               sysctl("busy_poll"), netns_held(-1), {"300", "300"}, "50"});
    put("busy_poll", "50");
    return file;
  }

  fs::path base_;
  JournalOrder order_;
};

TEST_F(JournalTest, WhatWasChangedIsPutBackAndTheJournalVanishes) {
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  const auto changed = journal->change(sysctl("netdev_budget"), netns_held(-1), "64");
  ASSERT_TRUE(changed) << changed.error().text();
  EXPECT_EQ(changed->effective, "64");
  EXPECT_EQ(value_of("netdev_budget"), "64");
  EXPECT_THAT(journals(), SizeIs(1));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_EQ(value_of("netdev_budget"), "300");
  EXPECT_THAT(journals(), IsEmpty());
}

TEST_F(JournalTest, TheFirstReadingGoesBackHoweverOftenASettingWasChanged) {
  {
    auto journal = Journal::open(order_);
    ASSERT_TRUE(journal) << journal.error().text();
    for (const char* value : {"64", "128", "300", "7"}) {
      ASSERT_TRUE(journal->change(sysctl("netdev_budget"), netns_held(-1), value));
    }
  }
  EXPECT_EQ(value_of("netdev_budget"), "300");
  EXPECT_THAT(journals(), IsEmpty());
}

TEST_F(JournalTest, AChangeStandsInTheJournalEvenWhenItThenFails) {
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  fs::remove(file_of("busy_poll"));
  // It can be read, not written.
  fs::create_symlink("/proc/version", file_of("busy_poll"));
  EXPECT_FALSE(journal->change(sysctl("busy_poll"), netns_held(-1), "50"));
  const auto text = read_journal(journal->file());
  ASSERT_TRUE(text) << text.error().text();
  ASSERT_THAT(text->entries, SizeIs(1));
  EXPECT_EQ(text->entries[0].setting, sysctl("busy_poll"));
  EXPECT_EQ(text->entries[0].requested, "50");
  put("busy_poll", "300");
}

TEST_F(JournalTest, WhatCannotBePutBackIsTold) {
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  ASSERT_TRUE(journal->change(sysctl("netdev_budget"), netns_held(-1), "64"));
  fs::remove(file_of("netdev_budget"));
  fs::create_symlink("/dev/null", file_of("netdev_budget"));
  EXPECT_THAT(journal->put_back(), ElementsAre("net.core.netdev_budget: was 300, is "));
  EXPECT_THAT(journals(), SizeIs(1));
}

TEST_F(JournalTest, WhatIsNoMoreNeedsNoPuttingBack) {
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  ASSERT_TRUE(journal->change(sysctl("netdev_budget"), netns_held(-1), "64"));
  fs::remove(file_of("netdev_budget"));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_THAT(journals(), IsEmpty());
}

TEST_F(JournalTest, TheGuardianPutsBackWhatAKilledProcessLeft) {
  for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGHUP}) {
    const pid_t child = child_that([&](auto ready) {
      auto journal = Journal::open(order_);
      if (!journal) _exit(1);
      (void)journal->change(sysctl("netdev_budget"), netns_held(-1), "64");
      (void)journal->change(sysctl("busy_poll"), netns_held(-1), "50");
      ready();
      for (;;) pause();
    });
    EXPECT_EQ(value_of("netdev_budget"), "64");
    EXPECT_EQ(value_of("busy_poll"), "50");
    end(child, signal);
    EXPECT_TRUE(comes_true([&] { return journals().empty(); })) << signal;
    EXPECT_EQ(value_of("netdev_budget"), "300");
    EXPECT_EQ(value_of("busy_poll"), "300");
  }
}

TEST_F(JournalTest, TwoRunsDoNotHoldTheSameSetting) {
  const pid_t child = child_that([&](auto ready) {
    auto journal = Journal::open(order_);
    if (!journal) _exit(1);
    (void)journal->change(sysctl("netdev_budget"), netns_held(-1), "64");
    ready();
    for (;;) pause();
  });
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  const auto refused = journal->change(sysctl("netdev_budget"), netns_held(-1), "128");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("held by pid " + std::to_string(child)));
  EXPECT_EQ(value_of("netdev_budget"), "64");
  EXPECT_TRUE(journal->change(sysctl("busy_poll"), netns_held(-1), "50"));
  // When it dies its guardian is waited for: what it left is never taken for the first reading.
  end(child, SIGKILL);
  EXPECT_TRUE(journal->change(sysctl("netdev_budget"), netns_held(-1), "128"));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_EQ(value_of("netdev_budget"), "300");
}

TEST_F(JournalTest, AJournalAtWorkIsLeftAlone) {
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  ASSERT_TRUE(journal->change(sysctl("netdev_budget"), netns_held(-1), "64"));
  const auto restored = restore_journal(journal->file(), order_.root);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_TRUE(restored->in_use);
  EXPECT_EQ(value_of("netdev_budget"), "64");
}

TEST_F(JournalTest, AStaleJournalIsRefusedUntilItIsRestored) {
  const fs::path stale = stale_journal();
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  const auto refused = journal->change(sysctl("busy_poll"), netns_held(-1), "20");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("run: pollmark restore " + stale.string()));
  EXPECT_EQ(value_of("busy_poll"), "50");
  const auto restored = restore_journal(stale, order_.root);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(restored->owner.command, "crashed");
  EXPECT_EQ(restored->settings, 1U);
  EXPECT_THAT(restored->differences, IsEmpty());
  EXPECT_EQ(value_of("busy_poll"), "300");
  EXPECT_FALSE(fs::exists(stale));
  EXPECT_TRUE(journal->change(sysctl("busy_poll"), netns_held(-1), "20"));
}

TEST_F(JournalTest, AnotherProcessOfTheSameNumberDoesNotKeepAJournalAlive) {
  const fs::path stale = stale_journal();
  std::ofstream(stale) << journal_line(JournalOwner{getpid(), 1, "2026-11-27T18:00:00Z", "crashed"})
                       << journal_line(JournalEntry{
                              sysctl("busy_poll"), netns_held(-1), {"300", "300"}, "50"});
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  const auto refused = journal->change(sysctl("busy_poll"), netns_held(-1), "20");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("not put back by"));
}

TEST_F(JournalTest, ALineThatWasCutShortIsAChangeThatWasNotMade) {
  const fs::path stale = stale_journal();
  std::ofstream(stale, std::ios::app) << R"({"kind":"sysctl","name":"net.core.netdev_bu)";
  const auto restored = restore_journal(stale, order_.root);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(restored->settings, 1U);
  EXPECT_EQ(value_of("busy_poll"), "300");
}

TEST_F(JournalTest, ADamagedJournalIsKeptAndTheLineIsTold) {
  const fs::path stale = stale_journal();
  std::ofstream(stale, std::ios::app) << "{\"kind\":\"spell\"}\n{}\n";
  const auto restored = restore_journal(stale, order_.root);
  ASSERT_FALSE(restored);
  EXPECT_THAT(restored.error().text(), HasSubstr("1-1-0.journal:3: is no change of a setting"));
  EXPECT_TRUE(fs::exists(stale));
  EXPECT_EQ(value_of("busy_poll"), "50");
}

TEST_F(JournalTest, AStateFolderThatCannotBeMeansNoChange) {
  std::ofstream(base_ / "state") << "a file in its place";
  const auto journal = Journal::open(order_);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, Errc::host_cannot);
  EXPECT_THAT(journal.error().text(), HasSubstr("the journal cannot be written"));
}

TEST_F(JournalTest, AFullDiskMeansNoChange) {
  if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  fs::create_directory(order_.folder);
  if (::mount("pollmark-test", order_.folder.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  }
  auto journal = Journal::open(order_);
  ASSERT_TRUE(journal) << journal.error().text();
  ASSERT_TRUE(journal->change(sysctl("busy_poll"), netns_held(-1), "50"));
  const auto before = fs::file_size(journal->file());
  std::ofstream(order_.folder / "filler") << std::string(1 << 20, 'x');
  // What is left of the journal's last page takes some more changes.
  std::string value = "300";
  Result<SettingReading> changed = SettingReading{};
  for (int i = 0; i < 1000 && changed; ++i) {
    value = value_of("netdev_budget");
    changed = journal->change(sysctl("netdev_budget"), netns_held(-1), std::to_string(i));
  }
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().text(), HasSubstr("No space left on device; nothing was changed"));
  EXPECT_EQ(value_of("netdev_budget"), value);
  EXPECT_GE(fs::file_size(journal->file()), before);
  EXPECT_TRUE(read_journal(journal->file()));
  EXPECT_FALSE(Journal::open(order_));
  EXPECT_THAT(journal->put_back(), IsEmpty());
  EXPECT_EQ(value_of("busy_poll"), "300");
  EXPECT_EQ(value_of("netdev_budget"), "300");
  ::umount2(order_.folder.c_str(), MNT_DETACH);
}

TEST_F(JournalTest, AnySequenceOfChangesEndsAsItBegan) {
  rc::check([&] {
    const std::vector<std::string> names{"netdev_budget", "busy_poll", "rmem_max"};
    for (const std::string& name : names) put(name, std::to_string(*rc::gen::inRange(0, 1000)));
    std::map<std::string, std::string> before;
    for (const std::string& name : names) before[name] = value_of(name);
    auto journal = Journal::open(order_);
    RC_ASSERT(journal.has_value());
    for (int i = *rc::gen::inRange(0, 8); i > 0; --i) {
      const std::string name = *rc::gen::elementOf(names);
      RC_ASSERT(
          journal->change(sysctl(name), netns_held(-1), std::to_string(*rc::gen::inRange(0, 1000)))
              .has_value());
    }
    RC_ASSERT(journal->put_back().empty());
    for (const std::string& name : names) RC_ASSERT(value_of(name) == before[name]);
    RC_ASSERT(journals().empty());
  });
}

}  // namespace
}  // namespace pollmark
