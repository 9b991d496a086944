#include "record/histogram.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace pollmark {

namespace {

constexpr std::uint32_t kOuterCookie = 0x1c849314;
constexpr std::uint32_t kBodyCookie = 0x1c849313;
constexpr std::size_t kOuterBytes = 8;
constexpr std::size_t kBodyHeaderBytes = 40;
constexpr std::size_t kMaxVarintBytes = 9;

// log2 of the values in the finest bucket: the smallest power of two >= 2 * 10^figures.
unsigned sub_bucket_magnitude(int figures) {
  static constexpr std::array<unsigned, 5> kMagnitude = {5, 8, 11, 15, 18};
  return kMagnitude[static_cast<std::size_t>(figures - 1)];
}

// Doublings of the finest bucket until `highest` is inside, plus one.
std::size_t bucket_count(const HistogramLayout& layout, unsigned unit_magnitude,
                         unsigned sub_magnitude) {
  auto end = std::uint64_t{1} << (sub_magnitude + unit_magnitude);
  std::size_t buckets = 1;
  while (end <= static_cast<std::uint64_t>(layout.highest)) {
    end <<= 1;
    ++buckets;
  }
  return buckets;
}

void put_be(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

std::uint64_t get_be(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

void put_zigzag(std::string& out, std::int64_t value) {
  std::uint64_t rest =
      static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  for (std::size_t i = 1; i < kMaxVarintBytes && rest >= 0x80U; ++i) {
    out += static_cast<char>((rest & 0x7fU) | 0x80U);
    rest >>= 7;
  }
  out += static_cast<char>(rest);  // the ninth byte carries eight bits
}

// Takes one number off the front; nullopt when the bytes end inside it.
std::optional<std::int64_t> take_zigzag(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kMaxVarintBytes; ++i) {
    if (i >= bytes.size()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const bool last = i + 1 == kMaxVarintBytes || (byte & 0x80U) == 0;
    const std::uint64_t payload = i + 1 == kMaxVarintBytes ? byte : byte & 0x7fU;
    value |= payload << (7 * i);
    if (last) {
      bytes.remove_prefix(i + 1);
      break;
    }
  }
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1U) + 1U));
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t kNoDigit = 0xff;
constexpr std::array<std::uint8_t, 256> kBase64Values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    const std::uint64_t bits = get_be(group) << (8 * (3 - group.size()));
    for (std::size_t digit = 0; digit < 4; ++digit) {
      text += digit <= group.size() ? kBase64[bits >> (18 - 6 * digit) & 0x3fU] : '=';
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : (text.ends_with('=') ? 1 : 0);
  text.remove_suffix(padding);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : text) {
    const std::uint8_t value = kBase64Values[static_cast<unsigned char>(digit)];
    if (value == kNoDigit) return std::nullopt;
    bits = bits << 6 | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xffU);
    }
  }
  return bytes;
}

std::string deflated(std::string_view body) {
  uLongf size = compressBound(static_cast<uLong>(body.size()));
  std::string out(size, '\0');
  const int code =
      compress(reinterpret_cast<Bytef*>(out.data()), &size,
               reinterpret_cast<const Bytef*>(body.data()), static_cast<uLong>(body.size()));
  PM_CHECK(code == Z_OK);
  out.resize(size);
  return out;
}

// Inflates in steps of known size, so that a hostile blob cannot ask for memory.
class Inflater {
 public:
  explicit Inflater(std::string_view bytes) {
    // zlib's interface is not const
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    PM_CHECK(inflateInit(&stream_) == Z_OK);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  // Exactly `size` bytes, or nullopt.
  std::optional<std::string> take(std::size_t size) {
    std::string out(size, '\0');
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0) {
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) break;
      if (code != Z_OK) return std::nullopt;
    }
    if (stream_.avail_out > 0) return std::nullopt;
    return out;
  }

 private:
  z_stream stream_{};
};

// The counts that are not zero, in order of their bins, as V2's payload.
struct CountsWriter {
  std::string payload;
  std::size_t next = 0;

  void put(std::size_t index, std::int64_t count) {
    if (index > next) put_zigzag(payload, -static_cast<std::int64_t>(index - next));
    put_zigzag(payload, count);
    next = index + 1;
  }
};

tl::unexpected<Error> not_a_histogram(std::string_view why) {
  return fail(Errc::bad_experiment, fmt::format("not an HdrHistogram V2 histogram: {}", why));
}

}  // namespace

bool HistogramLayout::possible() const {
  if (significant_figures < 1 || significant_figures > 5) return false;
  if (lowest < 1 || highest / 2 < lowest) return false;
  const auto unit = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(lowest))) - 1;
  return unit + sub_bucket_magnitude(significant_figures) - 1 <= 61;
}

