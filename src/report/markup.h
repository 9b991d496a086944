// Writes HTML and SVG that is also well-formed XML: every tag it opens it closes, every text and
// attribute is escaped. Names and values from outside (host names, labels, an experiment file) pass
// through here and nowhere else.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pollmark {

// readable() text with & < > " ' as references.
[[nodiscard]] std::string escaped(std::string_view text);

class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  // An attribute with an empty name is left out.
  Markup& open(std::string_view tag, Attributes attributes = {});
  Markup& close();                         // the innermost open tag
  Markup& text(std::string_view content);  // escaped
  Markup& leaf(std::string_view tag, Attributes attributes, std::string_view content);
  Markup& leaf(std::string_view tag, std::string_view content) { return leaf(tag, {}, content); }
  // A tag without content: <path ... />.
  Markup& mark(std::string_view tag, Attributes attributes = {});
  // Our own text that must not be escaped: the style sheet, the doctype.
  Markup& verbatim(std::string_view content);
  Markup& newline();

  [[nodiscard]] std::size_t depth() const { return open_tags_.size(); }
  // The whole text. Every tag must be closed.
  [[nodiscard]] std::string take();

 private:
  void start(std::string_view tag, Attributes attributes);
  std::string out_;
  std::vector<std::string> open_tags_;
};

}  // namespace pollmark
