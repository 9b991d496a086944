// render_synthetic FOLDER [by_hand | judged | without_valid_trials]
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "support/synthetic_campaign.h"

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr,
               "usage: render_synthetic FOLDER [by_hand | judged | without_valid_trials]\n");
    return 2;
  }
  namespace support = pollmark::support;
  const std::filesystem::path folder = arguments[1];
  const std::string_view kind = count > 2 ? arguments[2] : "by_hand";
  const support::SyntheticCampaign campaign = kind == "judged" ? support::judged_campaign()
                                              : kind == "without_valid_trials"
                                                  ? support::campaign_without_valid_trials()
                                                  : support::synthetic_campaign();
  const pollmark::ReportInput input = campaign.input();
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
  };
  write("report.html", pollmark::render_html(input));
  write("report.txt", pollmark::render_text(input, 120));
  write("report_80.txt", pollmark::render_text(input, 80));
  write("summary.csv", pollmark::render_csv(input));
  write("summary.json", pollmark::summary_json(input).dump(2) + "\n");
  write("metrics.prom", pollmark::render_prom(input));
  return 0;
}