LatencyHistogram::LatencyHistogram(HistogramLayout layout)
    : LatencyHistogram(layout, WithoutCounts{}) {
  counts_.resize(bins_);
}

LatencyHistogram::LatencyHistogram(HistogramLayout layout, WithoutCounts) : layout_(layout) {
  PM_CHECK(layout.possible());
  const unsigned sub_magnitude = sub_bucket_magnitude(layout.significant_figures);
  unit_magnitude_ =
      static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(layout.lowest))) - 1;
  half_magnitude_ = sub_magnitude - 1;
  mask_ = ((std::uint64_t{1} << sub_magnitude) - 1) << unit_magnitude_;
  const std::size_t buckets = bucket_count(layout, unit_magnitude_, sub_magnitude);
  bins_ = (buckets + 1) << half_magnitude_;
}

template <typename Visit>
void LatencyHistogram::each_bin(Visit visit) const {
  if (!packed_) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0 && !visit(i, counts_[i])) return;
    }
    return;
  }
  std::string_view payload = packed_->counts;
  std::size_t index = 0;
  while (!payload.empty()) {
    const std::optional<std::int64_t> number = take_zigzag(payload);
    PM_CHECK(number.has_value());
    if (*number < 0) {
      index += static_cast<std::size_t>(-*number);
    } else if (!visit(index++, *number)) {
      return;
    }
  }
}

std::string LatencyHistogram::packed_counts() const {
  if (packed_) return packed_->counts;
  CountsWriter writer;
  each_bin([&](std::size_t index, std::int64_t count) {
    writer.put(index, count);
    return true;
  });
  return std::move(writer.payload);
}

void LatencyHistogram::pack() {
  if (packed_ || min_ > max_) return;
  packed_ = Packed{packed_counts(), count(), min_, max_};
  packed_->counts.shrink_to_fit();
  std::vector<std::int64_t>().swap(counts_);
  min_ = std::numeric_limits<std::int64_t>::max();
  max_ = std::numeric_limits<std::int64_t>::min();
}

void LatencyHistogram::unpack() {
  if (!packed_) return;
  counts_.assign(bins_, 0);
  each_bin([&](std::size_t index, std::int64_t count) {
    counts_[index] = count;
    return true;
  });
  min_ = packed_->min;
  max_ = packed_->max;
  packed_.reset();
}

std::int64_t LatencyHistogram::count_at(std::size_t index) const {
  if (!packed_) return counts_[index];
  std::int64_t found = 0;
  each_bin([&](std::size_t at, std::int64_t count) {
    if (at == index) found = count;
    return at < index;
  });
  return found;
}

bool LatencyHistogram::widen(std::int64_t value, std::int64_t count) noexcept {
  if (value < 0 || value > layout_.highest) {
    out_of_range_ += count;
    return false;
  }
  unpack();
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  return true;
}

void LatencyHistogram::record(std::int64_t value, std::int64_t count) noexcept {
  if (count <= 0 || !widen(value, count)) return;
  counts_[index_of(value)] += count;
  set_sum(sum() + static_cast<Sum>(value) * static_cast<Sum>(count));
}

LatencyHistogram::Sum LatencyHistogram::sum() const {
  Sum sum = static_cast<Sum>(sum_carries_) << 64;
  for (const std::uint64_t part : sums_) sum += part;
  return sum;
}

void LatencyHistogram::set_sum(Sum sum) {
  sums_ = {static_cast<std::uint64_t>(sum)};
  sum_carries_ = static_cast<std::uint64_t>(sum >> 64);
}

std::int64_t LatencyHistogram::count() const {
  if (packed_) return packed_->total;
  std::int64_t sum = 0;
  for (const std::int64_t in_bin : counts_) sum += in_bin;
  return sum;
}

std::int64_t LatencyHistogram::lowest_of(std::size_t index) const noexcept {
  const std::size_t half = std::size_t{1} << half_magnitude_;
  const std::size_t bucket = index < 2 * half ? 0 : (index >> half_magnitude_) - 1;
  const std::size_t sub_bucket = index - (bucket << half_magnitude_);
  return static_cast<std::int64_t>(sub_bucket << (bucket + unit_magnitude_));
}

std::int64_t LatencyHistogram::highest_of(std::size_t index) const noexcept {
  const std::size_t half = std::size_t{1} << half_magnitude_;
  const std::size_t bucket = index < 2 * half ? 0 : (index >> half_magnitude_) - 1;
  return lowest_of(index) +
         static_cast<std::int64_t>(std::size_t{1} << (bucket + unit_magnitude_)) - 1;
}

