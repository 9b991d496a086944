// Ctrl-C, SIGTERM and a lost terminal (SIGHUP, unless nohup has it ignored) as a question that
// loops ask. Blocking calls return EINTR once, then the loop sees stop_requested().
#pragma once

namespace pollmark {

// Installs the handlers (no SA_RESTART). A second Ctrl-C or SIGTERM while a signal is being
// honoured ends the process at once with exit code 4; a second SIGHUP does not: a lost terminal and
// its shell send one each. SIGPIPE and SIGXFSZ are ignored: writing tells.
void catch_stop_signals();
[[nodiscard]] bool stop_requested();

}  // namespace pollmark
