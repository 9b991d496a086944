#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <set>

#include "report/page_style.h"
#include "report/readable.h"
#include "report/report.h"
#include "support/synthetic_campaign.h"
#include "support/xml_outline.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;
using support::XmlElement;
using support::XmlOutline;

XmlOutline page_of(const SyntheticCampaign& campaign) {
  return support::read_xml(render_html(campaign.input()));
}

TEST(Html, IsWellFormed) {
  EXPECT_EQ(page_of(support::synthetic_campaign()).mistake, "");
  EXPECT_EQ(page_of(support::judged_campaign()).mistake, "");
  EXPECT_EQ(page_of(support::campaign_without_valid_trials()).mistake, "");
  EXPECT_EQ(page_of(SyntheticCampaign{}).mistake, "") << "nothing at all";
}

TEST(Html, FetchesNothing) {
  const SyntheticCampaign campaign = support::judged_campaign();
  const std::string text = render_html(campaign.input());
  for (const char* fetch : {"http://", "https://", "//fonts", "url(", "@import", "fetch(",
                            "XMLHttpRequest", "WebSocket"}) {
    EXPECT_EQ(text.find(fetch), std::string::npos) << fetch;
  }
  const XmlOutline page = support::read_xml(text);
  static const std::set<std::string> kFetching{"src",    "href",       "srcset",     "action",
                                               "poster", "xlink:href", "background", "formaction"};
  for (const XmlElement& element : page.elements) {
    EXPECT_EQ(std::set<std::string>({"link", "img", "iframe", "object", "embed", "base"})
                  .count(element.tag),
              0U)
        << element.tag;
    for (const auto& [name, value] : element.attributes) {
      EXPECT_EQ(kFetching.count(name), 0U) << element.tag << " " << name;
    }
  }
  EXPECT_LT(page_script().size(), 2000U);
}

TEST(Html, NothingFromOutsideBecomesMarkup) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  const std::string evil = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;";
  campaign.summary.question = evil;
  campaign.summary.answer = evil;
  campaign.summary.name = evil;
  for (CellSummary& cell : campaign.summary.cells) {
    cell.group = evil + cell.group;
    cell.limited_by = evil;
    cell.limited_why = evil;
    if (cell.cell.count("reta") > 0) cell.cell["reta"] += evil;
    if (cell.not_measured) cell.not_measured = evil;
    cell.invalid_reasons[evil] = 1;
    cell.not_checked.push_back(evil);
    cell.knobs["rx_ring"] = {evil, evil, KnobState::differs, evil, false};
    cell.metrics["made_up" + evil] = {1.0, std::nullopt, 1};
  }
  for (FactorEffect& effect : campaign.summary.effects) {
    effect.sentence = evil;
    effect.best_level = evil;
  }
  for (Comparison& comparison : campaign.summary.comparisons) {
    comparison.sentence = evil;
    comparison.level = evil;
  }
  campaign.summary.noise_floors.front().sentence = evil;
  campaign.summary.interactions.front().sentence = evil;
  campaign.summary.warnings = {evil};
  campaign.provenance.host["hostname"] = evil;
  campaign.provenance.host[evil] = evil;
  campaign.provenance.warnings = {evil};
  campaign.provenance.command_line = evil;
  campaign.experiment_text = evil;
  campaign.folder = evil;
  for (TrialResult& trial : campaign.trials) {
    trial.order.group = evil + trial.order.group;
    trial.order.generator_port = evil;
    trial.order.receiver_port = evil;
    for (std::string& reason : trial.invalid_reasons) reason += evil;
  }
  const XmlOutline page = page_of(campaign);
  ASSERT_EQ(page.mistake, "");
  EXPECT_TRUE(page.with_tag("img").empty());
  ASSERT_EQ(page.with_tag("script").size(), 1U);
  EXPECT_EQ(page.with_tag("script")[0]->text, page_script());
  ASSERT_EQ(page.with_tag("h1").size(), 1U);
  EXPECT_EQ(page.with_tag("h1")[0]->text, evil);
  EXPECT_EQ(page.with_tag("title")[0]->text, evil + " - pollmark");
  std::size_t drawn = 0;
  for (const XmlElement* svg : page.with_tag("svg")) {
    const auto label = svg->attributes.find("aria-label");
    if (label != svg->attributes.end() && label->second.find(evil) != std::string::npos) ++drawn;
  }
  EXPECT_GT(drawn, 0U);
}

