#include "rig/expression_sample.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <vector>

#include "datapath/arrivals.h"

namespace pollmark {
namespace {

using Bytes = std::bitset<256>;
constexpr int kOpenRepeats = 3;
constexpr int kMostRepeats = 1024;
constexpr int kDeepestGroup = 64;

Bytes range(int from, int to) {
  Bytes bytes;
  for (int byte = from; byte <= to; ++byte) bytes.set(static_cast<std::size_t>(byte));
  return bytes;
}

Bytes digits() { return range('0', '9'); }
Bytes word_bytes() {
  Bytes bytes = digits() | range('a', 'z') | range('A', 'Z');
  bytes.set('_');
  return bytes;
}
Bytes spaces() {
  Bytes bytes = range('\t', '\r');
  bytes.set(' ');
  return bytes;
}

struct Repeats {
  int least = 1;
  int most = 1;
};

class Sampler {
 public:
  Sampler(std::string_view expression, std::uint64_t seed) : rest_(expression), seed_(seed) {}

  std::optional<std::string> whole() {
    std::optional<std::string> word = alternatives(0);
    if (!word || !rest_.empty()) return std::nullopt;
    return word;
  }

 private:
  std::uint64_t draw() { return drawn(seed_, drawn_++); }
  bool take(char expected) {
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }
  char next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::optional<std::string> alternatives(int depth) {
    if (depth > kDeepestGroup) return std::nullopt;
    std::vector<std::string> words;
    do {
      const std::optional<std::string> word = sequence(depth);
      if (!word) return std::nullopt;
      words.push_back(*word);
    } while (take('|'));
    return words[draw() % words.size()];
  }

  std::optional<std::string> sequence(int depth) {
    std::string word;
    while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')') {
      // Every repetition is a walk of its own over the same text.
      const std::string_view begin = rest_;
      std::optional<std::string> once = element(depth);
      if (!once) return std::nullopt;
      const std::size_t length = begin.size() - rest_.size();
      const std::optional<Repeats> repeats = repetition();
      if (!repeats) return std::nullopt;
      const std::string_view behind = rest_;
      const int span = repeats->most - repeats->least + 1;
      const int times = repeats->least + static_cast<int>(draw() % static_cast<unsigned>(span));
      for (int i = 0; i < times; ++i) {
        if (i > 0) {
          rest_ = begin.substr(0, length);
          once = element(depth);
          if (!once) return std::nullopt;
        }
        word += *once;
      }
      rest_ = behind;
    }
    return word;
  }

  std::optional<std::string> element(int depth) {
    const char c = next();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return one_of(bracketed());
      case '.': {
        Bytes bytes = range(0x20, 0x7e);
        return one_of(bytes);
      }
      case '^':
      case '$':
        return std::string();
      case '\\':
        return escaped();
      case '*':
      case '+':
      case '?':
        return std::nullopt;
      default:
        return std::string(1, c);
    }
  }

  std::optional<std::string> group(int depth) {
    if (take('?')) {
      // (?:...) and (?flags:...); lookarounds, names and comments are not walked.
      while (!rest_.empty() && std::string_view("ismx-").find(rest_.front()) != std::string::npos)
        rest_.remove_prefix(1);
      if (take(')')) return std::string();
      if (!take(':')) return std::nullopt;
    }
    std::optional<std::string> word = alternatives(depth + 1);
    if (!word || !take(')')) return std::nullopt;
    return word;
  }

  // \x41, \x{41}, \n, \d, \b, ...: the bytes that it stands for; none for a boundary.
  struct Escape {
    bool known = false;
    bool boundary = false;
    Bytes bytes;
  };
  Escape escape() {
    Escape found;
    if (rest_.empty()) return found;
    found.known = true;
    const char c = next();
    const auto single = [&](int byte) { found.bytes.set(static_cast<std::size_t>(byte)); };
    switch (c) {
      case 'd':
        found.bytes = digits();
        break;
      case 'D':
        found.bytes = ~digits();
        break;
      case 'w':
        found.bytes = word_bytes();
        break;
      case 'W':
        found.bytes = ~word_bytes();
        break;
      case 's':
        found.bytes = spaces();
        break;
      case 'S':
        found.bytes = ~spaces();
        break;
      case 'b':
      case 'B':
      case 'A':
      case 'z':
      case 'Z':
        found.boundary = true;
        break;
      case 'n':
        single('\n');
        break;
      case 'r':
        single('\r');
        break;
      case 't':
        single('\t');
        break;
      case 'f':
        single('\f');
        break;
      case 'v':
        single('\v');
        break;
      case 'a':
        single('\a');
        break;
      case 'e':
        single(0x1b);
        break;
      case '0':
        single(0);
        break;
      case 'x':
        hexadecimal(found);
        break;
      default: {
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9');
        found.known = !letter;
        single(static_cast<unsigned char>(c));
      }
    }
    return found;
  }