std::int64_t LatencyHistogram::middle_of(std::size_t index) const noexcept {
  const std::int64_t lowest = lowest_of(index);
  return lowest + (highest_of(index) - lowest + 1) / 2;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  out_of_range_ += other.out_of_range_;
  const std::optional<std::int64_t> other_min = other.min();
  const std::optional<std::int64_t> other_max = other.max();
  if (!other_min || !other_max) return;
  if (*other_max > layout_.highest) {
    other.each_bin([&](std::size_t index, std::int64_t count) {
      record(other.middle_of(index), count);
      return true;
    });
    return;
  }
  unpack();
  const bool same_layout = layout_ == other.layout_;
  other.each_bin([&](std::size_t index, std::int64_t count) {
    const std::size_t own =
        same_layout ? index : index_of(std::clamp(other.middle_of(index), *other_min, *other_max));
    counts_[own] += count;
    return true;
  });
  min_ = std::min(min_, *other_min);
  max_ = std::max(max_, *other_max);
  set_sum(sum() + other.sum());
}

std::optional<std::int64_t> LatencyHistogram::min() const {
  if (packed_) return packed_->min;
  if (min_ > max_) return std::nullopt;
  return min_;
}

std::optional<std::int64_t> LatencyHistogram::max() const {
  if (packed_) return packed_->max;
  if (min_ > max_) return std::nullopt;
  return max_;
}

std::optional<double> LatencyHistogram::mean() const {
  const std::int64_t total = count();
  if (total == 0) return std::nullopt;
  return static_cast<double>(sum()) / static_cast<double>(total);
}

std::optional<double> LatencyHistogram::stddev() const {
  const auto total = static_cast<double>(count());
  if (total == 0.0) return std::nullopt;
  double sum = 0.0;
  each_bin([&](std::size_t index, std::int64_t count) {
    sum += static_cast<double>(count) * static_cast<double>(middle_of(index));
    return true;
  });
  const double middle_mean = sum / total;
  double squares = 0.0;
  each_bin([&](std::size_t index, std::int64_t count) {
    const double distance = static_cast<double>(middle_of(index)) - middle_mean;
    squares += static_cast<double>(count) * distance * distance;
    return true;
  });
  return std::sqrt(squares / total);
}

std::optional<std::int64_t> LatencyHistogram::percentile(double percent) const {
  PM_CHECK(percent >= 0.0 && percent <= 100.0);
  const std::int64_t total = count();
  if (total == 0) return std::nullopt;
  const double nearest = std::floor(percent / 100.0 * static_cast<double>(total) + 0.5);
  const std::int64_t rank = nearest >= static_cast<double>(total)
                                ? total
                                : std::max<std::int64_t>(1, static_cast<std::int64_t>(nearest));
  std::int64_t seen = 0;
  std::optional<std::int64_t> found;
  each_bin([&](std::size_t index, std::int64_t count) {
    seen += count;
    if (seen >= rank) found = percent == 0.0 ? lowest_of(index) : highest_of(index);
    return !found;
  });
  PM_CHECK(found.has_value());
  return found;
}

std::string LatencyHistogram::encode() const {
  const std::string payload = packed_counts();
  std::string body;
  put_be(body, kBodyCookie, 4);
  put_be(body, payload.size(), 4);
  put_be(body, 0, 4);  // normalizing index offset
  put_be(body, static_cast<std::uint64_t>(layout_.significant_figures), 4);
  put_be(body, static_cast<std::uint64_t>(layout_.lowest), 8);
  put_be(body, static_cast<std::uint64_t>(layout_.highest), 8);
  put_be(body, std::bit_cast<std::uint64_t>(1.0), 8);  // integer-to-double conversion ratio
  body += payload;
  const std::string packed = deflated(body);
  std::string blob;
  put_be(blob, kOuterCookie, 4);
  put_be(blob, packed.size(), 4);
  return to_base64(blob + packed);
}