TEST(Html, OpensWithQuestionThenAnswerThenBadge) {
  const std::string text = render_html(support::synthetic_campaign().input());
  const std::size_t question = text.find("<h1>Which ring");
  const std::size_t answer = text.find("class=\"answer\"");
  const std::size_t badge = text.find("model, not a NIC</span>");
  const std::size_t setup = text.find("<h2>Set-up");
  const std::size_t table = text.find("<h2>Cells");
  const std::size_t ledger = text.find("<h2>Where every packet went");
  ASSERT_NE(question, std::string::npos);
  EXPECT_LT(question, answer);
  EXPECT_LT(answer, badge);
  EXPECT_LT(badge, setup);
  EXPECT_LT(setup, table);
  EXPECT_LT(table, ledger);
  EXPECT_NE(ledger, std::string::npos);
}

TEST(Html, ALongAnswerIsStillWhole) {
  SyntheticCampaign campaign = support::judged_campaign();
  ASSERT_GT(campaign.summary.answer.size(), 150U);
  const XmlOutline page = page_of(campaign);
  bool found = false;
  for (const XmlElement* p : page.with_tag("p"))
    found = found || p->text == campaign.summary.answer;
  EXPECT_TRUE(found);
}

TEST(Html, TheModelBadgeStandsOnlyWhereAModelRan) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  for (CellSummary& cell : campaign.summary.cells) cell.path = Path::dpdk;
  campaign.summary.answer = "made up";
  campaign.trials.clear();
  EXPECT_EQ(render_html(campaign.input()).find("model, not a NIC"), std::string::npos);
}

TEST(Html, SaysWhatAModelDoesNotShowWhereAModelRan) {
  const std::string with = render_html(support::judged_campaign().input());
  const std::string without = render_html(SyntheticCampaign{}.input());
  for (const char* limit :
       {"no shared cache", "frequency contention", "stalls only as", "pages under"}) {
    EXPECT_NE(with.find(limit), std::string::npos) << limit;
    EXPECT_EQ(without.find(limit), std::string::npos) << limit;
  }
}

TEST(Html, TableShowsEachCellWithItsNumbers) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const XmlOutline page = page_of(campaign);
  std::size_t rows = 0;
  for (const XmlElement* row : page.with_tag("tr")) {
    const auto index = row->attributes.find("data-cell");
    if (index == row->attributes.end()) continue;
    ++rows;
    const CellSummary& cell = campaign.summary.cells[std::stoul(index->second)];
    std::vector<std::string> fields;
    for (const XmlElement& element : page.elements) {
      if ((element.tag == "td" || element.tag == "th") && page.is_below(element, *row)) {
        fields.push_back(element.text);
      }
    }
    const auto has = [&](const std::string& text) {
      return std::find(fields.begin(), fields.end(), text) != fields.end();
    };
    for (const auto& [factor, level] : cell.cell) EXPECT_TRUE(has(level)) << factor;
    const auto loss = cell.metrics.find("loss_ratio");
    if (loss != cell.metrics.end()) {
      EXPECT_TRUE(has(metric_text("loss_ratio", loss->second.median)));
      EXPECT_TRUE(has(interval_text("loss_ratio", loss->second)));
    } else {
      EXPECT_TRUE(has(cell.trials == 0 ? "not measured" : "no valid trial"));
      EXPECT_FALSE(has("0"));
    }
    EXPECT_TRUE(has(std::to_string(cell.valid) + "/" + std::to_string(cell.trials)));
    if (cell.path == Path::udp_socket && cell.valid > 0) {
      EXPECT_TRUE(has("not measured"));
    }
  }
  EXPECT_EQ(rows, campaign.summary.cells.size());
}

TEST(Html, EquationNamesEveryLossAndUnaccounted) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  const std::string closed = render_html(campaign.input());
  EXPECT_NE(closed.find("+ 0 unaccounted"), std::string::npos);
  EXPECT_EQ(closed.find("The books do not close"), std::string::npos);
  campaign.summary.cells[0].ledger.add(Fate::rx_missed, -7);
  const std::string open = render_html(campaign.input());
  EXPECT_NE(open.find("+ 7 unaccounted"), std::string::npos);
  EXPECT_NE(open.find("The books do not close"), std::string::npos);
}

TEST(Html, SaysWhereFramesDiedInTheKernelsWords) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  EXPECT_EQ(render_html(campaign.input()).find("Drop reasons of"), std::string::npos);
  DroppedAt place;
  place.netdev = "b0";
  place.reason = "NO_SOCKET";
  place.function = "__udp4_lib_rcv";
  place.cause = "no program listens there";
  place.fate = Fate::kernel_udp;
  campaign.summary.cells[0].drops = {place};
  const std::string page = render_html(campaign.input());
  EXPECT_NE(page.find("Drop reasons of"), std::string::npos);
  for (const char* told :
       {"kernel_udp_pkts", "NO_SOCKET", "__udp4_lib_rcv", "b0", "no program listens there"}) {
    EXPECT_NE(page.find(told), std::string::npos) << told;
  }
}

