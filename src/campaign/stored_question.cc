#include "campaign/stored_question.h"

#include <optional>
#include <string>
#include <utility>

namespace pollmark {

Result<Plan> stored_plan(const std::filesystem::path& folder, const StoredCampaign& stored) {
  ReadOptions options;
  options.overrides = stored.provenance.overrides;
  options.quick = stored.provenance.quick;
  options.folder = stored.provenance.experiment_folder;
  options.files = ReadOptions::Files::need_not_exist;
  // As it was then.
  options.line_bps = [&](const std::string& port) -> std::optional<double> {
    for (const TrialResult& trial : stored.trials)
      if (trial.order.generator_port == port || trial.order.receiver_port == port)
        return trial.order.line_bps;
    return std::nullopt;
  };
  PM_TRY(Experiment experiment,
         parse_experiment(stored.experiment_text, (folder / "experiment.toml").string(), options));
  return plan_experiment(std::move(experiment));
}

Question question_of(const Plan& plan, Rigour rigour) {
  const Experiment& experiment = plan.experiment;
  Question question;
  question.name = experiment.name;
  question.question = experiment.question;
  question.metric = experiment.judge.metric;
  question.baseline = experiment.judge.baseline;
  question.matters = experiment.judge.matters;
  question.choose = experiment.judge.choose;
  question.target = experiment.target;
  question.rfc2544 = experiment.rfc2544;
  question.retries = experiment.retries;
  question.quick = rigour == Rigour::ranking;
  for (const Cell& cell : plan.cells)
    question.cells.push_back({cell.order.group, cell.order.cell, cell.order.path, cell.refused});
  return question;
}

}  // namespace pollmark
