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

Result<std::int64_t> write_model(const TrialOrder& order, std::int64_t packets, double tsc_hz,
                                 PcapWriter& writer) {
  PM_TRY(const HotLevel* level, chosen_hot_level());
  PM_TRY(const Reta reta, make_reta(order.receiver.queues, order.receiver.reta_weights));
  std::optional<Capture> capture;
  if (order.traffic.kind == TrafficKind::replay) {
    PM_TRY(capture, load_capture(capture_order(order.traffic)));
  }
  TrialOrder faultless = order;
  faultless.model.faults = FaultOrder{};
  PM_TRY(const ModelTraffic prepared,
         ModelTraffic::prepare(faultless, *level, reta, tsc_hz, capture ? &*capture : nullptr));
  const Traffic traffic = prepared.traffic();
  std::vector<std::uint32_t> tcp_bytes;
  if (prepared.stack().l4 == L4Kind::tcp) tcp_bytes.resize(prepared.flow_count());
  Wire wire;
  wire.open(traffic, nullptr, tcp_bytes.empty() ? nullptr : tcp_bytes.data());
  std::vector<std::uint8_t> data(kSnapBytes);
  WireFrame event;
  std::int64_t written = 0;
  while (written < packets && !writer.has_failed() && wire.next<false>(event)) {
    const FrameIdentity& frame = event.frame;
    if (frame.epoch != traffic.epoch) continue;  // warm-up
    std::uint32_t bytes = 0;
    if (prepared.is_replay()) {
      bytes = traffic.replay[frame.position].data_bytes;
      std::memcpy(data.data(), traffic.replay[frame.position].data, bytes);
    } else {
      bytes = traffic.shapes[frame.position].data_bytes;
      write_model_frame(traffic, frame, data.data());
    }
    writer.write(data.data(), bytes, ns_of(event.arrival - traffic.window_start, tsc_hz));
    ++written;
  }
  return written;
}

Result<std::int64_t> write_port(const TrialOrder& order, const NetdevPlace& place,
                                std::int64_t packets, double tsc_hz, PcapWriter& writer) {
  TrialOrder by_one = order;  // what several lcores send together
  by_one.generator_lcores.clear();
  PM_TRY(const FrameSource source, FrameSource::open(by_one, place, tsc_hz));
  FrameStream stream(source, source.shares().front());
  std::vector<std::uint8_t> data(static_cast<std::size_t>(std::max(kSnapBytes, place.mtu + 128)));
  Pacer pacer(source.pacing(0, order.seconds, 0));
  std::int64_t written = 0;
  for (; written < packets && !writer.has_failed() && pacer.has_slot();
       ++written, pacer.advance()) {
    const Ticks due = source.has_schedule() ? pacer.due() : 0;
    const std::uint32_t bytes = stream.next<Sharing::alone>(data.data(), order.epoch, due, due);
    writer.write(data.data(), bytes, ns_of(due, tsc_hz));
  }
  return written;
}

}  // namespace

Result<std::int64_t> write_frames(const TrialOrder& order, const std::optional<NetdevPlace>& place,
                                  std::int64_t packets, const std::filesystem::path& path) {
  static const TscFacts tsc = calibrate_tsc();
  PM_TRY(PcapWriter writer, PcapWriter::open(path));
  PM_TRY(const std::int64_t written, place ? write_port(order, *place, packets, tsc.hz, writer)
                                           : write_model(order, packets, tsc.hz, writer));
  PM_TRYV(writer.finish());
  return written;
}

}  // namespace pollmark
