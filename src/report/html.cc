#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "base/units.h"
#include "report/cell_table.h"
#include "report/chart.h"
#include "report/findings.h"
#include "report/markup.h"
#include "report/page_style.h"
#include "report/readable.h"
#include "report/report.h"
#include "report/rfc2544_sections.h"
#include "report/search_table.h"
#include "report/view.h"

namespace pollmark {

namespace {

constexpr std::string_view kModelBadge = "model, not a NIC";

// grouped() with spaces that no line ends at.
std::string unbroken(std::int64_t value) {
  std::string out;
  for (const char c : grouped(value)) {
    if (c == ' ') {
      out += "\u00a0";
    } else {
      out += c;
    }
  }
  return out;
}

// A box that scrolls sideways by itself, so that the page never does.
void open_scroll(Markup& out, const std::string& label) {
  out.open("div",
           {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", label}});
}

struct NumberTable {
  std::vector<std::string> headings;
  std::vector<bool> numeric;
  std::vector<std::vector<std::string>> rows;
};

void write_table(Markup& out, const NumberTable& table, const std::string& label) {
  open_scroll(out, label);
  out.open("table").open("thead").open("tr");
  for (std::size_t c = 0; c < table.headings.size(); ++c) {
    out.leaf("th", {{"scope", "col"}, {table.numeric[c] ? "class" : "", "n"}}, table.headings[c]);
  }
  out.close().close().open("tbody").newline();
  for (const auto& row : table.rows) {
    out.open("tr");
    for (std::size_t c = 0; c < row.size(); ++c) {
      out.leaf("td", {{table.numeric[c] ? "class" : "", "n"}}, row[c]);
    }
    out.close().newline();
  }
  out.close().close().close().newline();
}

void write_details(Markup& out, const std::string& summary, const NumberTable& table) {
  out.open("details").leaf("summary", summary);
  write_table(out, table, summary);
  out.close().newline();
}

void write_list(Markup& out, const std::vector<std::string>& items) {
  out.open("ul", {{"class", "plain"}});
  for (const std::string& item : items) out.leaf("li", item);
  out.close().newline();
}

class Page {
 public:
  explicit Page(const ReportInput& input)
      : input_(input), summary_(input.summary), view_(view_of(input)) {}

  std::string render() {
    out_.verbatim("<!DOCTYPE html>\n");
    out_.open("html", {{"lang", "en"}});
    write_head();
    out_.open("body").open("main").newline();
    write_opening();
    write_setup();
    write_cells();
    write_searches();
    write_rfc2544();
    write_ledger();
    write_rings();
    write_heat();
    write_curves();
    write_effects();
    write_findings();
    write_kernel();
    write_exceptions();
    write_provenance();
    write_reproduction();
    write_method();
    out_.close().newline();
    out_.open("script").verbatim(page_script()).close();
    out_.close().close().newline();
    return out_.take();
  }

 private:
  void write_head() {
    out_.open("head").mark("meta", {{"charset", "utf-8"}}).newline();
    out_.mark("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
    // Nothing is fetched, and the browser holds us to it.
    out_.mark(
        "meta",
        {{"http-equiv", "Content-Security-Policy"},
         {"content", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"}});
    out_.mark("meta", {{"name", "color-scheme"}, {"content", "light dark"}}).newline();
    out_.leaf("title", fmt::format("{} - pollmark", summary_.name)).newline();
    out_.open("style").verbatim(page_style()).close();
    out_.close().newline();
  }

  // The group's heading, where there is more than one group to tell apart.
  void write_group_heading(const ShownGroup& group) {
    if (view_.groups.size() == 1) return;
    out_.open("h3").text(group.name);
    if (group.model) out_.leaf("span", {{"class", "badge model small"}}, kModelBadge);
    out_.close().newline();
  }

  void write_opening() {
    out_.open("div", {{"class", "brand"}}).leaf("b", "pollmark").leaf("span", summary_.name);
    if (!input_.provenance.started_utc.empty()) {
      out_.leaf("span", input_.provenance.started_utc);
    }
    out_.close().newline();
    out_.leaf("h1", summary_.question.empty() ? summary_.name : summary_.question).newline();
    write_answer();
    if (view_.any_model) {
      std::vector<std::string> names;
      for (const ShownGroup& group : view_.groups) {
        if (group.model) names.push_back(group.name);
      }
      out_.leaf("span", {{"class", "badge model"}},
                view_.all_model ? std::string(kModelBadge)
                                : fmt::format("group {}: {}", join(names, ", "), kModelBadge));
    }
    if (summary_.quick) {
      out_.leaf("span", {{"class", "badge quick"}}, "quick run: a ranking without verdicts");
    }
    out_.newline();
    write_warnings();
    out_.open("dl", {{"class", "facts"}});
    const auto fact = [&](const std::string& name, const std::string& value,
                          const std::string& classes) {
      out_.open("div")
          .leaf("dt", name)
          .leaf("dd", {{classes.empty() ? "" : "class", classes}}, value);
      out_.close();
    };
    fact("valid trials", fmt::format("{} of {}", summary_.valid, summary_.trials), "");
    const bool counted = view_.cells_measured > 0;
    fact("frames offered", counted ? grouped(view_.offered_pkts) : std::string(kNotMeasured), "");
    fact("unaccounted_pkts", counted ? grouped(view_.unaccounted_pkts) : std::string(kNotMeasured),
         !counted ? "" : (view_.unaccounted_pkts == 0 ? "good" : "bad"));
    out_.open("div").leaf("dt", "cells measured").open("dd");
    out_.text(fmt::format("{} of {}", view_.cells_measured, summary_.cells.size()));
    std::vector<std::string> others;
    if (view_.cells_not_run > 0) others.push_back(fmt::format("{} not run", view_.cells_not_run));
    if (view_.cells_no_valid_trial > 0) {
      others.push_back(fmt::format("{} without a valid trial", view_.cells_no_valid_trial));
    }
    if (!others.empty()) out_.text(" ").leaf("small", join(others, ", "));
    out_.close().close().close().newline();
  }

  // The first clause large, what follows it smaller: one sentence still.
  void write_answer() {
    const std::string answer =
        summary_.answer.empty() ? std::string("No answer: nothing was measured.") : summary_.answer;
    constexpr std::size_t kShort = 150;
    const std::size_t end = columns_of(answer) <= kShort ? std::string::npos : answer.find("; ");
    const std::string first = end == std::string::npos ? answer : answer.substr(0, end + 1);
    out_.open("p", {{"class", columns_of(first) <= kShort ? "answer" : "answer long"}}).text(first);
    if (end != std::string::npos) {
      out_.text(" ").leaf("span", {{"class", "more"}}, answer.substr(end + 2));
    }
    out_.close().newline();
    if (summary_.target) {
      out_.leaf("p", {{"class", "answer long"}}, "Target " + summary_.target->sentence).newline();
    }
  }

  void write_setup() {
    const bool any = std::any_of(view_.groups.begin(), view_.groups.end(),
                                 [](const ShownGroup& group) { return !group.setup.empty(); });
    if (!any) return;
    out_.leaf("h2", "Set-up").newline();
    for (const ShownGroup& group : view_.groups) {
      if (group.setup.empty()) continue;
      write_group_heading(group);
      draw_setup(out_, group, SetupShape::wide);
      draw_setup(out_, group, SetupShape::narrow);
      NumberTable table{{"station", "every value that occurs"}, {false, false}, {}};
      for (const Station& station : group.setup) {
        table.rows.push_back({station.name, join(station.facts, "; ")});
      }
      write_details(out_, "The set-up as a table", table);
    }
  }

  void write_cells() {
    out_.leaf("h2", "Cells").newline();
    out_.leaf(
        "p", {{"class", "note"}},
        "Each number is the median of the cell's valid trials; the interval covers that median "
        "with at least 95 % confidence and needs six values.");
    for (const ShownGroup& group : view_.groups) {
      write_group_heading(group);
      if (!group.fixed.empty()) {
        std::vector<std::string> parts;
        for (const auto& [factor, level] : group.fixed) {
          parts.push_back(fmt::format("{} = {}", factor, level));
        }
        out_.leaf("p", {{"class", "note"}}, fmt::format("In every cell: {}", join(parts, ", ")))
            .newline();
      }
      const CellTable table = cell_table(view_, group);
      open_scroll(out_, fmt::format("Cells of group {}", group.name));
      out_.open("table", {{"class", "cells"}}).open("thead").open("tr");
      std::size_t leading = 0;  // factors but the last
      while (leading + 1 < table.columns.size() && table.columns[leading + 1].factor) ++leading;
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const std::string classes =
            fmt::format("{}{}", table.columns[c].numeric ? "n" : "", c < leading ? " lead" : "");
        out_.leaf("th", {{"scope", "col"}, {classes.empty() ? "" : "class", classes}},
                  table.columns[c].heading);
      }
      out_.close().close().open("tbody").newline();
      std::string last;
      for (const TableRow& row : table.rows) {
        // On a phone the leading factors stand in a row above the cells that share them.
        std::vector<std::string> above;
        for (std::size_t c = 0; c < leading; ++c) {
          if (row.fields[c].empty()) continue;
          above.push_back(fmt::format("{} {}", table.columns[c].heading, row.fields[c]));
        }
        const std::string shared = join(above, ", ");
        if (!shared.empty() && shared != last) {
          out_.open("tr", {{"class", "shared"}});
          out_.leaf("th", {{"colspan", fmt::format("{}", table.columns.size() - leading)}}, shared);
          out_.close().newline();
        }
        last = shared;
        write_cell(table, row, leading);
      }
      out_.close().close().close().newline();
      if (!table.absent.empty()) {
        out_.leaf("p", {{"class", "note"}},
                  fmt::format("{} in any cell of this group: {}", kNotMeasured,
                              join(table.absent, ", ")));
      }
    }
  }

  void write_text_table(const TextTable& text, const std::string& label) {
    if (text.rows.empty()) return;
    NumberTable table;
    table.headings = text.headings;
    table.rows = text.rows;
    table.numeric.assign(text.headings.size(), true);
    table.numeric[0] = table.numeric[1] = false;
    write_table(out_, table, label);
  }

  void write_searches() {
    bool first = true;
    for (const ShownGroup& group : view_.groups) {
      const TextTable throughput = throughput_table(group);
      if (throughput.rows.empty()) continue;
      if (first) {
        out_.leaf("h2", "Throughput by search").newline();
        out_.leaf(
            "p", {{"class", "note"}},
            "MLRsearch (RFC 9971), one search in each cell and block; a number is the median "
            "of the regular ones. The limit of the true loss is the one-sided 95 % "
            "Clopper-Pearson limit over the frames at the lower bound, were losses independent "
            "of each other.");
      }
      first = false;
      write_group_heading(group);
      write_list(out_, goal_sentences(group));
      write_text_table(throughput, fmt::format("Throughput of group {}", group.name));
      write_text_table(latency_table(group),
                       fmt::format("Latency at shares of the PDR, group {}", group.name));
    }
  }

  void write_rfc2544() {
    if (!summary_.rfc2544) return;
    const Rfc2544Summary& tests = *summary_.rfc2544;
    out_.leaf("h2", rfc2544_heading(tests)).newline();
    for (const std::string& note : rfc2544_notes(tests))
      out_.leaf("p", {{"class", "note"}}, note).newline();
    for (const Rfc2544Section& section : rfc2544_sections(tests)) {
      out_.leaf("h3", section.title).newline();
      if (!section.note.empty()) out_.leaf("p", {{"class", "note"}}, section.note).newline();
      write_text_table(section.table, section.title);
      if (!section.sentences.empty()) write_list(out_, section.sentences);
      for (const LineChart& chart : section.charts) {
        const Legend legend = legend_of(chart);
        draw_legend(out_, legend);
        out_.open("div", {{"class", "panels"}}).open("div", {{"class", "panel"}});
        out_.leaf("h4", chart.title);
        draw_lines(out_, chart, legend);
        out_.close().close().newline();
      }
    }
  }

  void write_cell(const CellTable& table, const TableRow& row, std::size_t leading) {
    const CellSummary& cell = *row.cell->summary;
    const bool measured = row.cell->state == CellState::measured;
    out_.open("tr", {{measured ? "" : "class", "none"},
                     {"data-cell", fmt::format("{}", row.cell->index)}});
    bool state_said = false;
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const TableColumn& column = table.columns[c];
      std::string classes =
          fmt::format("{}{}", column.numeric ? "n" : "", c < leading ? " lead" : "");
      std::string why;
      if (column.metric == "loss_ratio" && column.heading == metric_title("loss_ratio") &&
          measured) {
        const auto estimate = estimate_of(cell, "loss_ratio");
        if (estimate) {
          classes += fmt::format(" {}", heat_class(estimate->median));
          why = fmt::format("{} of {} frames lost over the valid trials",
                            grouped(cell.ledger.lost_pkts()), grouped(cell.ledger.offered_pkts()));
        }
      } else if (!column.metric.empty() && !measured && !state_said) {
        classes += " state";
        why = cell.not_measured.value_or("");
        state_said = true;
      } else if (column.heading == "limited by") {
        why = cell.limited_why;
      }
      out_.leaf(column.factor ? "th" : "td",
                {{column.factor ? "scope" : "", "row"},
                 {classes.empty() ? "" : "class", classes},
                 {why.empty() ? "" : "title", why}},
                row.fields[c]);
    }
    out_.close().newline();
  }

  void write_ledger() {
    const bool any = std::any_of(view_.groups.begin(), view_.groups.end(),
                                 [](const ShownGroup& group) { return !group.books.empty(); });
    out_.leaf("h2", "Where every packet went").newline();
    if (!any) {
      out_.leaf("p", fmt::format("{}: no cell has a valid trial.", kNotMeasured)).newline();
      return;
    }
    out_.leaf("p", {{"class", "note"}},
              "Sums over the valid trials of all cells on a path. A fate that nobody counted is "
              "left out; "
              "what it would hide stays in unaccounted_pkts.");
    out_.open("div", {{"class", "panels"}}).newline();
    for (const ShownGroup& group : view_.groups) {
      for (const ShownBooks& books : group.books) {
        if (books.closed_loop) {
          write_closed_loop(group, books);
        } else {
          write_books(group, books);
        }
      }
    }
    out_.close().newline();
  }

  static std::string title_of(const ShownGroup& group, const ShownBooks& books) {
    return fmt::format("{} / {}: {}, {}", group.name, name_of(books.path),
                       plural(books.cells, "cell"), plural(books.trials, "valid trial"));
  }

  void write_balance(bool closes) {
    if (closes) {
      out_.text(". ").leaf("b", {{"class", "good"}}, "The books close.");
    } else {
      out_.text(". ").leaf("b", {{"class", "bad"}}, "The books do not close.");
    }
  }

  // Of a closed loop, in its own unit.
  void write_closed_loop(const ShownGroup& group, const ShownBooks& books) {
    const ClosedLoopAccount& loop = *books.closed_loop;
    const std::string title = title_of(group, books);
    const std::string unit(name_of(loop.unit));
    out_.open("figure", {{"class", "panel"}, {"style", "margin:0"}}).leaf("h4", title);
    std::string equation =
        fmt::format("{} {} sent = {} received", unbroken(loop.sent), unit, unbroken(loop.received));
    NumberTable table{{"end", unit, "of sent"}, {false, true, true}, {}};
    table.rows.push_back({"sent", grouped(loop.sent), "100 %"});
    table.rows.push_back(
        {"received", grouped(loop.received), share_text(loop.received, loop.sent)});
    for (const auto& [reason, count] : loop.failures) {
      equation += fmt::format(" + {} {}", unbroken(count), reason);
      table.rows.push_back({reason, grouped(count), share_text(count, loop.sent)});
    }
    table.rows.push_back(
        {"unaccounted", grouped(loop.unaccounted()), share_text(loop.unaccounted(), loop.sent)});
    if (loop.late > 0) table.rows.push_back({"late, outside the sum", grouped(loop.late), ""});
    equation += fmt::format(" + {} unaccounted", unbroken(loop.unaccounted()));
    out_.open("p", {{"class", "equation"}}).text(equation);
    write_balance(loop.unaccounted() == 0);
    out_.close();
    write_table(out_, table, fmt::format("Ends of {}", title));
    out_.close().newline();
  }

  void write_drops(const ShownBooks& books, const std::string& title) {
    if (books.drops.empty()) return;
    out_.leaf("p", {{"class", "note"}},
              "Where they died, in the kernel's own words, warm-up included:");
    NumberTable table{{"fate", "reason", "in", "device", "pkts", "meaning"},
                      {false, false, false, false, true, false},
                      {}};
    for (const DroppedAt& place : books.drops) {
      table.rows.push_back({fmt::format("{}_pkts", fate_name(*place.fate)), place.reason,
                            place.function, place.netdev.empty() ? place.side : place.netdev,
                            grouped(place.pkts), place.cause});
    }
    write_table(out_, table, fmt::format("Drop reasons of {}", title));
  }

  void write_books(const ShownGroup& group, const ShownBooks& books) {
    const Ledger& ledger = books.ledger;
    const std::string title = title_of(group, books);
    out_.open("figure", {{"class", "panel"}, {"style", "margin:0"}}).leaf("h4", title);
    draw_waterfall(out_, books, fmt::format("Ledger of {}", title));
    std::string equation = fmt::format("{} offered = ", unbroken(ledger.offered_pkts()));
    const std::optional<std::int64_t> received = ledger.pkts(Fate::received);
    equation +=
        received ? fmt::format("{} received", unbroken(*received)) : "received not measured";
    NumberTable table{{"fate", "pkts", "of offered", "cells counting it", "meaning"},
                      {false, true, true, true, false},
                      {}};
    table.rows.push_back(
        {"intended_pkts", grouped(ledger.intended_pkts()), "", "", "what was asked for"});
    table.rows.push_back({"offered_pkts", grouped(ledger.offered_pkts()), "100 %", "",
                          "accepted by the transmit side"});
    std::vector<std::string> uncounted;
    for (const Fate fate : all_fates()) {
      const std::optional<std::int64_t> pkts = ledger.pkts(fate);
      const std::string name = fmt::format("{}_pkts", fate_name(fate));
      if (!pkts) {
        uncounted.push_back(name);
        continue;
      }
      if (fate_kind(fate) == FateKind::loss && *pkts != 0) {
        equation += fmt::format(" + {} {}", unbroken(*pkts), fate_name(fate));
      }
      table.rows.push_back({name, grouped(*pkts), share_text(*pkts, ledger.offered_pkts()),
                            fmt::format("{} of {}", books.counting_cells.at(fate), books.cells),
                            std::string(fate_sentence(fate))});
    }
    table.rows.push_back({"unaccounted_pkts", grouped(ledger.unaccounted_pkts()),
                          share_text(ledger.unaccounted_pkts(), ledger.offered_pkts()), "",
                          "offered, and nobody can say where it went"});
    equation += fmt::format(" + {} unaccounted", unbroken(ledger.unaccounted_pkts()));
    out_.open("p", {{"class", "equation"}}).text(equation);
    write_balance(ledger.unaccounted_pkts() == 0);
    out_.close();
    out_.open("details").leaf("summary", "All fates, as a table");
    write_table(out_, table, fmt::format("Fates of {}", title));
    write_drops(books, title);
    if (!uncounted.empty()) {
      out_.leaf("p", {{"class", "note"}},
                fmt::format("{}: {}", kNotMeasured, join(uncounted, ", ")));
    }
    out_.close().close().newline();
  }

  // Cells of panels as rows: label, trials, the metric with its interval.
  void write_rings() {
    bool first = true;
    for (const ShownGroup& group : view_.groups) {
      if (group.ring_panels.empty()) continue;
      if (first) {
        out_.leaf("h2", "Loss against ring size").newline();
        out_.leaf("p", {{"class", "note"}},
                  "Whiskers: interval of the median. Exactly zero has its own line under the "
                  "logarithmic axis, with a hollow marker.");
        if (predicts()) {
          out_.leaf(
              "p", {{"class", "note"}},
              "Thin lines without markers: what the stall model says with the stated stalls, "
              "the measured core time and the measured shares of the queues. No measurement.");
        }
      }
      first = false;
      write_group_heading(group);
      const Legend legend = legend_of(group.ring_panels);
      draw_legend(out_, legend);
      out_.open("div", {{"class", "panels"}}).newline();
      NumberTable table{{"cell", group.ring_metric, "95 % interval", "values", "model says"},
                        {false, true, true, true, true},
                        {}};
      for (const Panel& panel : group.ring_panels) {
        out_.open("div", {{"class", "panel"}});
        if (!panel.title.empty()) out_.leaf("h4", panel.title);
        draw_rings(out_, group, panel, legend);
        out_.close().newline();
        for (const Series& series : panel.series) {
          for (const std::size_t c : series.cells) {
            const ShownCell& cell = group.cells[c];
            const auto estimate = estimate_of(*cell.summary, group.ring_metric);
            table.rows.push_back({cell.label,
                                  estimate ? metric_text(group.ring_metric, estimate->median)
                                           : std::string(kNotMeasured),
                                  estimate ? interval_text(group.ring_metric, *estimate) : "",
                                  fmt::format("{}", estimate ? estimate->values : 0),
                                  cell.summary->predicted_missed_ratio
                                      ? ratio_text(*cell.summary->predicted_missed_ratio)
                                      : "nothing"});
          }
        }
      }
      out_.close().newline();
      write_details(out_, "These numbers as a table", table);
    }
  }

  [[nodiscard]] bool predicts() const {
    return std::any_of(summary_.cells.begin(), summary_.cells.end(), [](const CellSummary& cell) {
      return cell.predicted_missed_ratio.has_value();
    });
  }

  void write_heat() {
    bool first = true;
    for (const ShownGroup& group : view_.groups) {
      if (group.heat_panels.empty()) continue;
      if (first) {
        out_.leaf("h2", "Ring size and RSS layout").newline();
        out_.leaf("p", {{"class", "note"}},
                  "Median loss ratio, each number as printed. A bare cell is exactly 0.");
        out_.open("ul", {{"class", "steps"}});
        static constexpr std::pair<const char*, const char*> kSteps[] = {
            {"h0", "exactly 0"},   {"h1", "below 1e-05"}, {"h2", "below 0.01 %"},
            {"h3", "below 0.1 %"}, {"h4", "below 1 %"},   {"h5", "1 % and more"}};
        for (const auto& [classes, label] : kSteps) out_.leaf("li", {{"class", classes}}, label);
        out_.close().newline();
      }
      first = false;
      write_group_heading(group);
      NumberTable table{
          {"cell", "loss_ratio", "95 % interval", "values"}, {false, true, true, true}, {}};
      out_.open("div", {{"class", "panels"}}).newline();
      for (const HeatPanel& panel : group.heat_panels) {
        out_.open("div", {{"class", "panel"}});
        out_.leaf("h4", panel.title.empty() ? std::string("loss ratio") : panel.title);
        out_.open("div", {{"class", "scroll"},
                          {"tabindex", "0"},
                          {"role", "region"},
                          {"aria-label", "Loss ratio by ring size and layout"},
                          {"style", "border:0"}});
        out_.open("table", {{"class", "heat"}}).open("thead").open("tr").leaf("th", "rx_ring");
        for (const std::string& ring : panel.rings) out_.leaf("th", {{"scope", "col"}}, ring);
        out_.close().close().open("tbody").newline();
        for (std::size_t r = 0; r < panel.rows.size(); ++r) {
          out_.open("tr").open("th", {{"scope", "row"}});
          const std::vector<std::string> parts = split(panel.rows[r], ',');
          for (std::size_t p = 0; p < parts.size(); ++p) {
            if (p > 0) out_.mark("br");
            out_.text(trimmed(parts[p]));
          }
          out_.close();
          for (const auto& c : panel.cells[r]) write_heat_cell(group, c, table);
          out_.close().newline();
        }
        out_.close().close().close().close().newline();
      }
      out_.close().newline();
      write_details(out_, "These numbers with their intervals", table);
    }
  }

  void write_heat_cell(const ShownGroup& group, const std::optional<std::size_t>& position,
                       NumberTable& table) {
    if (!position) {
      out_.leaf("td", {{"class", "absent"}}, "no such cell");
      return;
    }
    const ShownCell& cell = group.cells[*position];
    const auto estimate = estimate_of(*cell.summary, "loss_ratio");
    if (!estimate) {
      const std::string why = cell.summary->not_measured.value_or("");
      out_.leaf("td",
                {{"class", "absent"},
                 {"data-cell", fmt::format("{}", cell.index)},
                 {why.empty() ? "" : "title", why}},
                kNotMeasured);
      table.rows.push_back({cell.label, std::string(kNotMeasured), "", "0"});
      return;
    }
    out_.leaf("td",
              {{"class", heat_class(estimate->median)},
               {"data-cell", fmt::format("{}", cell.index)},
               {"data-value", fmt::format("{}", estimate->median)},
               {"title",
                fmt::format("{}: {} ({})", cell.label, metric_text("loss_ratio", estimate->median),
                            interval_text("loss_ratio", *estimate))}},
              metric_text("loss_ratio", estimate->median));
    table.rows.push_back({cell.label, metric_text("loss_ratio", estimate->median),
                          interval_text("loss_ratio", *estimate),
                          fmt::format("{}", estimate->values)});
  }

  void write_curves() {
    bool first = true;
    for (const ShownGroup& group : view_.groups) {
      if (group.curve_panels.empty()) continue;
      if (first) {
        out_.leaf("h2", "Latency").newline();
        out_.leaf(
            "p", {{"class", "note"}},
            fmt::format("Of frames that arrived: a lost frame has no latency, so read the loss "
                        "beside it. Each curve ends where fewer than {} samples remain above it.",
                        kSamplesAbove));
      }
      first = false;
      write_group_heading(group);
      std::vector<std::string> kinds;
      for (const ShownCell& cell : group.cells) {
        if (cell.curve && std::find(kinds.begin(), kinds.end(), cell.curve->kind) == kinds.end()) {
          kinds.push_back(cell.curve->kind);
        }
      }
      std::string says;
      for (const std::string& kind : kinds) {
        if (!says.empty()) says += " ";
        says += kind == "done" ? "done: from arrival to the end of the stage."
                               : kind + ": from arrival to hand-over by the receive call.";
      }
      if (group.floor_p50_ns.empty()) {
        says += fmt::format(" Own floor: {}.", kNotMeasured);
      } else {
        says += fmt::format(" Own floor (p50 of the measurement itself): {}",
                            duration_text(static_cast<double>(group.floor_p50_ns[0])));
        if (group.floor_p50_ns[1] != group.floor_p50_ns[0]) {
          says += fmt::format(" to {}", duration_text(static_cast<double>(group.floor_p50_ns[1])));
        }
        says += ".";
      }
      out_.leaf("p", {{"class", "note"}}, says);
      const Legend legend = legend_of(group.curve_panels);
      draw_legend(out_, legend);
      out_.open("div", {{"class", "panels"}}).newline();
      for (const Panel& panel : group.curve_panels) {
        out_.open("div", {{"class", "panel"}});
        if (!panel.title.empty()) out_.leaf("h4", panel.title);
        draw_curves(out_, group, panel, legend);
        out_.close().newline();
      }
      out_.close().newline();
      write_details(out_, "These numbers as a table", curve_table(group));
    }
  }

  static NumberTable curve_table(const ShownGroup& group) {
    static constexpr std::pair<double, const char*> kShown[] = {
        {0.0, "0 %"},   {50.0, "50 %"},   {90.0, "90 %"},
        {99.0, "99 %"}, {99.9, "99.9 %"}, {99.99, "99.99 %"}};
    NumberTable table{{"cell", "loss ratio", "samples"}, {false, true, true}, {}};
    for (const auto& [percent, heading] : kShown) {
      table.headings.emplace_back(heading);
      table.numeric.push_back(true);
    }
    table.headings.insert(table.headings.end(), {"max", "cut at"});
    table.numeric.insert(table.numeric.end(), {true, true});
    for (const Panel& panel : group.curve_panels) {
      for (const Series& series : panel.series) {
        for (const std::size_t c : series.cells) {
          const ShownCell& cell = group.cells[c];
          const LatencyCurve& curve = *cell.curve;
          const auto loss = estimate_of(*cell.summary, "loss_ratio");
          std::vector<std::string> row{
              cell.label,
              loss ? metric_text("loss_ratio", loss->median) : std::string(kNotMeasured),
              grouped(curve.count)};
          for (const auto& [percent, heading] : kShown) {
            const double wanted = percent;
            const auto point = std::find_if(
                curve.points.begin(), curve.points.end(), [&](const CurvePoint& known) {
                  return known.percent - wanted < 1e-9 && wanted - known.percent < 1e-9;
                });
            row.push_back(point == curve.points.end()
                              ? fmt::format("fewer than {} above", kSamplesAbove)
                              : duration_text(static_cast<double>(point->ns)));
          }
          row.push_back(curve.max_ns ? duration_text(static_cast<double>(*curve.max_ns))
                                     : std::string(kNotMeasured));
          row.push_back(fmt::format("{:.6g} %", curve.cut_percent));
          table.rows.push_back(std::move(row));
        }
      }
    }
    return table;
  }

  void write_effects() {
    if (summary_.effects.empty()) return;
    out_.leaf("h2", "What each factor did").newline();
    out_.leaf("p", {{"class", "note"}},
              "The other factors held still: median over their combinations at the best and at the "
              "worst level.");
    NumberTable table{{"group", "factor", "metric", "worst level", "worst", "best level", "best",
                       "worst to best, interval", "combinations", "blocks", "verdict"},
                      {false, false, false, false, true, false, true, true, true, true, false},
                      {}};
    out_.open("ul", {{"class", "plain"}});
    for (const FactorEffect& effect : summary_.effects) {
      out_.open("li");
      if (view_.groups.size() > 1) out_.leaf("b", effect.group + ": ");
      out_.text(effect.sentence);
      const std::string verdict =
          !effect.verdict.empty() ? effect.verdict : (effect.exercised ? "" : "not exercised");
      if (!verdict.empty()) out_.text(" ").leaf("span", {{"class", "badge small"}}, verdict);
      out_.close();
      table.rows.push_back({effect.group, effect.factor, effect.metric, effect.worst_level,
                            metric_text(effect.metric, effect.worst), effect.best_level,
                            metric_text(effect.metric, effect.best),
                            difference_text(effect.metric, effect.difference),
                            fmt::format("{}", effect.combinations),
                            fmt::format("{}", effect.blocks), verdict});
    }
    out_.close().newline();
    write_details(out_, "These numbers as a table", table);
  }

  void write_findings() {
    for (const FindingList& list : findings_of(summary_)) {
      out_.leaf("h2", list.title).newline();
      out_.leaf("p", {{"class", "note"}}, list.note);
      out_.open("ul", {{"class", "plain"}});
      for (const ShownFinding& finding : list.findings) {
        out_.open("li");
        if (view_.groups.size() > 1) out_.leaf("b", finding.group + ": ");
        out_.text(finding.sentence);
        if (!finding.badge.empty()) {
          out_.text(" ").leaf("span", {{"class", "badge small"}}, finding.badge);
        }
        out_.close();
      }
      out_.close().newline();
    }
    write_comparison_table();
  }

  // Every comparison that was made, also those that are not named above.
  void write_comparison_table() {
    if (summary_.comparisons.empty()) return;
    NumberTable table{
        {"group", "factor", "level", "baseline", "metric", "at the baseline", "at the level",
         "difference, interval", "p", "adjusted p", "blocks", "verdict"},
        {false, false, false, false, false, true, true, true, true, true, true, false},
        {}};
    const auto probability = [](const std::optional<double>& p) {
      return p ? fmt::format("{:.2g}", *p) : std::string("none");
    };
    for (const Comparison& comparison : summary_.comparisons) {
      table.rows.push_back(
          {comparison.group, comparison.factor, comparison.level, comparison.baseline,
           comparison.metric, metric_text(comparison.metric, comparison.from),
           metric_text(comparison.metric, comparison.to),
           difference_text(comparison.metric, comparison.interval), probability(comparison.p),
           probability(comparison.adjusted_p), fmt::format("{}", comparison.values),
           std::string(name_of(comparison.verdict))});
    }
    write_details(out_, "All comparisons as a table", table);
  }

  void write_kernel() {
    bool first = true;
    for (const ShownGroup& group : view_.groups) {
      if (!group.compares_kernel) continue;
      if (first) out_.leaf("h2", "Kernel path beside DPDK path").newline();
      first = false;
      write_group_heading(group);
      if (!group.setup.empty()) {
        out_.leaf(
            "p", {{"class", "note"}},
            fmt::format("Same group, same sender: {}; {}. The comparison holds for this port and "
                        "no other.",
                        join(group.setup[0].facts, ", "), join(group.setup[2].facts, ", ")));
      }
      std::vector<std::string> metrics;
      for (const char* metric : {"loss_ratio", "received_mpps", "mpps_per_core", "cycles_per_pkt",
                                 "latency_p50_ns", "latency_p99_ns"}) {
        const bool measured = std::any_of(
            group.cells.begin(), group.cells.end(),
            [&](const ShownCell& cell) { return estimate_of(*cell.summary, metric).has_value(); });
        if (measured) metrics.emplace_back(metric);
      }
      draw_legend(out_, Legend{{"dpdk", "kernel path"}});
      out_.open("div", {{"class", "panels"}}).newline();
      NumberTable table{{"cell"}, {false}, {}};
      for (const std::string& metric : metrics) {
        out_.open("div", {{"class", "panel"}}).leaf("h4", metric_title(metric));
        draw_dots(out_, group, metric);
        out_.close().newline();
        table.headings.insert(table.headings.end(), {metric, "95 % interval"});
        table.numeric.insert(table.numeric.end(), {true, true});
      }
      out_.close().newline();
      for (const ShownCell& cell : group.cells) {
        if (cell.state == CellState::not_run) continue;
        std::vector<std::string> row{cell.label};
        for (const std::string& metric : metrics) {
          const auto estimate = estimate_of(*cell.summary, metric);
          row.push_back(estimate ? metric_text(metric, estimate->median)
                                 : std::string(kNotMeasured));
          row.push_back(estimate ? interval_text(metric, *estimate) : "");
        }
        table.rows.push_back(std::move(row));
      }
      write_details(out_, "These numbers as a table", table);
    }
  }

  void write_without_numbers(CellState state, const std::string& heading, const std::string& none) {
    std::vector<std::pair<std::string, std::vector<std::string>>> by_reason;
    for (const ShownGroup& group : view_.groups) {
      for (const ShownCell& cell : group.cells) {
        if (cell.state != state) continue;
        const std::string reason =
            fmt::format("{}: {}{}", group.name, state == CellState::not_run ? "not measured: " : "",
                        cell.summary->not_measured.value_or("no reason was recorded"));
        auto known = std::find_if(by_reason.begin(), by_reason.end(),
                                  [&](const auto& entry) { return entry.first == reason; });
        if (known == by_reason.end()) known = by_reason.insert(by_reason.end(), {reason, {}});
        known->second.push_back(cell.label);
      }
    }
    out_.leaf("h3", heading);
    if (by_reason.empty()) {
      out_.leaf("p", {{"class", "note"}}, none).newline();
      return;
    }
    out_.open("ul", {{"class", "plain"}});
    for (const auto& [reason, labels] : by_reason) {
      out_.open("li").text(reason).open("details");
      out_.leaf("summary", plural(static_cast<std::int64_t>(labels.size()), "cell"));
      write_list(out_, labels);
      out_.close().close();
    }
    out_.close().newline();
  }

  void write_exceptions() {
    out_.leaf("h2", "What has no number, and why").newline();
    write_without_numbers(CellState::not_run, "Refused or not run", "Every cell of the plan ran.");
    write_without_numbers(CellState::no_valid_trial, "Without a valid trial",
                          "Every cell that ran has a valid trial.");
    write_invalid();
    out_.leaf("h3", "Not exercised");
    if (view_.not_exercised.empty()) {
      out_.leaf(
          "p", {{"class", "note"}},
          "Every level that varied left evidence that it acted, or its trials name no setting.");
    } else {
      NumberTable table{{"group", "setting", "requested", "effective", "state", "cells", "why"},
                        {false, false, false, false, false, true, false},
                        {}};
      for (const UnexercisedLevel& level : view_.not_exercised) {
        table.rows.push_back({level.group, level.factor, level.requested,
                              level.effective.empty() ? "unknown" : level.effective,
                              std::string(name_of(level.state)), fmt::format("{}", level.cells),
                              level.evidence});
      }
      out_.leaf("p", {{"class", "note"}},
                "Nothing showed that these settings acted: no verdict rests on them.");
      write_table(out_, table, "Settings without evidence");
    }
    if (!view_.captures.empty()) {
      out_.leaf("h3", "Captures");
      out_.leaf("p", {{"class", "note"}},
                "Files of the folder capture/. Taps copied frames beside these trials: their cost "
                "is in the CPU figures.");
      std::vector<std::string> captures;
      for (const ShownCapture& capture : view_.captures) captures.push_back(capture_text(capture));
      write_list(out_, captures);
    }
    out_.leaf("h3", "Not checked");
    if (view_.not_checked.empty()) {
      out_.leaf("p", {{"class", "note"}}, "No valid trial left a check out.").newline();
      return;
    }
    std::vector<std::string> items;
    for (const UncheckedFact& fact : view_.not_checked) {
      items.push_back(
          fmt::format("{}: {} ({})", fact.group, fact.what, plural(fact.cells, "cell")));
    }
    write_list(out_, items);
  }

  void write_invalid() {
    out_.leaf("h3", "Invalid trials");
    const int invalid = summary_.trials - summary_.valid;
    if (invalid == 0) {
      out_.leaf("p", {{"class", "note"}}, "No trial was invalid.").newline();
      return;
    }
    out_.leaf("p", fmt::format("{} of {} trials are kept, marked invalid and used for no number.",
                               invalid, summary_.trials));
    NumberTable reasons{{"reason", "times"}, {false, true}, {}};
    for (const auto& [code, times] : view_.invalid_reasons) {
      reasons.rows.push_back({code, fmt::format("{}", times)});
    }
    write_table(out_, reasons, "Reasons of invalid trials");
    if (view_.invalid.empty()) return;
    NumberTable table{{"trial", "group", "cell", "block", "attempt", "reasons"},
                      {true, false, false, true, true, false},
                      {}};
    for (const InvalidTrial& trial : view_.invalid) {
      table.rows.push_back(
          {fmt::format("{}", trial.trial), trial.group, trial.label, fmt::format("{}", trial.block),
           fmt::format("{}", trial.attempt),
           trial.reasons.empty() ? "no reason was recorded" : join(trial.reasons, "; ")});
    }
    write_details(out_, "Each invalid trial", table);
  }

  void write_pairs(const std::string& heading, const std::map<std::string, std::string>& pairs) {
    if (pairs.empty()) return;
    out_.leaf("h3", heading);
    open_scroll(out_, heading);
    out_.open("table").open("tbody");
    for (const auto& [name, value] : pairs) {
      out_.open("tr").leaf("th", {{"scope", "row"}}, name).leaf("td", {{"class", "wide"}}, value);
      out_.close();
    }
    out_.close().close().close().newline();
  }

  void write_warnings() {
    if (input_.provenance.warnings.empty() && summary_.warnings.empty()) return;
    out_.open("div", {{"class", "warn"}});
    for (const auto* warnings : {&input_.provenance.warnings, &summary_.warnings}) {
      for (const std::string& warning : *warnings) out_.leaf("div", warning);
    }
    out_.close().newline();
  }

  void write_provenance() {
    const Provenance& from = input_.provenance;
    out_.leaf("h2", "Where these numbers come from").newline();
    write_warnings();
    if (from.warnings.empty()) {
      out_.leaf("p", {{"class", "note"}}, "The environment gave no cause for a warning.");
    }
    std::map<std::string, std::string> run;
    if (!from.pollmark_version.empty()) run["pollmark"] = from.pollmark_version;
    if (!from.started_utc.empty()) run["started_utc"] = from.started_utc;
    if (!input_.folder.empty()) run["folder"] = input_.folder;
    if (!from.experiment_folder.empty()) run["experiment_folder"] = from.experiment_folder;
    write_pairs("Run", run);
    write_pairs("Input files", from.inputs);
    write_pairs("Host", from.host);
    write_pairs("Libraries", from.libraries);
    write_pairs("Calibration", from.calibration);
  }

  void write_reproduction() {
    const Provenance& from = input_.provenance;
    out_.leaf("h2", "How to reproduce").newline();
    out_.leaf("p", from.command_line.empty()
                       ? "The command line was not recorded. With the experiment below:"
                       : "The command, and the experiment it read:");
    out_.leaf("pre", from.command_line.empty() ? std::string("pollmark run experiment.toml")
                                               : from.command_line);
    if (!from.overrides.empty()) {
      out_.leaf("p", {{"class", "note"}},
                fmt::format("Overrides, in order: {}", join(from.overrides, "; ")));
    }
    out_.open("details").leaf("summary", "experiment.toml, verbatim");
    out_.leaf("pre", input_.experiment_text).close().newline();
  }

  void write_method() {
    out_.leaf("h2", "Method and limits").newline();
    std::vector<std::string> lines;
    lines.emplace_back(
        "Every cell is run once in each block, in an order randomised within the block; a "
        "disturbed "
        "trial is kept, marked invalid and run again.");
    lines.emplace_back(
        "A number is the median over a cell's valid trials; its interval is the tightest symmetric "
        "pair of order statistics that covers the median with at least 95 %. Below six values "
        "there "
        "is none.");
    lines.emplace_back(
        "Against baseline: the median of the ratios paired by block, so that what disturbs a whole "
        "block cancels. None, where the baseline was zero or shares no valid block.");
    lines.emplace_back(
        "A loss ratio of exactly 0 means that no frame was lost in the trials behind the median; "
        "it "
        "is not a proof that none ever will be.");
    lines.emplace_back(
        "Frame sizes include the FCS. offered = received + losses + unaccounted, to the packet.");
    lines.push_back(
        fmt::format("\"{}\" means that nobody counted it; it is never 0.", kNotMeasured));
    if (view_.any_model) {
      lines.emplace_back(
          "Cells on the path \"model\" ran on a modelled link, not on a NIC: arrivals, queues and "
          "descriptors are simulated, the receive code and its cost are real. It has no shared "
          "cache, "
          "memory, PCIe or frequency contention, and stalls only as the experiment gives them; the "
          "pages under its mbuf pool are those of this run.");
    }
    write_list(out_, lines);
    out_.open("footer").leaf("p", {{"class", "note"}},
                             "Every number of this page stands in summary.json beside it; every "
                             "trial in trials.jsonl, every "
                             "latency histogram in hist/.");
    out_.close().newline();
  }

  const ReportInput& input_;
  const Summary& summary_;
  View view_;
  Markup out_;
};

}  // namespace

std::string render_html(const ReportInput& input) { return Page(input).render(); }

}  // namespace pollmark
