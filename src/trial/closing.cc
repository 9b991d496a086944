#include "trial/closing.h"

#include <fmt/format.h>

#include <numeric>
#include <optional>

#include "trial/closed_loop.h"

namespace pollmark {
namespace {

std::optional<std::int64_t> queues_missed_pkts(const std::vector<QueueAccount>& queues) {
  if (queues.empty()) return std::nullopt;
  std::int64_t sum = 0;
  for (const QueueAccount& queue : queues) {
    if (!queue.rx_missed_pkts) return std::nullopt;
    sum += *queue.rx_missed_pkts;
  }
  return sum;
}

std::optional<std::int64_t> rings_overflow_pkts(const std::vector<RingAccount>& rings) {
  if (rings.empty()) return std::nullopt;
  return std::accumulate(
      rings.begin(), rings.end(), std::int64_t{0},
      [](std::int64_t sum, const RingAccount& ring) { return sum + ring.overflow_pkts; });
}

void check_parts(std::string_view parts_name, std::optional<std::int64_t> parts_pkts, Fate fate,
                 const ReceiverAccount& receiver, std::vector<std::string>& contradictions) {
  const auto whole = receiver.fates.find(fate);
  if (!parts_pkts || whole == receiver.fates.end() || whole->second == *parts_pkts) return;
  contradictions.push_back(fmt::format("the {} count {} {}_pkts together, the receiver {}",
                                       parts_name, *parts_pkts, fate_name(fate), whole->second));
}

}  // namespace

ClosedBooks close_books(const TrialOrder& order, const SenderAccount& sender,
                        const ReceiverAccount& receiver,
                        const std::map<std::string, CounterChange>& changes,
                        const CounterBooks* books) {
  ClosedBooks closed;
  if (sender.closed_loop && receiver.serving) {
    closed.closed_loop = close_loop(*sender.closed_loop, *receiver.serving, closed.contradictions);
    return closed;
  }
  StreamAccount& stream = closed.stream;
  stream.from = order.generator_port;
  stream.to = order.receiver_port;
  stream.ledger.set_offered(sender.offered_pkts);
  stream.ledger.add(Fate::tx_unsent, sender.tx_unsent_pkts);
  stream.ledger.add(Fate::received, receiver.received_pkts);
  stream.offered_bytes = sender.offered_bytes;
  stream.received_bytes = receiver.received_bytes;
  stream.first_loss_s = receiver.first_loss_s;
  stream.last_loss_s = receiver.last_loss_s;

  if (sender.intended_pkts != sender.offered_pkts + sender.tx_unsent_pkts) {
    closed.contradictions.push_back(
        fmt::format("the sender intended {} but offered {} and left {} unsent",
                    sender.intended_pkts, sender.offered_pkts, sender.tx_unsent_pkts));
  }
  for (const auto& [fate, pkts] : receiver.fates) {
    const FateKind kind = fate_kind(fate);
    if (kind == FateKind::loss || kind == FateKind::extra) {
      stream.ledger.add(fate, pkts);
    } else {
      closed.contradictions.push_back(fmt::format(
          "the receiver counted {} as {}_pkts, which is not its to count", pkts, fate_name(fate)));
    }
  }
  check_parts("queues", queues_missed_pkts(receiver.queues), Fate::rx_missed, receiver,
              closed.contradictions);
  check_parts("software rings", rings_overflow_pkts(receiver.rings), Fate::sw_ring_overflow,
              receiver, closed.contradictions);
  if (books != nullptr) books->charge(changes, stream, closed.echo_doubts);

  for (const Fate fate : all_fates()) {
    if (const auto pkts = stream.ledger.pkts(fate); pkts && *pkts < 0) {
      closed.contradictions.push_back(fmt::format("{}_pkts is {}", fate_name(fate), *pkts));
    }
  }
  if (receiver.tracker && !sender.sent_per_flow.empty()) {
    const std::int64_t sent_pkts =
        std::accumulate(sender.sent_per_flow.begin(), sender.sent_per_flow.end(), std::int64_t{0});
    stream.tracker_missing_pkts = sent_pkts - receiver.tracker->unique;
    stream.reordered_pkts = receiver.tracker->reordered;
    stream.loss_runs = LossRuns{receiver.tracker->loss_runs, receiver.tracker->longest_loss_run};
  }
  return closed;
}

}  // namespace pollmark
