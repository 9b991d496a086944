#include "rig/frame_preview.h"

#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/tsc.h"
#include "rig/capture.h"
#include "rig/frame_source.h"
#include "rig/isa.h"
#include "rig/model_traffic.h"
#include "rig/patterns.h"
#include "rig/rss.h"

namespace pollmark {
namespace {

constexpr int kSnapBytes = 16384;

struct Closer {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
  void operator()(pcap_dumper_t* dumper) const { pcap_dump_close(dumper); }
};

class PcapWriter {
 public:
  static Result<PcapWriter> open(const std::filesystem::path& path) {
    PcapWriter writer;
    writer.path_ = path.string();
    std::error_code gone;
    // A file is there whole or as it was; what is no file (a pipe) is written as it stands.
    const auto there = std::filesystem::status(path, gone).type();
    if (there == std::filesystem::file_type::not_found ||
        there == std::filesystem::file_type::regular)
      writer.aside_ = fmt::format("{}.part-{}", writer.path_, getpid());
    const std::string& written = writer.aside_.empty() ? writer.path_ : writer.aside_;
    writer.pcap_.reset(
        pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kSnapBytes, PCAP_TSTAMP_PRECISION_NANO));
    writer.dumper_.reset(pcap_dump_open(writer.pcap_.get(), written.c_str()));
    if (!writer.dumper_) {
      // libpcap puts the path in front of what the system says.
      std::string what = pcap_geterr(writer.pcap_.get());
      if (what.starts_with(written + ": ")) what.erase(0, written.size() + 2);
      return fail(Errc::host_cannot, what, writer.path_);
    }
    return writer;
  }
  void write(const std::uint8_t* data, std::uint32_t bytes, std::int64_t ns) {
    pcap_pkthdr header{};
    header.ts.tv_sec = ns / 1'000'000'000;
    header.ts.tv_usec = ns % 1'000'000'000;
    header.caplen = header.len = bytes;
    pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, data);
    if (error_ == 0 && std::ferror(pcap_dump_file(dumper_.get())) != 0) error_ = errno;
  }
  [[nodiscard]] bool has_failed() const { return error_ != 0; }
  Result<void> finish() {
    if (pcap_dump_flush(dumper_.get()) != 0 && error_ == 0) error_ = errno;
    dumper_.reset();
    if (error_ == 0 && !aside_.empty() && std::rename(aside_.c_str(), path_.c_str()) != 0)
      error_ = errno;
    if (error_ != 0)
      return fail(Errc::host_cannot,
                  fmt::format("cannot be written whole: {}", std::strerror(error_)), path_);
    aside_.clear();
    return {};
  }
  PcapWriter(PcapWriter&& other) noexcept
      : path_(std::move(other.path_)),
        aside_(std::exchange(other.aside_, {})),
        error_(other.error_),
        pcap_(std::move(other.pcap_)),
        dumper_(std::move(other.dumper_)) {}
  PcapWriter& operator=(PcapWriter&&) = delete;
  ~PcapWriter() {
    dumper_.reset();
    if (!aside_.empty()) std::remove(aside_.c_str());
  }

 private:
  PcapWriter() = default;
  std::string path_;
  std::string aside_;  // written in its place until it is whole; empty: none
  int error_ = 0;      // errno of the first write that failed
  std::unique_ptr<pcap_t, Closer> pcap_;
  std::unique_ptr<pcap_dumper_t, Closer> dumper_;
};

std::int64_t ns_of(Ticks ticks, double tsc_hz) {
  return std::llround(static_cast<double>(ticks) * 1e9 / tsc_hz);
}

// The frames of one way, one after the other.
class PlannedFrames {
 public:
  virtual ~PlannedFrames() = default;
  // To the next frame. False: there is none.
  virtual bool next() = 0;
  [[nodiscard]] const std::uint8_t* data() const { return data_.data(); }
  [[nodiscard]] std::uint32_t bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t ns() const { return ns_; }

 protected:
  std::vector<std::uint8_t> data_ = std::vector<std::uint8_t>(kSnapBytes);
  std::uint32_t bytes_ = 0;
  std::int64_t ns_ = 0;
};

