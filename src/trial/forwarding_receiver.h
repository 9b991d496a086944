// A receiver that stands before another one: what it does not do itself, that one does.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "trial/endpoints.h"

namespace pollmark {

class ForwardingReceiver : public Receiver {
 public:
  explicit ForwardingReceiver(std::unique_ptr<Receiver> receiver)
      : receiver_(std::move(receiver)) {}

  [[nodiscard]] LiveTallies live() const override { return receiver_->live(); }
  [[nodiscard]] Result<void> open() override { return receiver_->open(); }
  [[nodiscard]] Result<CounterSnapshot> read_counters() override {
    return receiver_->read_counters();
  }
  [[nodiscard]] Result<void> start() override { return receiver_->start(); }
  [[nodiscard]] Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override {
    return receiver_->drain(quiet_ns, limit_ns);
  }
  [[nodiscard]] Result<ReceiverAccount> stop(
      const std::vector<std::uint32_t>& sent_per_flow) override {
    return receiver_->stop(sent_per_flow);
  }
  void abandon() override { receiver_->abandon(); }

 private:
  std::unique_ptr<Receiver> receiver_;
};

}  // namespace pollmark
