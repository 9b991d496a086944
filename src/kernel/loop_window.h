// The window of a closed loop as its threads see it, and what they take at its edges.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/tsc.h"
#include "host/cpu_time.h"
#include "host/numa_placement.h"
#include "trial/endpoints.h"

namespace pollmark {

// Set once, before the client's thread starts; the server may look at it earlier.
class LoopWindow {
 public:
  // TSC cycles.
  void set(std::uint64_t opens, std::uint64_t closes) {
    closes_.store(closes, std::memory_order_relaxed);
    opens_.store(opens, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t opens() const { return opens_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t closes() const { return closes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  std::atomic<std::uint64_t> opens_{kNever};
  std::atomic<std::uint64_t> closes_{kNever};
};

// What one thread had of its CPU inside the window. Its thread: look, finish; any, after its join:
// the rest.
class WindowMeter {
 public:
  explicit WindowMeter(const LoopWindow& window) : window_(window) {}

  // True inside the window.
  bool look(std::uint64_t now) {
    if (state_ == State::before && now >= window_.opens()) open();
    if (state_ == State::inside && now >= window_.closes()) close();
    return state_ == State::inside;
  }
  [[nodiscard]] bool is_past_middle(std::uint64_t now) const {
    const std::uint64_t opens = window_.opens();
    return now >= opens + (window_.closes() - opens) / 2;
  }
  [[nodiscard]] bool is_inside() const { return state_ == State::inside; }
  [[nodiscard]] bool is_over() const { return state_ == State::after; }
  // A thread that slept past the window's end takes its times now: it used no CPU meanwhile.
  void finish() {
    if (state_ == State::inside) close();
  }

  [[nodiscard]] std::optional<std::int64_t> cpu_ns() const {
    return state_ == State::after ? std::optional(closed_cpu_ns_ - opened_cpu_ns_) : std::nullopt;
  }
  // seconds: of the window.
  [[nodiscard]] LcoreHealth health(const char* role, double seconds) const;

 private:
  enum class State { before, inside, after };
  void open() {
    state_ = State::inside;
    node_ = node_of_this_thread();
    opened_times_ = scheduler_times();
    opened_cpu_ns_ = thread_cpu_ns();
  }
  void close() {
    state_ = State::after;
    closed_cpu_ns_ = thread_cpu_ns();
    closed_times_ = scheduler_times();
  }

  const LoopWindow& window_;
  State state_ = State::before;
  std::optional<int> node_;
  std::int64_t opened_cpu_ns_ = 0;
  std::int64_t closed_cpu_ns_ = 0;
  std::optional<SchedulerTimes> opened_times_;
  std::optional<SchedulerTimes> closed_times_;
};

// planted_stop_ns: the server's thread sleeps once for that long in the middle of the window.
class PlantedPause {
 public:
  explicit PlantedPause(const TrialOrder& order) : ns_(order.planted_stop_ns) {}
  void when_due(const WindowMeter& meter, std::uint64_t now) {
    if (ns_ <= 0 || !meter.is_inside() || !meter.is_past_middle(now)) return;
    sleep_ns(ns_);
    ns_ = 0;
  }

 private:
  std::int64_t ns_;
};

}  // namespace pollmark