Result<LatencyHistogram> LatencyHistogram::decode(std::string_view base64) {
  const std::optional<std::string> blob = from_base64(base64);
  if (!blob) return not_a_histogram("the text is not base64");
  const std::string_view bytes = *blob;
  if (bytes.size() < kOuterBytes || get_be(bytes.substr(0, 4)) != kOuterCookie) {
    return not_a_histogram("it does not begin with the cookie of a compressed V2 histogram");
  }
  if (get_be(bytes.substr(4, 4)) != bytes.size() - kOuterBytes) {
    return not_a_histogram("its length is not the one it states");
  }
  Inflater inflater(bytes.substr(kOuterBytes));
  const std::optional<std::string> header_bytes = inflater.take(kBodyHeaderBytes);
  if (!header_bytes) return not_a_histogram("the compressed header is damaged");
  const std::string_view header = *header_bytes;
  if (get_be(header.substr(0, 4)) != kBodyCookie) {
    return not_a_histogram("the body does not begin with the cookie of a V2 histogram");
  }
  if (get_be(header.substr(8, 4)) != 0) return not_a_histogram("its index offset is not zero");
  if (std::bit_cast<double>(get_be(header.substr(32, 8))) != 1.0) {
    return not_a_histogram("its values are scaled");
  }
  HistogramLayout layout;
  layout.significant_figures = static_cast<int>(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(get_be(header.substr(12, 4)), 100)));
  layout.lowest = static_cast<std::int64_t>(get_be(header.substr(16, 8)));
  layout.highest = static_cast<std::int64_t>(get_be(header.substr(24, 8)));
  if (!layout.possible()) return not_a_histogram("its layout is impossible");
  LatencyHistogram histogram(layout, WithoutCounts{});
  const auto payload_bytes = static_cast<std::size_t>(get_be(header.substr(4, 4)));
  if (payload_bytes > histogram.bins() * kMaxVarintBytes) {
    return not_a_histogram("it has more counts than its layout");
  }
  const std::optional<std::string> payload_text = inflater.take(payload_bytes);
  if (!payload_text) return not_a_histogram("the compressed counts are damaged");

  std::string_view payload = *payload_text;
  std::size_t index = 0;
  // Bins that are said to be empty, and gaps in pieces, have one spelling here.
  CountsWriter counts;
  std::int64_t total = 0;
  std::int64_t min = std::numeric_limits<std::int64_t>::max();
  std::int64_t max = std::numeric_limits<std::int64_t>::min();
  Sum sum = 0;
  while (!payload.empty()) {
    const std::optional<std::int64_t> number = take_zigzag(payload);
    if (!number) return not_a_histogram("its counts end inside a number");
    if (*number < 0) {
      if (*number < -static_cast<std::int64_t>(histogram.bins() - index)) {
        return not_a_histogram("it has more counts than its layout");
      }
      index += static_cast<std::size_t>(-*number);
      continue;
    }
    if (index >= histogram.bins()) return not_a_histogram("it has more counts than its layout");
    if (__builtin_add_overflow(total, *number, &total)) {
      return not_a_histogram("its counts do not fit 64 bits");
    }
    if (*number > 0) {
      counts.put(index, *number);
      min = std::min(min, histogram.lowest_of(index));
      max = std::max(histogram.lowest_of(index),
                     std::min(histogram.highest_of(index), layout.highest));
      sum += static_cast<Sum>(histogram.middle_of(index)) * static_cast<Sum>(*number);
    }
    ++index;
  }
  if (total == 0) return LatencyHistogram(layout);
  counts.payload.shrink_to_fit();
  histogram.packed_ = Packed{std::move(counts.payload), total, min, max};
  histogram.set_sum(sum);
  return histogram;
}

LatencyHistogram::Exact LatencyHistogram::exact() const {
  std::string digits;
  for (Sum rest = sum(); rest != 0 || digits.empty(); rest /= 10) {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  std::reverse(digits.begin(), digits.end());
  return {min(), max(), digits, out_of_range_};
}

Result<void> LatencyHistogram::restore(const Exact& exact) {
  const auto contradiction = [](std::string_view what) {
    return fail(Errc::bad_experiment, fmt::format("the histogram's {} contradicts its bins", what));
  };
  if (exact.out_of_range < 0) return contradiction("out_of_range");
  Sum stated = 0;
  if (exact.sum.empty() || exact.sum.size() > 38) return contradiction("sum");
  for (const char digit : exact.sum) {
    if (digit < '0' || digit > '9') return contradiction("sum");
    stated = stated * 10 + static_cast<Sum>(digit - '0');
  }
  std::int64_t& own_min = packed_ ? packed_->min : min_;
  std::int64_t& own_max = packed_ ? packed_->max : max_;
  if (own_min > own_max) {
    if (exact.min || exact.max || stated != 0) return contradiction("min, max or sum");
  } else {
    const auto same_bin = [&](std::optional<std::int64_t> value, std::int64_t from_bins) {
      return value && *value >= 0 && *value <= highest_of(bins() - 1) &&
             index_of(*value) == index_of(from_bins);
    };
    if (!same_bin(exact.min, own_min)) return contradiction("min");
    if (!same_bin(exact.max, own_max)) return contradiction("max");
    own_min = *exact.min;
    own_max = *exact.max;
  }
  set_sum(stated);
  out_of_range_ = exact.out_of_range;
  return {};
}

}  // namespace pollmark
