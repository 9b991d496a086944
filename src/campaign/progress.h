// The status line on stderr: one rewritten line on a terminal, one line per event elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace pollmark {

class Progress {
 public:
  enum class Voice { quiet, plain, terminal };
  // terminal when stderr is one, else plain.
  [[nodiscard]] static Voice voice_of_stderr();

  Progress(Voice voice, std::size_t trials_planned);
  ~Progress();  // leaves the terminal on a fresh line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Before a trial: what is about to run. pps: intended, 0 for "max". attempt: above 0 it is run
  // again. remaining_seconds: expected of all that is left, this trial included.
  void trial_starts(std::size_t number, const std::string& label, double pps, int attempt,
                    double remaining_seconds);
  // After a trial that is not a result.
  void trial_was_invalid(const std::string& why);
  void say(const std::string& line);  // a line of its own

 private:
  void show(const std::string& line);
  Voice voice_;
  std::size_t planned_;
  std::size_t invalid_ = 0;
  std::size_t retried_ = 0;
  std::string line_;
  std::chrono::steady_clock::time_point plain_last_{};
};

}  // namespace pollmark
