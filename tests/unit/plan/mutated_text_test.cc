// Whatever the file holds, reading it ends in an experiment or in mistakes, one a line.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {
namespace {

const std::string& quickstart() {
  static const std::string kText = content_of(checkout() / "scripts/experiments/quickstart.toml");
  return kText;
}

void ends_in_experiment_or_mistakes(std::string_view text, const std::vector<std::string>& sets) {
  Result<Experiment> read = parsed(text, sets);
  if (!read) {
    RC_ASSERT(read.error().code == Errc::bad_experiment);
    RC_ASSERT(!read.error().what.empty());
    for (const std::string& line : split(read.error().text(), '\n')) {
      RC_ASSERT(line.starts_with("exp.toml:") || line.starts_with("--set "));
    }
    return;
  }
  RC_ASSERT(!read->groups.empty());
  const Result<Plan> plan = plan_experiment(std::move(*read));
  if (!plan) {
    RC_ASSERT(plan.error().code == Errc::bad_experiment);
    return;
  }
  RC_ASSERT(!render_plan(*plan).empty());
}

RC_GTEST_PROP(MutatedText, NeverCrashesTheParser, ()) {
  RC_PRE(!quickstart().empty());
  std::string text = quickstart();
  const int edits = *rc::gen::inRange(1, 12);
  for (int i = 0; i < edits; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto byte = static_cast<char>(*rc::gen::inRange(0, 256));
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.insert(at, 1, byte);
        break;
      case 2:
        text.erase(at, *rc::gen::inRange<std::size_t>(1, 40));
        break;
      default: {  // a stretch of the file somewhere else: keys twice, tables in tables
        const auto from = *rc::gen::inRange<std::size_t>(0, text.size());
        text.insert(at, text.substr(from, *rc::gen::inRange<std::size_t>(1, 60)));
      }
    }
    if (text.empty()) break;
  }
  ends_in_experiment_or_mistakes(text, {});
}

RC_GTEST_PROP(MutatedText, WordsOfTheFileInAnyOrderNeverCrashTheParser, ()) {
  static const std::vector<std::string> kWords = {"[group.factors]",
                                                  "[[group]]",
                                                  "[factors]",
                                                  "[traffic]",
                                                  "[judge]",
                                                  "[model]",
                                                  "name",
                                                  "rx_ring",
                                                  "layout",
                                                  "faults",
                                                  "baseline",
                                                  "load",
                                                  "queues",
                                                  "reta",
                                                  "stage",
                                                  "kind",
                                                  "=",
                                                  "=",
                                                  "=",
                                                  "[",
                                                  "]",
                                                  "{",
                                                  "}",
                                                  ",",
                                                  "64",
                                                  "\"64\"",
                                                  "1e400",
                                                  "nan",
                                                  "-1",
                                                  "9223372036854775807",
                                                  "\"a\"",
                                                  "\"model\"",
                                                  "true",
                                                  "\n",
                                                  "\n",
                                                  "2026-11-21",
                                                  "\"80 %\"",
                                                  "\"every 1 ms for 2 us\"",
                                                  "\"trace:x\"",
                                                  "#"};
  const auto words = *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kWords));
  ends_in_experiment_or_mistakes("name = \"x\"\n" + join(words, " "), {});
}

RC_GTEST_PROP(MutatedText, OverridesNeverCrashTheParser, ()) {
  static const std::vector<std::string> kKeys = {
      "name",  "factors.rx_ring", "group.model.traffic.load", "group", "group.model", "trial",
      "x.y.z", "model.faults",    "judge.baseline.rx_ring",   "",      "\"",          "[a]"};
  const std::string key = *rc::gen::elementOf(kKeys);
  const std::string value = *rc::gen::string<std::string>();
  ends_in_experiment_or_mistakes(quickstart(), {key + "=" + value});
  ends_in_experiment_or_mistakes(kSmall, {key + "=" + value, value});
}

}  // namespace
}  // namespace pollmark
