#include "base/units.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

namespace pollmark {
namespace {

template <typename T>
std::string refusal(const Result<T>& result) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, Errc::bad_experiment);
  return result.error().what;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(LoadText, EveryFormIsRead) {
  EXPECT_EQ(Load::parse("line").value(), (Load{LoadUnit::line_percent, 100.0}));
  EXPECT_EQ(Load::parse("80 %").value(), (Load{LoadUnit::line_percent, 80.0}));
  EXPECT_EQ(Load::parse(" 99.98% ").value(), (Load{LoadUnit::line_percent, 99.98}));
  EXPECT_EQ(Load::parse("12.5 Mpps").value(), (Load{LoadUnit::pps, 12.5e6}));
  EXPECT_EQ(Load::parse("500kpps").value(), (Load{LoadUnit::pps, 5e5}));
  EXPECT_EQ(Load::parse("40 Gbps L1").value(), (Load{LoadUnit::l1_bps, 40e9}));
  EXPECT_EQ(Load::parse("40 Gbps L2").value(), (Load{LoadUnit::l2_bps, 40e9}));
  EXPECT_EQ(Load::parse("950 Mbit/s L2").value(), (Load{LoadUnit::l2_bps, 950e6}));
  EXPECT_EQ(Load::parse("max").value().unit, LoadUnit::max);
}

TEST(LoadText, BareGbpsIsRefusedAndTheLayerAskedFor) {
  for (const char* text : {"40 Gbps", "40Gbps", "950 Mbps", "25G", "40 Gbit/s"}) {
    EXPECT_TRUE(has(refusal(Load::parse(text)), "say the layer: Gbps L1 or Gbps L2")) << text;
  }
}

TEST(LoadText, EveryRefusalNamesTheAllowedForms) {
  for (const char* text :
       {"", "fast", "80", "-5 %", "0 %", "101 %", "0 Mpps", "1e400 pps", "12 parsecs", "40 Gbps L3",
        "40 L1", "inf Mpps", "nan %", "0x10 Mpps", "lines", "4 0 Mpps"}) {
    EXPECT_TRUE(has(refusal(Load::parse(text)),
                    "allowed: line, max, 80 %, 12.5 Mpps, 40 Gbps L1, 40 Gbps L2"))
        << text;
  }
}

TEST(LoadText, WhatIsPrintedReadsBackToTheSameLoad) {
  EXPECT_EQ((Load{LoadUnit::line_percent, 100.0}).text(), "line");
  EXPECT_EQ((Load{LoadUnit::line_percent, 80.0}).text(), "80 %");
  EXPECT_EQ((Load{LoadUnit::pps, 12.5e6}).text(), "12.5 Mpps");
  EXPECT_EQ((Load{LoadUnit::l1_bps, 40e9}).text(), "40 Gbps L1");
  EXPECT_EQ((Load{LoadUnit::max, 0.0}).text(), "max");
  EXPECT_TRUE(rc::check("parse(text()) is the load, bit for bit", [] {
    const auto unit = *rc::gen::element(LoadUnit::line_percent, LoadUnit::pps, LoadUnit::l1_bps,
                                        LoadUnit::l2_bps);
    const auto digits = static_cast<double>(*rc::gen::inRange<std::int64_t>(1, 1000000000000));
    const double divisor = *rc::gen::element(1.0, 3.0, 7.0, 1e3, 1e6);
    double value = digits / divisor;
    if (unit == LoadUnit::line_percent) value = 100.0 * digits / 1e12;
    const Load load{unit, value};
    const Result<Load> back = Load::parse(load.text());
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == load);
  }));
}

TEST(LinkText, ReadsSpeeds) {
  EXPECT_DOUBLE_EQ(parse_link_bps("25G").value(), 25e9);
  EXPECT_DOUBLE_EQ(parse_link_bps("100 Gbps").value(), 100e9);
  EXPECT_DOUBLE_EQ(parse_link_bps("2.5G").value(), 2.5e9);
  EXPECT_DOUBLE_EQ(parse_link_bps("100M").value(), 1e8);
  for (const char* text : {"25", "0G", "25 GB", "20T", "fast", "25g", "0.5M"}) {
    EXPECT_TRUE(has(refusal(parse_link_bps(text)), "allowed: 25G, 100 Gbps, 100M")) << text;
  }
}

TEST(BytesText, TellsKiloFromKibi) {
  EXPECT_EQ(parse_bytes("256 KiB").value(), 262144);
  EXPECT_EQ(parse_bytes("16 MiB").value(), 16777216);
  EXPECT_EQ(parse_bytes("1500").value(), 1500);
  EXPECT_EQ(parse_bytes("4 kB").value(), 4000);
  EXPECT_EQ(parse_bytes("1.5 KiB").value(), 1536);
  EXPECT_EQ(parse_bytes("0").value(), 0);
  for (const auto& [bytes, text] : std::map<std::int64_t, std::string>{
           {0, "0 B"}, {2049, "2049 B"}, {3072, "3 KiB"}, {1 << 20, "1 MiB"}, {1 << 30, "1 GiB"}}) {
    EXPECT_EQ(bytes_text(bytes), text);
    EXPECT_EQ(parse_bytes(text).value(), bytes) << "reads back exactly";
  }
  for (const char* text : {"256 K", "1.5 B", "-1", "9e18 kB", "KiB", "1 2"}) {
    EXPECT_TRUE(has(refusal(parse_bytes(text)), "allowed: 1500, 4 kB, 256 KiB")) << text;
  }
}

