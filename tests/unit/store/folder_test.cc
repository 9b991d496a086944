#include "store/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "store/hist_log.h"
#include "support/random_trial.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using testing_support::RandomTrial;

constexpr std::string_view kExperiment = "name = \"caf\u00e9\"   # kept\n\n[trial]\nseconds = 1\n";

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "pollmark-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }

  [[nodiscard]] fs::path folder() const { return base_ / "run"; }

  ResultsFolder created() const {
    return std::move(ResultsFolder::create(folder(), kExperiment, RandomTrial(7).provenance()))
        .value();
  }

  fs::path base_;
};

TrialResult trial_number(std::int64_t number) {
  TrialResult trial = RandomTrial(static_cast<std::uint64_t>(number)).result();
  trial.order.kind = TrialKind::trial;
  trial.order.trial = number;
  trial.order.attempt = 0;
  LatencyHistogram rx;
  rx.record(100 + number, 5);
  trial.latency_ns.rx = rx;
  trial.captures.clear();
  return trial;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.insert(fs::relative(entry.path(), folder).string());
  }
  return names;
}

std::string refusal(const Result<ResultsFolder>& result, Errc code = Errc::bad_experiment) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, code) << result.error().text();
  return result.error().what;
}

TEST_F(FolderTest, WhatIsAppendedReadsBack) {
  const Provenance provenance = RandomTrial(7).provenance();
  std::vector<std::string> written;
  {
    ResultsFolder results = created();
    for (std::int64_t n = 0; n < 8; ++n) {
      const TrialResult trial = trial_number(n);
      written.push_back(to_json(trial).dump());
      ASSERT_TRUE(results.append(trial).has_value());
      // Readable while it is being written, without the lock.
      ASSERT_EQ(ResultsFolder::read(folder())->trials.size(), written.size());
    }
  }
  const Result<StoredCampaign> campaign = ResultsFolder::read(folder());
  ASSERT_TRUE(campaign.has_value()) << campaign.error().text();
  EXPECT_EQ(campaign->experiment_text, kExperiment);
  EXPECT_EQ(to_json(campaign->provenance).dump(), to_json(provenance).dump());
  EXPECT_FALSE(campaign->last_line_torn);
  ASSERT_EQ(campaign->trials.size(), written.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    EXPECT_EQ(to_json(campaign->trials[i]).dump(), written[i]);
  }
}

SearchResult search_of_block(int block) {
  SearchResult search;
  search.group = "main";
  search.cell = {{"rx_ring", "64"}};
  search.block = block;
  search.trials = {block, block + 1};
  search.complete = true;
  return search;
}

TEST_F(FolderTest, SearchesReadBackAndGoOn) {
  {
    ResultsFolder results = created();
    EXPECT_TRUE(ResultsFolder::read(folder())->searches.empty());
    ASSERT_TRUE(results.append(search_of_block(0)).has_value());
    ASSERT_EQ(ResultsFolder::read(folder())->searches.size(), 1U);
  }
  {
    auto results = ResultsFolder::reopen(folder(), kExperiment);
    ASSERT_TRUE(results.has_value());
    ASSERT_TRUE(results->append(search_of_block(1)).has_value());
  }
  const auto stored = ResultsFolder::read(folder());
  ASSERT_EQ(stored->searches.size(), 2U);
  for (int block = 0; block < 2; ++block) {
    EXPECT_EQ(to_json(stored->searches[static_cast<std::size_t>(block)]).dump(),
              to_json(search_of_block(block)).dump());
  }
}

TEST_F(FolderTest, ATornSearchIsCutOffAndADamagedOneIsNamed) {
  {
    ResultsFolder results = created();
    ASSERT_TRUE(results.append(search_of_block(0)).has_value());
  }
  const fs::path file = folder() / "searches.jsonl";
  const std::string whole = text_of(file);
  write_text(file, whole + whole.substr(0, 40));
  EXPECT_TRUE(ResultsFolder::read(folder())->last_line_torn);
  {
    auto results = ResultsFolder::reopen(folder(), kExperiment);
    ASSERT_TRUE(results.has_value());
    EXPECT_EQ(text_of(file), whole);
  }
  write_text(file, "{}\n" + whole);
  const auto damaged = ResultsFolder::read(folder());
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, Errc::bad_experiment);
  EXPECT_NE(damaged.error().text().find("searches.jsonl"), std::string::npos);
  EXPECT_NE(damaged.error().text().find("line 1"), std::string::npos);
}

