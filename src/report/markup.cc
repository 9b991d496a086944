#include "report/markup.h"

#include "base/error.h"
#include "report/readable.h"

namespace pollmark {

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : readable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void Markup::start(std::string_view tag, Attributes attributes) {
  out_ += '<';
  out_ += tag;
  for (const auto& [name, value] : attributes) {
    if (name.empty()) continue;
    out_ += ' ';
    out_ += name;
    out_ += "=\"";
    out_ += escaped(value);
    out_ += '"';
  }
}

Markup& Markup::open(std::string_view tag, Attributes attributes) {
  start(tag, attributes);
  out_ += '>';
  open_tags_.emplace_back(tag);
  return *this;
}

Markup& Markup::close() {
  PM_CHECK(!open_tags_.empty());
  out_ += "</";
  out_ += open_tags_.back();
  out_ += '>';
  open_tags_.pop_back();
  return *this;
}

Markup& Markup::text(std::string_view content) {
  out_ += escaped(content);
  return *this;
}

Markup& Markup::leaf(std::string_view tag, Attributes attributes, std::string_view content) {
  open(tag, attributes);
  text(content);
  return close();
}

Markup& Markup::mark(std::string_view tag, Attributes attributes) {
  start(tag, attributes);
  out_ += "/>";
  return *this;
}

Markup& Markup::verbatim(std::string_view content) {
  out_ += content;
  return *this;
}

Markup& Markup::newline() {
  out_ += '\n';
  return *this;
}

std::string Markup::take() {
  PM_CHECK(open_tags_.empty());
  return std::move(out_);
}

}  // namespace pollmark
