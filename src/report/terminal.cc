#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "base/units.h"
#include "report/cell_table.h"
#include "report/findings.h"
#include "report/readable.h"
#include "report/report.h"
#include "report/rfc2544_sections.h"
#include "report/search_table.h"
#include "report/view.h"

namespace pollmark {

namespace {

constexpr std::size_t kNarrowest = 60;
constexpr std::size_t kLabelsNamed = 3;
constexpr std::size_t kExploratoryNamed = 6;

std::string padded(std::string_view text, std::size_t width, bool right) {
  const std::size_t columns = columns_of(text);
  const std::string space(width > columns ? width - columns : 0, ' ');
  return right ? space + std::string(text) : std::string(text) + space;
}

void trim_end(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

// A heading in at most two lines: the last word under the others.
std::pair<std::string, std::string> in_two(const std::string& heading) {
  const std::size_t space = heading.rfind(' ');
  if (space == std::string::npos) return {"", heading};
  return {heading.substr(0, space), heading.substr(space + 1)};
}

struct Widths {
  std::vector<std::size_t> of;
  std::size_t total = 0;
};

Widths widths_of(const CellTable& table, std::size_t from, std::string_view gap) {
  Widths widths;
  for (std::size_t c = from; c < table.columns.size(); ++c) {
    const auto [upper, lower] = in_two(table.columns[c].heading);
    std::size_t width = std::max(columns_of(upper), columns_of(lower));
    for (const TableRow& row : table.rows) width = std::max(width, columns_of(row.fields[c]));
    widths.of.push_back(width);
    widths.total += width + (c == from ? 0 : gap.size());
  }
  return widths;
}

std::string table_line(const CellTable& table, const Widths& widths, std::size_t from,
                       std::string_view gap, const std::function<std::string(std::size_t)>& field) {
  std::string line;
  for (std::size_t c = from; c < table.columns.size(); ++c) {
    if (c > from) line += gap;
    line += padded(field(c), widths.of[c - from], table.columns[c].numeric);
  }
  return line;
}

std::string table_head(const CellTable& table, const Widths& widths, std::size_t from,
                       std::string_view gap, std::string_view indent) {
  std::string upper =
      std::string(indent) + table_line(table, widths, from, gap, [&](std::size_t c) {
        return in_two(table.columns[c].heading).first;
      });
  std::string lower =
      std::string(indent) + table_line(table, widths, from, gap, [&](std::size_t c) {
        return in_two(table.columns[c].heading).second;
      });
  std::string rule(indent);
  for (std::size_t c = from; c < table.columns.size(); ++c) {
    if (c > from) rule += gap;
    rule += std::string(widths.of[c - from], '-');
  }
  trim_end(upper);
  trim_end(lower);
  return upper + '\n' + lower + '\n' + rule + '\n';
}

// The cells' rows from column `from` on, under a line with the levels of the factors before it
// wherever one of those changes.
std::string rows_text(const CellTable& table, const Widths& widths, std::size_t from,
                      std::string_view gap, std::size_t width) {
  std::string out;
  std::string last;
  for (const TableRow& row : table.rows) {
    std::vector<std::string> above;
    for (std::size_t c = 0; c < from; ++c) {
      if (row.fields[c].empty()) continue;
      above.push_back(fmt::format("{}={}", table.columns[c].heading, row.fields[c]));
    }
    const std::string heading = join(above, " ");
    if (heading != last) out += wrapped(heading, width, "  ", "    ");
    last = heading;
    std::string line = "  ";
    line += table_line(table, widths, from, gap, [&](std::size_t c) { return row.fields[c]; });
    trim_end(line);
    out += line + '\n';
  }
  return out;
}

// "0.37 .. 0.46 %" as "0.37..0.46 %".
CellTable tightened(CellTable table) {
  for (TableRow& row : table.rows) {
    for (std::string& field : row.fields) {
      const std::size_t dots = field.find(" .. ");
      if (dots != std::string::npos) field.replace(dots, 4, "..");
    }
  }
  return table;
}

// A table with a column for every factor; where that is too wide, the factors that change least
// often move into lines of their own, as few as needed; else every number with its name.
std::string table_text(const CellTable& table, std::size_t width) {
  std::size_t factors = 0;
  while (factors < table.columns.size() && table.columns[factors].factor) ++factors;
  const CellTable tight = tightened(table);
  for (std::size_t from = 0; from <= factors; ++from) {
    for (const std::string_view gap : {"  ", " "}) {
      const CellTable& used = gap.size() == 1 ? tight : table;
      const Widths widths = widths_of(used, from, gap);
      if (widths.total + 2 > width) continue;
      return table_head(used, widths, from, gap, "  ") + rows_text(used, widths, from, gap, width);
    }
  }
  std::string out;
  for (const TableRow& row : table.rows) {
    out += wrapped(row.cell->label, width, "  ", "    ");
    std::string line = "   ";
    for (std::size_t c = factors; c < table.columns.size(); ++c) {
      if (row.fields[c].empty()) continue;
      const std::string part = fmt::format(" {}: {};", table.columns[c].heading, row.fields[c]);
      if (line.size() > 3 && columns_of(line) + columns_of(part) > width) {
        out += line + '\n';
        line = "   ";
      }
      line += part;
    }
    if (line.back() == ';') line.pop_back();
    out += line + '\n';
  }
  return out;
}

// One line of books: sign, name, number, remark.
struct BookLine {
  std::string sign, name, count, remark;
};

std::string book_lines_text(const ShownGroup& group, const ShownBooks& books,
                            const std::vector<BookLine>& lines) {
  std::size_t names = 0;
  std::size_t counts = 0;
  for (const BookLine& line : lines) {
    names = std::max(names, columns_of(line.name));
    counts = std::max(counts, columns_of(line.count));
  }
  std::string out = fmt::format("  {} / {}: {}, {}\n", group.name, name_of(books.path),
                                plural(books.cells, "cell"), plural(books.trials, "valid trial"));
  for (const BookLine& line : lines) {
    std::string text = fmt::format("    {} {}  {}  {}", line.sign, padded(line.name, names, false),
                                   padded(line.count, counts, true), line.remark);
    trim_end(text);
    out += text + '\n';
  }
  return out;
}

std::string closed_loop_text(const ShownGroup& group, const ShownBooks& books) {
  const ClosedLoopAccount& loop = *books.closed_loop;
  std::vector<BookLine> lines{
      {" ", fmt::format("sent {}", name_of(loop.unit)), grouped(loop.sent), ""}};
  for (const auto& [reason, count] : loop.failures)
    lines.push_back({"-", readable(reason), grouped(count), share_text(count, loop.sent)});
  lines.push_back({"-", "unaccounted", grouped(loop.unaccounted()),
                   loop.unaccounted() == 0 ? "" : "the books do not close"});
  lines.push_back({"=", "received", grouped(loop.received), share_text(loop.received, loop.sent)});
  if (loop.late > 0) lines.push_back({" ", "late", grouped(loop.late), "outside the sum"});
  return book_lines_text(group, books, lines);
}

// Below the books; empty where nothing was told.
std::string drops_text(const std::vector<DroppedAt>& drops) {
  if (drops.empty()) return {};
  std::string text = "    where they died, in the kernel's words (warm-up included):\n";
  for (const DroppedAt& place : drops) {
    text += fmt::format("      {}: {} in {}, {}: {} packets\n", fate_name(*place.fate),
                        readable(place.reason), readable(place.function),
                        place.netdev.empty() ? place.side : readable(place.netdev),
                        grouped(place.pkts));
    if (!place.cause.empty()) text += fmt::format("        {}\n", readable(place.cause));
  }
  return text;
}

std::string books_text(const ShownGroup& group, const ShownBooks& books) {
  const Ledger& ledger = books.ledger;
  std::vector<BookLine> lines;
  const std::int64_t offered = ledger.offered_pkts();
  lines.push_back({" ", "offered_pkts", grouped(offered), ""});
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss || !ledger.pkts(fate)) continue;
    const std::int64_t pkts = *ledger.pkts(fate);
    lines.push_back({"-", fmt::format("{}_pkts", fate_name(fate)), grouped(pkts),
                     pkts == 0 ? "" : share_text(pkts, offered)});
  }
  lines.push_back({"-", "unaccounted_pkts", grouped(ledger.unaccounted_pkts()),
                   ledger.unaccounted_pkts() == 0 ? "" : "the books do not close"});
  const std::optional<std::int64_t> received = ledger.pkts(Fate::received);
  lines.push_back({"=", "received_pkts", received ? grouped(*received) : std::string(kNotMeasured),
                   received ? share_text(*received, offered) : ""});
  for (const Fate fate : all_fates()) {
    const FateKind kind = fate_kind(fate);
    if ((kind != FateKind::extra && kind != FateKind::sender) || !ledger.pkts(fate)) continue;
    if (*ledger.pkts(fate) == 0) continue;
    lines.push_back({" ", fmt::format("{}_pkts", fate_name(fate)), grouped(*ledger.pkts(fate)),
                     kind == FateKind::sender ? "not offered" : "outside the sum"});
  }
  return book_lines_text(group, books, lines) + drops_text(books.drops);
}

// "6 cells (a; b; c; and 3 more)"
std::string cells_named(const std::vector<std::string>& labels) {
  std::string names;
  for (std::size_t i = 0; i < std::min(labels.size(), kLabelsNamed); ++i) {
    if (i > 0) names += "; ";
    names += labels[i];
  }
  if (labels.size() > kLabelsNamed) {
    names += fmt::format("; and {} more", labels.size() - kLabelsNamed);
  }
  return fmt::format("{} {} ({})", labels.size(), labels.size() == 1 ? "cell" : "cells", names);
}

// "rx_ring=64, ndr: throughput 9.98 Mpps; bad from 10.0 Mpps; ..."
std::string row_text(const TextTable& table, const std::vector<std::string>& row) {
  std::vector<std::string> parts;
  for (std::size_t c = 2; c < row.size(); ++c) {
    parts.push_back(fmt::format("{} {}", table.headings[c], row[c]));
  }
  return fmt::format("{}, {}: {}", row[0], row[1], join(parts, "; "));
}

// Aligned where it fits, else a line of text for each row.
std::string text_table_text(const TextTable& text, std::size_t width) {
  CellTable table;
  for (std::size_t c = 0; c < text.headings.size(); ++c)
    table.columns.push_back({text.headings[c], c > 0, false, ""});
  for (const auto& row : text.rows) table.rows.push_back({nullptr, row});
  for (const std::string_view gap : {"  ", " "}) {
    const Widths widths = widths_of(table, 0, gap);
    if (widths.total + 2 > width) continue;
    return table_head(table, widths, 0, gap, "  ") + rows_text(table, widths, 0, gap, width);
  }
  std::string out;
  for (const auto& row : text.rows) out += wrapped(row_text(text, row), width, "  ", "    ");
  return out;
}

std::string rfc2544_text(const Rfc2544Summary& summary, std::size_t width) {
  std::string out = fmt::format("\n{}\n", rfc2544_heading(summary));
  for (const std::string& note : rfc2544_notes(summary)) out += wrapped(note, width, "  ", "    ");
  for (const Rfc2544Section& section : rfc2544_sections(summary)) {
    out += fmt::format("\n{}\n", section.title);
    if (!section.note.empty() && !section.table.rows.empty())
      out += wrapped(fmt::format("({})", section.note), width, "  ", "   ");
    if (!section.table.rows.empty()) out += text_table_text(section.table, width);
    for (const std::string& sentence : section.sentences)
      out += wrapped(sentence, width, "  ", "    ");
  }
  return out;
}

void add_without_numbers(const View& view, CellState state, std::string_view heading,
                         std::size_t width, std::string& out) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_reason;
  for (const ShownGroup& group : view.groups) {
    for (const ShownCell& cell : group.cells) {
      if (cell.state != state) continue;
      std::string reason = cell.summary->not_measured.value_or("no reason was recorded");
      reason = fmt::format("{}: {}{}", group.name,
                           state == CellState::not_run ? "not measured: " : "", reason);
      auto known = std::find_if(by_reason.begin(), by_reason.end(),
                                [&](const auto& entry) { return entry.first == reason; });
      if (known == by_reason.end()) known = by_reason.insert(by_reason.end(), {reason, {}});
      known->second.push_back(cell.label);
    }
  }
  if (by_reason.empty()) return;
  out += fmt::format("{}\n", heading);
  for (const auto& [reason, labels] : by_reason) {
    out += wrapped(fmt::format("{}: {}", reason, cells_named(labels)), width, "  ", "    ");
  }
}

}  // namespace