TEST_F(FolderTest, HoldsTheExperimentVerbatimAndTheSchema) {
  {
    ResultsFolder results = created();
    ASSERT_TRUE(results.append(trial_number(3)).has_value());
  }
  EXPECT_EQ(text_of(folder() / "experiment.toml"), kExperiment);
  EXPECT_EQ(Json::parse(text_of(folder() / "schema.json")), trial_schema());
  EXPECT_EQ(Json::parse(text_of(folder() / "searches.schema.json")), search_schema());
  EXPECT_EQ(names_in(folder()),
            (std::set<std::string>{"experiment.toml", "provenance.json", "schema.json",
                                   "searches.schema.json", "hist", "hist/3.hlog", "trials.jsonl"}));
  const auto histograms = read_hlog(folder() / "hist/3.hlog");
  ASSERT_TRUE(histograms.has_value());
  EXPECT_EQ(histograms->at("rx").count(), 5);
}

TEST_F(FolderTest, ANonEmptyFolderIsRefusedAndLeftAlone) {
  fs::create_directory(folder());
  write_text(folder() / "thesis.tex", "all of it");
  EXPECT_EQ(refusal(ResultsFolder::create(folder(), kExperiment, {})),
            "is not empty; choose another folder, or continue it with --resume");
  EXPECT_EQ(names_in(folder()), (std::set<std::string>{"thesis.tex"}));
}

TEST_F(FolderTest, AnEmptyFolderIsTaken) {
  fs::create_directory(folder());
  EXPECT_TRUE(ResultsFolder::create(folder(), kExperiment, {}).has_value());
}

TEST_F(FolderTest, MissingParentsAreMade) {
  EXPECT_TRUE(ResultsFolder::create(base_ / "a/b/c/", kExperiment, {}).has_value());
  EXPECT_TRUE(ResultsFolder::read(base_ / "a/b/c").has_value());
}

TEST_F(FolderTest, AFileInItsPlaceIsRefused) {
  write_text(folder(), "x");
  EXPECT_EQ(refusal(ResultsFolder::create(folder(), kExperiment, {})),
            "exists and is not a folder; choose another");
}

TEST_F(FolderTest, NoNameIsRefused) {
  EXPECT_EQ(refusal(ResultsFolder::create("", kExperiment, {})), "the results folder has no name");
}

TEST_F(FolderTest, WhereNothingCanBeMadeTheHostCannot) {
  const std::string what =
      refusal(ResultsFolder::create("/proc/pollmark/run", kExperiment, {}), Errc::host_cannot);
  EXPECT_EQ(what.find("cannot be made: "), 0U) << what;
}

TEST_F(FolderTest, TwoRunsAtOnceAreRefusedByPid) {
  const std::string want = fmt::format(
      "another run (pid {}) is writing here; wait for it or choose another folder", ::getpid());
  {
    const ResultsFolder first = created();
    EXPECT_EQ(refusal(ResultsFolder::create(folder(), kExperiment, {})), want);
    EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), kExperiment)), want);
  }
  EXPECT_TRUE(ResultsFolder::reopen(folder(), kExperiment).has_value());
}

TEST_F(FolderTest, AMovedFolderKeepsTheLock) {
  ResultsFolder first = created();
  {
    ResultsFolder second = std::move(first);
    EXPECT_TRUE(second.append(trial_number(0)).has_value());
    EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), kExperiment)).find("another run"), 0U);
    ResultsFolder elsewhere =
        std::move(ResultsFolder::create(base_ / "other", kExperiment, {})).value();
    elsewhere = std::move(second);
    EXPECT_TRUE(elsewhere.append(trial_number(1)).has_value());
    EXPECT_EQ(elsewhere.path(), folder());
  }
  EXPECT_TRUE(ResultsFolder::reopen(folder(), kExperiment).has_value());
  EXPECT_TRUE(ResultsFolder::reopen(base_ / "other", kExperiment).has_value());
}

