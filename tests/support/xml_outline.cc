#include "support/xml_outline.h"

#include <cctype>

namespace pollmark::support {

namespace {

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == ':';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  XmlOutline read() {
    if (text_.substr(0, 9) == "<!DOCTYPE") {
      at_ = text_.find('>');
      if (at_ == std::string_view::npos) return failed("doctype without an end");
      ++at_;
    }
    while (outline_.mistake.empty() && at_ < text_.size()) {
      if (text_[at_] == '<') {
        tag();
      } else {
        characters();
      }
    }
    if (outline_.mistake.empty() && !open_.empty()) {
      mistake("not closed: " + outline_.elements[static_cast<std::size_t>(open_.back())].tag);
    }
    if (outline_.mistake.empty() && outline_.elements.empty()) mistake("no element at all");
    return std::move(outline_);
  }

 private:
  XmlOutline failed(const std::string& what) {
    mistake(what);
    return std::move(outline_);
  }
  void mistake(const std::string& what) {
    if (outline_.mistake.empty()) {
      outline_.mistake = what + " at byte " + std::to_string(at_) + ": " +
                         std::string(text_.substr(at_ > 40 ? at_ - 40 : 0, 80));
    }
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void spaces() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t') ++at_;
  }
  std::string name() {
    if (!name_start(peek())) {
      mistake("a name was expected");
      return {};
    }
    const std::size_t begin = at_;
    while (name_part(peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  // One character or reference; at_ is behind it.
  std::string character() {
    if (text_[at_] != '&') return std::string(1, text_[at_++]);
    static constexpr std::pair<std::string_view, char> kReferences[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
    for (const auto& [reference, value] : kReferences) {
      if (text_.substr(at_, reference.size()) == reference) {
        at_ += reference.size();
        return std::string(1, value);
      }
    }
    mistake("a bare &");
    ++at_;
    return {};
  }
  void characters() {
    std::string run;
    while (at_ < text_.size() && text_[at_] != '<' && outline_.mistake.empty()) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte < 0x20 && byte != '\n' && byte != '\t') mistake("a control character");
      run += character();
    }
    if (open_.empty() && run.find_first_not_of(" \n") != std::string::npos) {
      mistake("text outside the root");
    }
    for (const int index : open_) outline_.elements[static_cast<std::size_t>(index)].text += run;
  }
  void tag() {
    ++at_;
    if (peek() == '/') {
      ++at_;
      const std::string closing = name();
      spaces();
      if (peek() != '>') return mistake("an end tag without >");
      ++at_;
      if (open_.empty()) return mistake("closed, never opened: " + closing);
      const std::string& opened = outline_.elements[static_cast<std::size_t>(open_.back())].tag;
      if (opened != closing) return mistake("<" + opened + "> closed by </" + closing + ">");
      open_.pop_back();
      return;
    }
    if (open_.empty() && !outline_.elements.empty()) return mistake("a second root");
    XmlElement element;
    element.tag = name();
    element.parent = open_.empty() ? -1 : open_.back();
    while (outline_.mistake.empty()) {
      const std::size_t before = at_;
      spaces();
      if (peek() == '>' || peek() == '/') break;
      if (at_ == before) return mistake("an attribute without a space before it");
      const std::string attribute = name();
      if (peek() != '=') return mistake("an attribute without a value: " + attribute);
      ++at_;
      if (peek() != '"') return mistake("an attribute without quotes: " + attribute);
      ++at_;
      std::string value;
      while (at_ < text_.size() && text_[at_] != '"' && outline_.mistake.empty()) {
        if (text_[at_] == '<') return mistake("< in an attribute");
        value += character();
      }
      if (peek() != '"') return mistake("an attribute without an end");
      ++at_;
      if (!element.attributes.emplace(attribute, value).second) {
        return mistake("an attribute twice: " + attribute);
      }
    }
    bool empty = false;
    if (peek() == '/') {
      empty = true;
      ++at_;
    }
    if (peek() != '>') return mistake("a tag without >");
    ++at_;
    outline_.elements.push_back(std::move(element));
    if (!empty) open_.push_back(static_cast<int>(outline_.elements.size()) - 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<int> open_;
  XmlOutline outline_;
};

}  // namespace

std::vector<const XmlElement*> XmlOutline::with_tag(std::string_view tag) const {
  std::vector<const XmlElement*> found;
  for (const XmlElement& element : elements) {
    if (element.tag == tag) found.push_back(&element);
  }
  return found;
}

std::vector<const XmlElement*> XmlOutline::with_attribute(std::string_view name) const {
  std::vector<const XmlElement*> found;
  for (const XmlElement& element : elements) {
    if (element.attributes.count(std::string(name)) > 0) found.push_back(&element);
  }
  return found;
}

bool XmlOutline::is_below(const XmlElement& element, const XmlElement& above) const {
  for (int up = element.parent; up >= 0; up = elements[static_cast<std::size_t>(up)].parent) {
    if (&elements[static_cast<std::size_t>(up)] == &above) return true;
  }
  return false;
}

XmlOutline read_xml(std::string_view text) { return Reader(text).read(); }

}  // namespace pollmark::support