TEST(DurationText, ABareNumberIsRefused) {
  EXPECT_EQ(parse_duration_ns("20 us").value(), 20'000);
  EXPECT_EQ(parse_duration_ns("1 ms").value(), 1'000'000);
  EXPECT_EQ(parse_duration_ns("1.5 s").value(), 1'500'000'000);
  EXPECT_EQ(parse_duration_ns("300 ns").value(), 300);
  EXPECT_EQ(parse_duration_ns("0.3 us").value(), 300);
  EXPECT_EQ(parse_duration_ns("5 \u00b5s").value(), 5'000);
  for (const char* text : {"20", "0", "20 d", "0.5 ns", "-1 s", "us", "1e12 s"}) {
    EXPECT_TRUE(
        has(refusal(parse_duration_ns(text)), "allowed: 300 ns, 20 us, 1 ms, 1.5 s, 10 min, 24 h"))
        << text;
  }
}

TEST(CountText, ReadsPrefixesAndExponents) {
  EXPECT_EQ(parse_count("2 M").value(), 2'000'000);
  EXPECT_EQ(parse_count("500 k").value(), 500'000);
  EXPECT_EQ(parse_count("1e6").value(), 1'000'000);
  EXPECT_EQ(parse_count("64").value(), 64);
  for (const char* text : {"1.5", "2 Mi", "", "1e19", "-2"}) {
    EXPECT_TRUE(has(refusal(parse_count(text)), "allowed: 64, 1e6, 500 k, 2 M")) << text;
  }
}

TEST(Refusals, SayWhatIsWrong) {
  EXPECT_TRUE(has(refusal(parse_duration_ns("20")), "\"20\": the unit is missing"));
  EXPECT_TRUE(has(refusal(parse_duration_ns("20 d")), "\"d\" is not a unit of"));
  EXPECT_TRUE(has(refusal(parse_bytes("1.5 B")), "is not a whole number of bytes"));
  EXPECT_TRUE(has(refusal(parse_count("-2")), "must not be negative"));
  EXPECT_TRUE(has(refusal(parse_count("1e19")), "is too large"));
}

TEST(Printing, ThreeSignificantDigits) {
  EXPECT_EQ(si(12345678, "pps"), "12.3 Mpps");
  EXPECT_EQ(si(0, "pps"), "0 pps");
  EXPECT_EQ(si(64, "B"), "64 B");
  EXPECT_EQ(si(999.6, "pps"), "1.00 kpps");
  EXPECT_EQ(si(999'499, "pps"), "999 kpps");
  EXPECT_EQ(si(999'500, "pps"), "1.00 Mpps");
  EXPECT_EQ(si(25e9, "bps"), "25.0 Gbps");
  EXPECT_EQ(si(-1234, "B"), "-1.23 kB");
  EXPECT_EQ(si(0.0123, "pps"), "0.0123 pps");
  EXPECT_EQ(duration_text(840), "840 ns");
  EXPECT_EQ(duration_text(12345), "12.3 us");
  EXPECT_EQ(duration_text(1.2e6), "1.20 ms");
  EXPECT_EQ(duration_text(2e9), "2.00 s");
  EXPECT_EQ(duration_text(7.25), "7.25 ns");
}

TEST(Printing, GroupsOfThree) {
  EXPECT_EQ(grouped(1234567), "1 234 567");
  EXPECT_EQ(grouped(-1234567), "-1 234 567");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1 000");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(grouped(INT64_MIN), "-9 223 372 036 854 775 808");
}

TEST(Printing, ASmallRatioIsNeverPrintedAsZero) {
  EXPECT_EQ(ratio_text(0.0), "0");
  EXPECT_EQ(ratio_text(0.0012), "0.12 %");
  EXPECT_EQ(ratio_text(3.4e-7), "3.4e-07");
  EXPECT_EQ(ratio_text(0.5), "50.00 %");
  EXPECT_EQ(ratio_text(1.0), "100 %");
  EXPECT_EQ(ratio_text(0.00012), "0.012 %");
  EXPECT_EQ(ratio_text(-0.0012), "-0.12 %");
  EXPECT_TRUE(rc::check("only zero reads as zero", [] {
    const double ratio = static_cast<double>(*rc::gen::inRange(1, 1'000'000)) /
                         *rc::gen::element(1e6, 1e9, 1e12, 1e15);
    const std::string text = ratio_text(ratio);
    RC_ASSERT(text != "0");
    RC_ASSERT(std::stod(text) > 0.0);
  }));
}

}  // namespace
}  // namespace pollmark
