// A campaign that nobody measured, for tests of what reads campaigns. Its names and values say so.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "judge/summary.h"
#include "record/provenance.h"
#include "record/trial_result.h"
#include "report/report.h"

namespace pollmark::support {

struct SyntheticCampaign {
  std::vector<TrialResult> trials;
  Summary summary;  // filled here by hand, not by judge
  Provenance provenance;
  std::string experiment_text;
  std::string folder;
  std::map<std::string, std::string> baseline;

  // Points into this campaign, which must outlive it.
  [[nodiscard]] ReportInput input() const;
};

// Two groups. "synthetic-model": rx_ring x queues/reta x rx_offloads, 8 blocks; ring 2048 loses
// nothing in some layouts; uneven RETAs on one queue are refused; one cell has 5 valid trials only
// (no interval). "synthetic-kernel": udp_socket and dpdk over a veth pair; the socket at the high
// load has no valid trial; cycles_per_pkt is not measured on the socket. All books close.
[[nodiscard]] SyntheticCampaign synthetic_campaign();
// The same trials, summarised by judge.
[[nodiscard]] SyntheticCampaign judged_campaign();
// The same plan after a day on which every trial was disturbed.
[[nodiscard]] SyntheticCampaign campaign_without_valid_trials();

}  // namespace pollmark::support
