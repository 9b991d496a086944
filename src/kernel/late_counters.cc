#include "kernel/late_counters.h"

#include <thread>
#include <utility>

#include "trial/forwarding_receiver.h"

namespace pollmark {
namespace {

class LateCounters final : public ForwardingReceiver {
 public:
  LateCounters(std::unique_ptr<Receiver> receiver, std::chrono::milliseconds lateness)
      : ForwardingReceiver(std::move(receiver)), lateness_(lateness) {}

  Result<void> open() override {
    PM_TRYV(ForwardingReceiver::open());
    std::this_thread::sleep_for(lateness_);
    return {};
  }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    PM_TRY(ReceiverAccount account, ForwardingReceiver::stop(sent_per_flow));
    std::this_thread::sleep_for(lateness_);
    return account;
  }

 private:
  std::chrono::milliseconds lateness_;
};

}  // namespace

std::unique_ptr<Receiver> with_late_counters(std::unique_ptr<Receiver> receiver,
                                             std::chrono::milliseconds lateness) {
  return std::make_unique<LateCounters>(std::move(receiver), lateness);
}

}  // namespace pollmark
