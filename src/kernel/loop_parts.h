// What is particular to one closed-loop path: what its client and its server do. closed_loop.h
// makes the ends of a trial of them.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/error.h"
#include "host/netns.h"
#include "kernel/loop_window.h"
#include "record/trial_order.h"

namespace pollmark {

// open, then run on a thread of its own inside the namespace, then the rest.
class LoopClient {
 public:
  virtual ~LoopClient() = default;
  // Makes sockets; connects to a server that listens already. Inside the namespace.
  [[nodiscard]] virtual Result<void> open() = 0;
  // Until the window closes, or ending. Errors: of the host, not of a message.
  [[nodiscard]] virtual Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) = 0;
  // Ends what run() waits for. From another thread.
  virtual void interrupt() = 0;
  // Without what the meter knows.
  [[nodiscard]] virtual ClosedLoopAccount account() = 0;
  [[nodiscard]] virtual std::optional<LatencyHistogram> round_trips() = 0;  // ns
  [[nodiscard]] virtual std::map<std::string, Knob> knobs() = 0;
};

class LoopServer {
 public:
  virtual ~LoopServer() = default;
  [[nodiscard]] virtual Result<void> open() = 0;
  // Until the client has closed, or ending where it does not tell.
  [[nodiscard]] virtual Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) = 0;
  virtual void interrupt() = 0;
  // served and served_in_window.
  [[nodiscard]] virtual ServingAccount account() = 0;
  [[nodiscard]] virtual std::map<std::string, Knob> knobs() { return {}; }
};

struct LoopParts {
  std::unique_ptr<LoopClient> client;
  std::unique_ptr<LoopServer> server;
};

// tcp_rr, udp_rr: one request at a time, answered by the server. A datagram that stays away for
// kAnswerTimeoutNs has failed ("timed out"); an answer that comes later is counted late. Answers
// are told apart by a sequence number in their first kLeastMessageBytes.
inline constexpr std::int64_t kAnswerTimeoutNs = 200'000'000;
[[nodiscard]] LoopParts request_response_parts(const TrialOrder& order, const NetdevPlace& server);

// tcp_stream: streams connections, each client write of message_bytes; the server reads what there
// is. At the end the client closes its side and waits until the server has read everything.
[[nodiscard]] LoopParts tcp_stream_parts(const TrialOrder& order, const NetdevPlace& server);

// tcp_crr: connect, request, answer, close, streams of them at the same time. The client closes by
// a reset (SO_LINGER 0): no port is left waiting for late segments (TIME_WAIT), so that none runs
// out. A connection that takes longer than kConnectionTimeoutNs has failed.
inline constexpr std::int64_t kConnectionTimeoutNs = 500'000'000;
[[nodiscard]] LoopParts tcp_crr_parts(const TrialOrder& order, const NetdevPlace& server);

}  // namespace pollmark
