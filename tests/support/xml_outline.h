// A strict reader of well-formed markup: every tag closed in order, every attribute quoted and
// unique, every '&' a known reference, no bare '<'. Stricter than a browser, on purpose.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pollmark::support {

struct XmlElement {
  std::string tag;
  std::map<std::string, std::string> attributes;  // references resolved
  std::string text;                               // of this element and all below, resolved
  int parent = -1;                                // index of its parent; -1 for the root
};

struct XmlOutline {
  std::vector<XmlElement> elements;  // in document order
  std::string mistake;               // empty: well-formed

  [[nodiscard]] std::vector<const XmlElement*> with_tag(std::string_view tag) const;
  [[nodiscard]] std::vector<const XmlElement*> with_attribute(std::string_view name) const;
  // Whether `element` lies below `above`.
  [[nodiscard]] bool is_below(const XmlElement& element, const XmlElement& above) const;
};

// "<!DOCTYPE ...>" may stand first. <style> and <script> hold no '<' either.
[[nodiscard]] XmlOutline read_xml(std::string_view text);

}  // namespace pollmark::support