  void hexadecimal(Escape& found) {
    const bool braced = take('{');
    const std::size_t most = braced ? rest_.find('}') : 2;
    unsigned value = 0;
    const std::string_view text = rest_.substr(0, most);
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    found.known =
        code == std::errc{} && value < 256 && (!braced || end == text.data() + text.size());
    if (!found.known) return;
    rest_.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (braced) rest_.remove_prefix(1);
    found.bytes.set(value);
  }

  std::optional<std::string> escaped() {
    const Escape found = escape();
    if (!found.known) return std::nullopt;
    if (found.boundary) return std::string();
    return one_of(found.bytes);
  }

  // Behind the opening bracket; empty where it cannot be walked.
  Bytes bracketed() {
    const bool negated = take('^');
    Bytes bytes;
    bool first = true;
    for (;; first = false) {
      if (rest_.empty()) return {};
      if (rest_.front() == ']' && !first) break;
      Bytes item;
      if (rest_.starts_with("[:")) return {};
      const char c = next();
      if (c == '\\') {
        const Escape found = escape();
        if (!found.known || found.boundary) return {};
        item = found.bytes;
      } else {
        item.set(static_cast<unsigned char>(c));
      }
      if (item.count() == 1 && rest_.size() > 1 && rest_.front() == '-' && rest_[1] != ']') {
        rest_.remove_prefix(1);
        int to = static_cast<unsigned char>(next());
        if (to == '\\') {
          const Escape found = escape();
          if (!found.known || found.bytes.count() != 1) return {};
          to = static_cast<int>(found.bytes._Find_first());
        }
        item = range(static_cast<int>(item._Find_first()), to);
      }
      bytes |= item;
    }
    rest_.remove_prefix(1);
    return negated ? ~bytes : bytes;
  }

  std::optional<std::string> one_of(const Bytes& bytes) {
    if (bytes.none()) return std::nullopt;
    // Printable where there is a choice.
    const Bytes printable = bytes & range(0x21, 0x7e);
    const Bytes& from = printable.any() ? printable : bytes;
    std::size_t left = draw() % from.count();
    std::size_t byte = from._Find_first();
    for (; left > 0; --left) byte = from._Find_next(byte);
    return std::string(1, static_cast<char>(byte));
  }

  std::optional<Repeats> repetition() {
    Repeats repeats;
    if (take('*')) {
      repeats = {0, kOpenRepeats};
    } else if (take('+')) {
      repeats = {1, 1 + kOpenRepeats};
    } else if (take('?')) {
      repeats = {0, 1};
    } else if (rest_.size() > 1 && rest_.front() == '{' && rest_[1] >= '0' && rest_[1] <= '9') {
      const std::size_t close = rest_.find('}');
      if (close == std::string_view::npos) return std::nullopt;
      const std::string_view inside = rest_.substr(1, close - 1);
      rest_.remove_prefix(close + 1);
      const auto [end, code] =
          std::from_chars(inside.data(), inside.data() + inside.size(), repeats.least);
      if (code != std::errc{}) return std::nullopt;
      const std::string_view tail = inside.substr(static_cast<std::size_t>(end - inside.data()));
      if (tail.empty()) {
        repeats.most = repeats.least;
      } else if (tail == ",") {
        repeats.most = repeats.least + kOpenRepeats;
      } else {
        const std::string_view most = tail.substr(1);
        const auto [most_end, most_code] =
            std::from_chars(most.data(), most.data() + most.size(), repeats.most);
        if (most_code != std::errc{} || most_end != most.data() + most.size()) return std::nullopt;
      }
      if (repeats.least > kMostRepeats || repeats.most < repeats.least) return std::nullopt;
      repeats.most = std::min(repeats.most, repeats.least + kOpenRepeats);
    } else {
      return repeats;
    }
    // Lazy and possessive: the same words.
    if (!take('?')) (void)take('+');
    return repeats;
  }

  std::string_view rest_;
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

}  // namespace

std::optional<std::string> sample_of(std::string_view expression, std::uint64_t seed) {
  return Sampler(expression, seed).whole();
}

}  // namespace pollmark