class ModelFrames final : public PlannedFrames {
 public:
  static Result<std::unique_ptr<PlannedFrames>> make(const TrialOrder& order, double tsc_hz) {
    PM_TRY(const HotLevel* level, chosen_hot_level());
    PM_TRY(const Reta reta, make_reta(order.receiver.queues, order.receiver.reta_weights));
    std::unique_ptr<ModelFrames> frames(new ModelFrames(tsc_hz));
    if (order.traffic.kind == TrafficKind::replay) {
      PM_TRY(frames->capture_, load_capture(capture_order(order.traffic)));
    }
    if (order.receiver.stage == StageKind::hyperscan) {
      PM_TRY(frames->patterns_, PatternSet::load(order.receiver.patterns));
    }
    TrialOrder faultless = order;
    faultless.model.faults = FaultOrder{};
    PM_TRY(frames->prepared_, ModelTraffic::prepare(faultless, *level, reta, tsc_hz,
                                                    frames->capture_ ? &*frames->capture_ : nullptr,
                                                    frames->patterns_.get()));
    frames->open();
    return frames;
  }

  bool next() override {
    WireFrame event;
    do {
      if (!wire_.next<false>(event)) return false;
    } while (event.frame.epoch != traffic_.epoch);  // warm-up
    const FrameIdentity& frame = event.frame;
    if (prepared_->is_replay()) {
      bytes_ = traffic_.replay[frame.position].data_bytes;
      std::memcpy(data_.data(), traffic_.replay[frame.position].data, bytes_);
    } else {
      bytes_ = traffic_.shapes[frame.position].data_bytes;
      write_model_frame(traffic_, frame, data_.data());
    }
    ns_ = ns_of(event.arrival - traffic_.window_start, tsc_hz_);
    return true;
  }

 private:
  explicit ModelFrames(double tsc_hz) : tsc_hz_(tsc_hz) {}
  void open() {
    traffic_ = prepared_->traffic();
    if (prepared_->stack().l4 == L4Kind::tcp) tcp_bytes_.resize(prepared_->flow_count());
    wire_.open(traffic_, nullptr, tcp_bytes_.empty() ? nullptr : tcp_bytes_.data());
  }

  double tsc_hz_;
  std::optional<Capture> capture_;
  std::shared_ptr<const PatternSet> patterns_;
  std::optional<ModelTraffic> prepared_;
  Traffic traffic_;
  std::vector<std::uint32_t> tcp_bytes_;
  Wire wire_;
};

class PortFrames final : public PlannedFrames {
 public:
  static Result<std::unique_ptr<PlannedFrames>> make(const TrialOrder& order,
                                                     const NetdevPlace& place, double tsc_hz) {
    TrialOrder by_one = order;  // what several lcores send together
    by_one.generator_lcores.clear();
    PM_TRY(FrameSource source, FrameSource::open(by_one, place, tsc_hz));
    return std::unique_ptr<PlannedFrames>(
        new PortFrames(order, std::move(source), place.mtu, tsc_hz));
  }

  bool next() override {
    if (!pacer_.has_slot()) return false;
    const Ticks due = source_.has_schedule() ? pacer_.due() : 0;
    bytes_ = stream_.next<Sharing::alone>(data_.data(), epoch_, due, due);
    ns_ = ns_of(due, tsc_hz_);
    pacer_.advance();
    return true;
  }

 private:
  PortFrames(const TrialOrder& order, FrameSource source, int mtu, double tsc_hz)
      : tsc_hz_(tsc_hz),
        epoch_(order.epoch),
        source_(std::move(source)),
        stream_(source_, source_.shares().front()),
        pacer_(source_.pacing(0, TrialPhase::window)) {
    data_.resize(static_cast<std::size_t>(std::max(kSnapBytes, mtu + 128)));
  }

  double tsc_hz_;
  std::uint8_t epoch_;
  FrameSource source_;
  FrameStream stream_;
  Pacer pacer_;
};

}  // namespace

Result<std::int64_t> write_frames(const std::vector<PlannedWay>& ways, std::int64_t packets,
                                  const std::filesystem::path& path) {
  PM_TRY(PcapWriter writer, PcapWriter::open(path));
  std::vector<std::unique_ptr<PlannedFrames>> waiting;  // each with a frame that is to be written
  for (const PlannedWay& way : ways) {
    PM_TRY(auto frames, way.place ? PortFrames::make(way.order, *way.place, host_tsc().hz)
                                  : ModelFrames::make(way.order, host_tsc().hz));
    if (frames->next()) waiting.push_back(std::move(frames));
  }
  std::int64_t written = 0;
  for (; written < packets && !waiting.empty() && !writer.has_failed(); ++written) {
    const auto first =
        std::ranges::min_element(waiting, {}, [](const auto& frames) { return frames->ns(); });
    writer.write((*first)->data(), (*first)->bytes(), (*first)->ns());
    if (!(*first)->next()) waiting.erase(first);
  }
  PM_TRYV(writer.finish());
  return written;
}

}  // namespace pollmark
