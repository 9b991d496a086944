// Ctrl-C and SIGTERM as a question that loops ask. Blocking calls return EINTR once, then the loop
// sees stop_requested().
#pragma once

namespace pollmark {

// Installs the handlers (no SA_RESTART). A second signal while the first is being honoured ends the
// process at once with exit code 4. SIGPIPE is ignored.
void catch_stop_signals();
[[nodiscard]] bool stop_requested();

}  // namespace pollmark