TEST_F(FolderTest, AKilledRunLosesNothingThatWasAppended) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ResultsFolder results = created();
    for (std::int64_t n = 0; n < 3; ++n) {
      if (!results.append(trial_number(n))) ::_exit(1);
    }
    write_text(folder() / "summary.json.half-written", "{");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(ResultsFolder::read(folder())->trials.size(), 3U);
  EXPECT_TRUE(fs::exists(folder() / ".lock"));
  {
    Result<ResultsFolder> again = ResultsFolder::reopen(folder(), kExperiment);
    ASSERT_TRUE(again.has_value()) << again.error().text();
    EXPECT_FALSE(fs::exists(folder() / "summary.json.half-written"));
    ASSERT_TRUE(again->append(trial_number(3)).has_value());
  }
  EXPECT_EQ(ResultsFolder::read(folder())->trials.size(), 4U);
  EXPECT_FALSE(fs::exists(folder() / ".lock"));
}

TEST_F(FolderTest, ATornLastLineIsIgnoredSaidAndCut) {
  {
    ResultsFolder results = created();
    for (std::int64_t n = 0; n < 2; ++n) ASSERT_TRUE(results.append(trial_number(n)).has_value());
  }
  const std::string whole = text_of(folder() / "trials.jsonl");
  const std::size_t first_line = whole.find('\n') + 1;
  const std::size_t step = (whole.size() - first_line) / 8;
  for (std::size_t length = whole.size() - 1; length > first_line;
       length -= std::min(step, length)) {
    write_text(folder() / "trials.jsonl", whole.substr(0, length));
    const Result<StoredCampaign> campaign = ResultsFolder::read(folder());
    ASSERT_TRUE(campaign.has_value()) << campaign.error().text();
    EXPECT_TRUE(campaign->last_line_torn);
    EXPECT_EQ(campaign->trials.size(), 1U);
    {
      Result<ResultsFolder> again = ResultsFolder::reopen(folder(), kExperiment);
      ASSERT_TRUE(again.has_value()) << again.error().text();
      EXPECT_EQ(text_of(folder() / "trials.jsonl"), whole.substr(0, first_line));
      ASSERT_TRUE(again->append(trial_number(1)).has_value());
    }
    EXPECT_EQ(text_of(folder() / "trials.jsonl"), whole);
  }
}

TEST_F(FolderTest, ALastLineOfRubbishIsTornToo) {
  {
    ResultsFolder results = created();
    ASSERT_TRUE(results.append(trial_number(0)).has_value());
  }
  const std::string whole = text_of(folder() / "trials.jsonl");
  for (const std::string& rubbish :
       {std::string(4096, '\0'), std::string(64, '\0') + "\n", std::string("{\"schema\":1,\n")}) {
    write_text(folder() / "trials.jsonl", whole + rubbish);
    const Result<StoredCampaign> campaign = ResultsFolder::read(folder());
    ASSERT_TRUE(campaign.has_value()) << campaign.error().text();
    EXPECT_TRUE(campaign->last_line_torn);
    EXPECT_EQ(campaign->trials.size(), 1U);
  }
}

TEST_F(FolderTest, ADamagedMiddleLineIsRefusedWithItsNumber) {
  {
    ResultsFolder results = created();
    for (std::int64_t n = 0; n < 3; ++n) ASSERT_TRUE(results.append(trial_number(n)).has_value());
  }
  const std::string whole = text_of(folder() / "trials.jsonl");
  std::string damaged = whole;
  damaged[damaged.find('\n') + 1] = '[';
  write_text(folder() / "trials.jsonl", damaged);
  const Result<StoredCampaign> campaign = ResultsFolder::read(folder());
  ASSERT_FALSE(campaign.has_value());
  EXPECT_EQ(campaign.error().code, Errc::bad_experiment);
  EXPECT_EQ(campaign.error().text(),
            folder().string() + ": trials.jsonl: line 2 is damaged: not JSON");
  EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), kExperiment)), "line 2 is damaged: not JSON");
  EXPECT_EQ(text_of(folder() / "trials.jsonl"), damaged);
}