TEST(Html, EveryFigureHasItsNumbersAsATable) {
  const XmlOutline page = page_of(support::synthetic_campaign());
  std::size_t tables = 0;
  for (const XmlElement* details : page.with_tag("details")) {
    for (const XmlElement* table : page.with_tag("table")) {
      if (page.is_below(*table, *details)) {
        ++tables;
        break;
      }
    }
  }
  // set-up 2, books 3, rings 1, heat 1, curves 2, effects 1, comparisons 1, kernel 1, invalid
  // trials 1
  EXPECT_EQ(tables, 13U);
  // A page that is printed or read without a script still has them: no table is made by script.
  EXPECT_EQ(page_script().find("createElement"), std::string::npos);
}

TEST(Html, ShowsExperimentAndCommandVerbatim) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const XmlOutline page = page_of(campaign);
  std::set<std::string> texts;
  for (const XmlElement* pre : page.with_tag("pre")) texts.insert(pre->text);
  EXPECT_EQ(texts.count(campaign.experiment_text), 1U);
  EXPECT_EQ(texts.count(campaign.provenance.command_line), 1U);
}

TEST(Html, OfACampaignWithoutValidTrialsGivesReasonsAndNoNumber) {
  const SyntheticCampaign campaign = support::campaign_without_valid_trials();
  const std::string text = render_html(campaign.input());
  const XmlOutline page = support::read_xml(text);
  ASSERT_EQ(page.mistake, "");
  EXPECT_NE(text.find("No answer"), std::string::npos);
  EXPECT_NE(text.find("too_disturbed"), std::string::npos);
  EXPECT_NE(text.find("isolate a core for the receiver"), std::string::npos);
  EXPECT_TRUE(page.with_attribute("data-value").empty());
  EXPECT_TRUE(page.with_attribute("data-pkts").empty());
  EXPECT_EQ(text.find("unaccounted ="), std::string::npos);
  for (const XmlElement* dd : page.with_tag("dd")) EXPECT_NE(dd->text, "0");
  std::size_t not_measured = 0;
  for (const XmlElement* dd : page.with_tag("dd"))
    if (dd->text == "not measured") ++not_measured;
  EXPECT_EQ(not_measured, 2U) << "frames offered, unaccounted";
}

// WCAG 2.1: relative luminance and contrast.
double luminance(const std::string& hex) {
  double sum = 0.0;
  const double weights[] = {0.2126, 0.7152, 0.0722};
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = static_cast<double>(std::stoi(hex.substr(1 + 2 * i, 2), nullptr, 16)) / 255.0;
    sum += weights[i] * (c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  return sum;
}
double contrast(const std::string& a, const std::string& b) {
  const double bright = std::max(luminance(a), luminance(b));
  const double dark = std::min(luminance(a), luminance(b));
  return (bright + 0.05) / (dark + 0.05);
}

TEST(Html, ContrastIsEnoughInBothSchemes) {
  const std::string style = page_style();
  const std::size_t dark_at = style.find("prefers-color-scheme:dark");
  ASSERT_NE(dark_at, std::string::npos);
  for (const std::string& scheme : {style.substr(0, dark_at), style.substr(dark_at)}) {
    std::map<std::string, std::string> colour;
    static const std::regex kColour("--([a-z0-9-]+):(#[0-9a-f]{6});");
    for (auto it = std::sregex_iterator(scheme.begin(), scheme.end(), kColour);
         it != std::sregex_iterator(); ++it) {
      colour[(*it)[1]] = (*it)[2];
    }
    ASSERT_GE(colour.size(), 28U);
    for (const char* back : {"bg", "card"}) {
      for (const char* text : {"ink", "muted", "accent", "bad", "good", "warn-ink"}) {
        EXPECT_GE(contrast(colour.at(text), colour.at(back)), 4.5) << text << " on " << back;
      }
      for (const char* series : {"s0", "s1", "s2", "s3", "s4", "s5"}) {
        EXPECT_GE(contrast(colour.at(series), colour.at(back)), 3.0) << series << " on " << back;
      }
    }
    EXPECT_GE(contrast(colour.at("warn-ink"), colour.at("warn-bg")), 4.5);
    for (const char* heat : {"h0", "h1", "h2", "h3", "h4", "h5"}) {
      EXPECT_GE(contrast(colour.at(heat), colour.at(std::string(heat) + "-ink")), 4.5) << heat;
    }
  }
}

}  // namespace
}  // namespace pollmark