std::string render_text(const ReportInput& input, int width_columns) {
  const std::size_t width = width_columns < 0
                                ? kNarrowest
                                : std::max(kNarrowest, static_cast<std::size_t>(width_columns));
  const View view = view_of(input);
  const Summary& summary = input.summary;
  std::string out;
  out += wrapped(summary.question.empty() ? summary.name : summary.question, width, "", "");
  out += wrapped(
      summary.answer.empty() ? std::string("No answer: nothing was measured.") : summary.answer,
      width, "-> ", "   ");
  if (summary.target) out += wrapped("Target " + summary.target->sentence, width, "-> ", "   ");
  if (summary.quick) {
    out += wrapped("A quick run: few blocks, a ranking without verdicts.", width, "   ", "   ");
  }
  for (const auto* warnings : {&input.provenance.warnings, &summary.warnings}) {
    for (const std::string& warning : *warnings) out += wrapped(warning, width, "!  ", "   ");
  }

  for (const ShownGroup& group : view.groups) {
    int trials = 0;
    int valid = 0;
    int not_run = 0;
    for (const ShownCell& cell : group.cells) {
      trials += cell.summary->trials;
      valid += cell.summary->valid;
      not_run += cell.state == CellState::not_run ? 1 : 0;
    }
    std::string head =
        fmt::format("{}: {}{}, {} of {} trials valid", group.name,
                    plural(static_cast<std::int64_t>(group.cells.size()), "cell"),
                    not_run == 0 ? "" : fmt::format(" ({} not run)", not_run), valid, trials);
    if (group.model) head += " (model, not a NIC)";
    out += '\n' + wrapped(head, width, "", "  ");
    if (!group.fixed.empty()) {
      std::vector<std::string> parts;
      for (const auto& [factor, level] : group.fixed) {
        parts.push_back(fmt::format("{}={}", factor, level));
      }
      out += wrapped(fmt::format("in every cell: {}", join(parts, " ")), width, "  ", "    ");
    }
    CellTable table = cell_table(view, group);
    // Their reasons stand below; here they would be rows without a number.
    table.rows.erase(
        std::remove_if(table.rows.begin(), table.rows.end(),
                       [](const TableRow& row) { return row.cell->state == CellState::not_run; }),
        table.rows.end());
    if (!table.rows.empty()) out += table_text(table, width);
    if (!table.absent.empty()) {
      out += wrapped(fmt::format("{} in any cell: {}", kNotMeasured, join(table.absent, ", ")),
                     width, "  ", "    ");
    }
  }

  bool first_search = true;
  for (const ShownGroup& group : view.groups) {
    const TextTable throughput = throughput_table(group);
    if (throughput.rows.empty()) continue;
    if (first_search) out += "\nThroughput by search (RFC 9971)\n";
    first_search = false;
    for (const std::string& sentence : goal_sentences(group)) {
      out += wrapped(fmt::format("{}: {}", group.name, sentence), width, "  ", "    ");
    }
    for (const TextTable& table : {throughput, latency_table(group)}) {
      for (const auto& row : table.rows) out += wrapped(row_text(table, row), width, "  ", "    ");
    }
  }

  if (summary.rfc2544) out += rfc2544_text(*summary.rfc2544, width);

  bool first_effect = true;
  for (const FactorEffect& effect : summary.effects) {
    if (first_effect) out += "\nWhat each factor did\n";
    first_effect = false;
    out += wrapped(fmt::format("{}: {}", effect.group, effect.sentence), width, "  ", "    ");
  }

  for (const FindingList& list : findings_of(summary)) {
    out += fmt::format("\n{}\n", list.title);
    out += wrapped(fmt::format("({})", list.note), width, "  ", "   ");
    // What was declared stands whole; what was only looked at is long, and whole in the page.
    const std::size_t shown =
        list.exploratory ? std::min(list.findings.size(), kExploratoryNamed) : list.findings.size();
    for (std::size_t i = 0; i < shown; ++i) {
      const ShownFinding& finding = list.findings[i];
      out += wrapped(fmt::format("{}: {}", finding.group, finding.sentence), width, "  ", "    ");
    }
    if (shown < list.findings.size()) {
      out += fmt::format("  and {} more in report.html\n", list.findings.size() - shown);
    }
  }

  std::string ledgers;
  std::string loops;
  for (const ShownGroup& group : view.groups) {
    for (const ShownBooks& books : group.books) {
      if (books.closed_loop) {
        loops += closed_loop_text(group, books);
      } else {
        ledgers += books_text(group, books);
      }
    }
  }
  if (!ledgers.empty()) out += "\nLedger, in packets\n" + ledgers;
  if (!loops.empty()) out += "\nClosed loops, in their own unit\n" + loops;

  std::string rest;
  add_without_numbers(view, CellState::not_run, "Refused or not run", width, rest);
  add_without_numbers(view, CellState::no_valid_trial, "No valid trial", width, rest);
  if (!view.invalid_reasons.empty()) {
    std::vector<std::string> parts;
    for (const auto& [code, times] : view.invalid_reasons) {
      parts.push_back(fmt::format("{} x{}", code, times));
    }
    rest += "Invalid trials (kept, not used)\n";
    rest += wrapped(fmt::format("{} of {}: {}", summary.trials - summary.valid, summary.trials,
                                join(parts, ", ")),
                    width, "  ", "    ");
  }
  if (!view.not_exercised.empty()) {
    rest += "Not exercised: no evidence that the setting acted\n";
    for (const UnexercisedLevel& level : view.not_exercised) {
      rest += wrapped(fmt::format("{}: {}={} ({}, effective {}): {}{}{}", level.group, level.factor,
                                  level.requested, name_of(level.state),
                                  level.effective.empty() ? "unknown" : level.effective,
                                  plural(level.cells, "cell"), level.evidence.empty() ? "" : ": ",
                                  level.evidence),
                      width, "  ", "    ");
    }
  }
  if (!view.captures.empty()) {
    rest += "Captures, whose cost is in the CPU figures: capture/\n";
    for (const ShownCapture& capture : view.captures)
      rest += wrapped(capture_text(capture), width, "  ", "    ");
  }
  if (!view.not_checked.empty()) {
    rest += "Not checked\n";
    for (const UncheckedFact& fact : view.not_checked) {
      rest += wrapped(fmt::format("{}: {} ({})", fact.group, fact.what, plural(fact.cells, "cell")),
                      width, "  ", "    ");
    }
  }
  if (!rest.empty()) out += '\n' + rest;
  if (!input.folder.empty()) {
    std::string folder = input.folder;
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    out += fmt::format("\n{}/report.html\n", folder);
    out += wrapped(fmt::format("beside it: summary.json summary.csv {}trials.jsonl hist/ "
                               "experiment.toml",
                               summary.rfc2544 ? "rfc2544.csv " : ""),
                   width, "  ", "    ");
  }
  return readable(out);
}

}  // namespace pollmark