TEST_F(FolderTest, ALineThatIsNoRecordIsRefusedEvenAsTheLast) {
  {
    ResultsFolder results = created();
    ASSERT_TRUE(results.append(trial_number(0)).has_value());
  }
  const std::string whole = text_of(folder() / "trials.jsonl");
  write_text(folder() / "trials.jsonl", whole + "{\"schema\": 2}\n");
  EXPECT_EQ(ResultsFolder::read(folder()).error().what,
            "line 2 is not a record: schema 2 is not known; allowed: 1");
  write_text(folder() / "trials.jsonl", whole + "{\"schema\": 1}\n");
  EXPECT_EQ(ResultsFolder::read(folder()).error().what,
            "line 2 is not a record: \"kind\" is missing");
}

TEST_F(FolderTest, AnotherSchemaIsRefusedByItsProvenance) {
  { const ResultsFolder results = created(); }
  Json provenance = Json::parse(text_of(folder() / "provenance.json"));
  provenance["schema"] = 99;
  write_text(folder() / "provenance.json", provenance.dump());
  EXPECT_EQ(ResultsFolder::read(folder()).error().what, "schema 99 is not known; allowed: 1");
  EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), kExperiment)),
            "schema 99 is not known; allowed: 1");
  write_text(folder() / "provenance.json", "{");
  EXPECT_EQ(ResultsFolder::read(folder()).error().what, "is damaged: not JSON");
}

TEST_F(FolderTest, OtherFoldersAreToldApart) {
  EXPECT_EQ(ResultsFolder::read(folder()).error().what, "no such folder");
  fs::create_directory(folder());
  EXPECT_EQ(ResultsFolder::read(folder()).error().what,
            "is not a results folder: experiment.toml is missing or unreadable");
  EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), kExperiment)),
            "is not a results folder: experiment.toml is missing or unreadable");
  EXPECT_TRUE(names_in(folder()).empty());
}

TEST_F(FolderTest, ResumingAnotherExperimentIsRefused) {
  { const ResultsFolder results = created(); }
  EXPECT_EQ(refusal(ResultsFolder::reopen(folder(), "name = \"other\"\n"))
                .find("holds results of another experiment text"),
            0U);
  EXPECT_TRUE(ResultsFolder::reopen(folder(), kExperiment).has_value());
}

TrialResult captured_trial(std::int64_t number) {
  TrialResult trial = trial_number(number);
  trial.order.capture.at = {CaptureAt::sender, CaptureAt::receiver};
  return trial;
}

void write_captures(ResultsFolder& results, const TrialOrder& order) {
  for (const CaptureAt at : order.capture.at) {
    const Result<int> file = results.open_capture(order, at);
    ASSERT_TRUE(file.has_value()) << file.error().text();
    EXPECT_EQ(::write(*file, "frames", 6), 6);
    ::close(*file);
  }
}

TEST_F(FolderTest, ACaptureHasItsNameOnlyOnceItsTrialIsStored) {
  ResultsFolder results = created();
  TrialResult trial = captured_trial(3);
  write_captures(results, trial.order);
  const fs::path file = folder() / "capture/3-receiver.pcapng";
  EXPECT_FALSE(fs::exists(file));
  // The sender's was not written.
  trial.captures.resize(2);
  trial.captures[1].file = capture_file_name(trial.order, CaptureAt::receiver);
  ASSERT_TRUE(results.append(trial).has_value());
  EXPECT_EQ(text_of(file), "frames");
  EXPECT_EQ(names_in(folder() / "capture"), (std::set<std::string>{"3-receiver.pcapng"}));
  EXPECT_EQ(ResultsFolder::read(folder())->trials.at(0).captures, trial.captures);
}

