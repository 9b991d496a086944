#include "campaign/size.h"

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "campaign/judged_folder.h"
#include "judge/ceilings.h"
#include "judge/sizing.h"
#include "plan/target.h"
#include "report/sizing_report.h"

namespace pollmark {
namespace {

tl::unexpected<Error> not_allowed(std::string_view option, std::string_view text,
                                  std::string_view allowed) {
  return fail(Errc::bad_experiment, fmt::format("{} \"{}\": allowed: {}", option, text, allowed));
}

Result<SizingOrder> sizing_order(const SizeOrder& order, const JudgedFolder& folder) {
  SizingOrder sizing;
  if (!order.target.empty()) {
    PM_TRY(sizing.target, parse_target(order.target));
  } else if (folder.plan.experiment.target) {
    sizing.target = *folder.plan.experiment.target;
  } else {
    return fail(Errc::bad_experiment,
                "its experiment has no [target]; allowed: --target \"20 Gbps L2, frame imix, loss "
                "1e-6\"",
                folder.name);
  }
  if (!order.utilisation.empty()) {
    const Result<Load> percent = Load::parse(order.utilisation);
    if (!percent || percent->unit != LoadUnit::line_percent ||
        !trimmed(order.utilisation).ends_with('%'))
      return not_allowed("--utilisation", order.utilisation,
                         "a percentage above 0 up to 100: \"70 %\"");
    sizing.utilisation = percent->value / 100.0;
  }
  if (!order.link.empty()) {
    const Result<double> link = parse_link_bps(order.link);
    if (!link) return not_allowed("--link", order.link, "a speed: \"25G\", \"100 Gbps\"");
    sizing.link_bps = *link;
  }
  if (!order.pcie.empty()) {
    PM_TRY(sizing.pcie, parse_pcie(order.pcie));
  }
  if (!order.nic.empty()) {
    const Result<Load> limit = Load::parse(order.nic);
    if (!limit || limit->unit != LoadUnit::pps)
      return not_allowed("--nic", order.nic, "a packet rate: \"18.75 Mpps\"");
    sizing.nic_pps = limit->value;
  }
  return sizing;
}

}  // namespace

Result<std::string> size_folder(const SizeOrder& order, SizeFormat format, int width) {
  PM_TRY(JudgedFolder folder, read_judged_folder(order.folder));
  std::vector<Condition> where;
  for (const std::string& text : order.where) {
    PM_TRY(Condition condition, condition_of("--where", text));
    where.push_back(std::move(condition));
  }
  PM_TRYV(keep_cells(folder, where));
  PM_TRY(const SizingOrder sizing, sizing_order(order, folder));
  Result<std::vector<SizedSetting>> settings = size_for(sizing, folder.stored.trials);
  if (!settings) return tl::unexpected<Error>(std::move(settings).error().within(folder.name));
  SizingReport report;
  report.folder = folder.name;
  report.order = sizing;
  report.settings = std::move(*settings);
  report.last_record_cut = folder.stored.last_line_torn;
  folder.question.target.reset();
  report.cells = summarise(folder.question, folder.stored.trials, folder.stored.searches).cells;
  return format == SizeFormat::json ? sizing_json(report).dump(2) + "\n"
                                    : render_sizing(report, width);
}

}  // namespace pollmark