TEST_F(FolderTest, CapturesOfATrialThatIsNotStoredGoAway) {
  ResultsFolder results = created();
  const TrialResult forgotten = captured_trial(4);
  write_captures(results, forgotten.order);
  results.forget_captures(forgotten.order);
  EXPECT_EQ(names_in(folder() / "capture"), std::set<std::string>{});
  // A run that was killed.
  write_captures(results, forgotten.order);
  { const ResultsFolder closed = std::move(results); }
  ASSERT_TRUE(ResultsFolder::reopen(folder(), kExperiment).has_value());
  EXPECT_EQ(names_in(folder() / "capture"), std::set<std::string>{});
}

TEST_F(FolderTest, ATrialWhoseCaptureIsGoneIsNotStored) {
  ResultsFolder results = created();
  TrialResult trial = captured_trial(5);
  trial.captures.resize(1);
  trial.captures[0].file = capture_file_name(trial.order, CaptureAt::sender);
  EXPECT_FALSE(results.append(trial).has_value());
  EXPECT_TRUE(ResultsFolder::read(folder())->trials.empty());
  EXPECT_FALSE(fs::exists(folder() / hist_log_name(trial.order)));
}

TEST_F(FolderTest, AWrittenFileIsWholeOrTheFormerOne) {
  ResultsFolder results = created();
  ASSERT_TRUE(results.write_file("summary.json", "{\"n\":1}").has_value());
  ASSERT_TRUE(results.write_file("summary.json", "{\"n\":2}").has_value());
  ASSERT_TRUE(results.write_file("timeline/3.jsonl", "{}\n").has_value());
  EXPECT_EQ(text_of(folder() / "summary.json"), "{\"n\":2}");
  EXPECT_EQ(text_of(folder() / "timeline/3.jsonl"), "{}\n");
  for (const std::string& name : names_in(folder())) {
    EXPECT_EQ(name.find("half-written"), std::string::npos) << name;
  }
}

TEST_F(FolderTest, BytesThatAreNoUtf8DoNotStopARecord) {
  {
    ResultsFolder results = created();
    TrialResult trial = trial_number(0);
    trial.limited_why = "netdev \xff\xfe";
    ASSERT_TRUE(results.append(trial).has_value());
  }
  EXPECT_EQ(ResultsFolder::read(folder())->trials.at(0).limited_why,
            "netdev \xef\xbf\xbd\xef\xbf\xbd");
}

// Appends until it fails; what was there before stays readable, what failed left nothing.
void append_until_full(ResultsFolder& results, const fs::path& folder, std::string_view reason) {
  std::int64_t appended = 0;
  std::string failure;
  while (failure.empty() && appended < 10'000) {
    TrialResult trial = trial_number(appended);
    trial.limited_why = std::string(3000, 'x');
    const Result<void> done = results.append(trial);
    if (done) {
      ++appended;
      continue;
    }
    EXPECT_EQ(done.error().code, Errc::host_cannot);
    failure = done.error().what;
  }
  EXPECT_NE(failure.find(reason), std::string::npos) << failure;
  const Result<StoredCampaign> campaign = ResultsFolder::read(folder);
  ASSERT_TRUE(campaign.has_value()) << campaign.error().text();
  EXPECT_FALSE(campaign->last_line_torn);
  EXPECT_EQ(campaign->trials.size(), static_cast<std::size_t>(appended));
  EXPECT_GT(appended, 0);
  for (const std::string& name : names_in(folder)) {
    EXPECT_EQ(name.find("half-written"), std::string::npos) << name;
  }
  EXPECT_FALSE(fs::exists(folder / fmt::format("hist/{}.hlog", appended)));
}

TEST_F(FolderTest, AFileSizeLimitCutsNoRecordInHalf) {
  ResultsFolder results = created();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{60'000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  append_until_full(results, folder(), "the file size limit is reached");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(results.append(trial_number(0)).has_value());
}

// Mounted in a mount namespace of this process's own; gone with it.
class FullDiskTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
    // In a chroot "/" need not be a mount: then the disk is seen outside until TearDown.
    const int made_private = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    ASSERT_TRUE(made_private == 0 || errno == EINVAL) << std::strerror(errno);
    disk_ = base_ / "disk";
    fs::create_directory(disk_);
    if (::mount("pollmark-test", disk_.c_str(), "tmpfs", 0, "size=256k") != 0) {
      disk_.clear();
      GTEST_SKIP() << "needs CAP_SYS_ADMIN";
    }
  }
  void TearDown() override {
    if (!disk_.empty()) ::umount2(disk_.c_str(), MNT_DETACH);
    FolderTest::TearDown();
  }

  // Leaves about `bytes` free.
  void fill(std::int64_t bytes) const {
    const auto free = static_cast<std::int64_t>(fs::space(disk_).available);
    std::ofstream(disk_ / "filler", std::ios::binary)
        << std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, free - bytes)), 'x');
  }

  fs::path disk_;
};

TEST_F(FullDiskTest, AppendSaysSoAndLeavesNothingHalfWritten) {
  Result<ResultsFolder> results = ResultsFolder::create(disk_ / "run", kExperiment, {});
  ASSERT_TRUE(results.has_value()) << results.error().text();
  append_until_full(*results, disk_ / "run", "no space left on the disk");
}

TEST_F(FullDiskTest, FreedSpaceLetsTheRunGoOn) {
  Result<ResultsFolder> results = ResultsFolder::create(disk_ / "run", kExperiment, {});
  ASSERT_TRUE(results.has_value());
  ASSERT_TRUE(results->append(trial_number(0)).has_value());
  fill(0);
  EXPECT_FALSE(results->append(trial_number(1)).has_value());
  fs::remove(disk_ / "filler");
  EXPECT_TRUE(results->append(trial_number(1)).has_value());
  EXPECT_EQ(ResultsFolder::read(disk_ / "run")->trials.size(), 2U);
}

TEST_F(FullDiskTest, CreateLeavesNoFolderBehind) {
  for (const std::int64_t free : {0, 4096, 8192, 12288, 16384}) {
    fill(free);
    const Result<ResultsFolder> results = ResultsFolder::create(disk_ / "a/run", kExperiment, {});
    if (!results) {
      EXPECT_EQ(results.error().code, Errc::host_cannot);
      EXPECT_NE(results.error().what.find("no space left on the disk"), std::string::npos);
      EXPECT_EQ(names_in(disk_), (std::set<std::string>{"filler"})) << free << " bytes free";
    }
    fs::remove(disk_ / "filler");
    fs::remove_all(disk_ / "a");
  }
  fill(0);
  EXPECT_FALSE(ResultsFolder::create(disk_ / "run", kExperiment, {}).has_value());
}

TEST_F(FullDiskTest, AFormerFileSurvivesAFailedRewrite) {
  Result<ResultsFolder> results = ResultsFolder::create(disk_ / "run", kExperiment, {});
  ASSERT_TRUE(results.has_value());
  ASSERT_TRUE(results->write_file("summary.json", "{\"n\":1}").has_value());
  fill(0);
  EXPECT_FALSE(results->write_file("summary.json", std::string(100'000, 'x')).has_value());
  EXPECT_EQ(text_of(disk_ / "run/summary.json"), "{\"n\":1}");
}

TEST_F(FolderTest, DefaultNamesAreSafeAndUnique) {
  const fs::path before = fs::current_path();
  fs::current_path(base_);
  EXPECT_EQ(default_folder("rx ring at 100G IMIX", 951827696.0),
            "results/rx-ring-at-100G-IMIX-20000229T123456Z");
  EXPECT_EQ(default_folder("../../etc/passwd", 0.0), "results/etc-passwd-19700101T000000Z");
  EXPECT_EQ(default_folder("", 0.0), "results/experiment-19700101T000000Z");
  fs::create_directories("results/x-19700101T000000Z");
  EXPECT_EQ(default_folder("x", 0.0), "results/x-19700101T000000Z-2");
  fs::create_directories("results/x-19700101T000000Z-2");
  EXPECT_EQ(default_folder("x", 0.0), "results/x-19700101T000000Z-3");
  fs::current_path(before);
}

}  // namespace
}  // namespace pollmark
