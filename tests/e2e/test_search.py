"""Searches for a load, from the experiment file to the report, and through Ctrl-C."""

import csv
import io
import json
import signal
import time

import harness

SEARCH = """\
name = "searched"
question = "Which load does a ring carry?"
[generator]
port = "model"
[receiver]
port = "model"
stage = "checksum"
[traffic]
frame = 128
flows = 64
[model]
link = "10G"
stalls = "every 1 ms for 60 us"
[search]
goals = ["ndr", "pdr", "mrr"]
final_trial_seconds = 0.004
duration_sum_seconds = 0.012
width = "4 %"
latency_at = [10, 50]
[factors]
rx_ring = [64, 512]
[trial]
seconds = 0.004
warmup = 0.002
blocks = {blocks}
retries = 3
validity = "as_is"
seed = 7
[judge]
baseline = {{ rx_ring = 64 }}
"""


class Search(harness.Case):
    def searches(self, folder):
        path = folder / "searches.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def by_kind(self, folder, kind):
        return [trial for trial in self.trials(folder) if trial["kind"] == kind]

    def test_every_cell_and_block_is_searched_and_reported_with_its_small_print(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(SEARCH.format(blocks=2)), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        searches = self.searches(out)
        self.assertEqual(sorted((s["cell"]["rx_ring"], s["block"]) for s in searches),
                         [("512", 0), ("512", 1), ("64", 0), ("64", 1)])
        stored = {trial["trial"]: trial for trial in self.by_kind(out, "search")}
        for search in searches:
            self.assertTrue(search["complete"], search)
            self.assertTrue(set(search["trials"]) <= set(stored))
            for goal in search["goals"]:
                if not goal["regular"] or goal["kind"] != "bounds":
                    continue
                lower, upper = goal["lower_bound_pps"], goal["upper_bound_pps"]
                self.assertLess(lower, upper)
                self.assertLessEqual((upper - lower) / upper, goal["width"] + 1e-9)
                # The frames are those of the valid trials at the lower bound.
                frames = sum(t["offered_pkts"] for n, t in stored.items() if n in search["trials"]
                             and t["valid"] and t["intended_pps"] == lower)
                self.assertEqual(frames, goal["offered_pkts"])
        latency = [t for t in self.by_kind(out, "latency") if t["valid"]]
        self.assertEqual(len(latency), 2 * 2 * 2)
        # Both cells of a block at the same loads: shares of the lesser PDR.
        for block in (0, 1):
            self.assertEqual(len({t["intended_pps"] for t in latency if t["block"] == block}), 2)
        self.assertIn("no loss in trials of 4.00 ms", run.stdout)
        self.assertIn("true loss below", run.stdout)
        page = (out / "report.html").read_text()
        self.assertIn("Throughput by search", page)
        self.assertIn("no loss in trials of 4.00 ms", page)
        summary = json.loads((out / "summary.json").read_text())
        self.assertEqual(summary["metric"], "ndr_mpps")
        goals = summary["cells"][0]["goals"]
        self.assertEqual([goal["name"] for goal in goals], ["ndr", "pdr", "mrr"])
        rows = list(csv.DictReader(io.StringIO((out / "summary.csv").read_text())))
        ndr = [row for row in rows if row["metric"] == "ndr_mpps"]
        self.assertEqual(len(ndr), 2)
        for row in ndr:
            self.assertIn("no loss in trials of", row["attributes"])
        again = self.pollmark("report", out)
        self.assertEqual(again.stdout, run.stdout)

    def test_an_interrupted_search_goes_on_from_its_trials(self):
        out = self.scratch / "out"
        experiment = self.experiment(SEARCH.format(blocks=3))
        process = self.start("run", experiment, "-o", out)
        deadline = time.time() + 60
        while time.time() < deadline and process.poll() is None:
            if sum(trial["kind"] == "search" for trial in self.trials_so_far(out)) >= 6:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 4, errors)
        before = self.trials(out)
        run = self.pollmark("run", experiment, "-o", out, "--resume")
        self.assertEqual(run.returncode, 0, run.stderr)
        after = self.trials(out)
        self.assertEqual(before, after[:len(before)])
        searches = self.searches(out)
        self.assertEqual(len(searches), 6)
        # Every search trial belongs to one search, those from before the signal too.
        owned = [number for search in searches for number in search["trials"]]
        self.assertEqual(sorted(owned), sorted(t["trial"] for t in self.by_kind(out, "search")))

    def test_a_search_in_both_directions_finds_the_sum_of_both(self):
        out = self.scratch / "out"
        text = SEARCH.format(blocks=1).replace(
            "rx_ring = [64, 512]", 'direction = ["one_way", "both"]').replace(
            "baseline = { rx_ring = 64 }", 'baseline = { direction = "one_way" }').replace(
            'goals = ["ndr", "pdr", "mrr"]', 'goals = ["pdr"]').replace(
            'stage = "checksum"', 'stage = "checksum"\nrx_ring = 64')
        run = self.pollmark("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        loads = {}
        for search in self.searches(out):
            goal = search["goals"][0]
            self.assertTrue(goal["regular"], goal)
            loads[search["cell"]["direction"]] = goal["throughput_pps"]
            trials = [t for t in self.by_kind(out, "search")
                      if t["trial"] in search["trials"] and t["intended_pps"] == goal["lower_bound_pps"]]
            self.assertTrue(trials, "loads of the search are those of the record")
        self.assertGreater(loads["both"], 1.6 * loads["one_way"])
        self.assertLess(loads["both"], 2.4 * loads["one_way"])

    def test_a_load_beside_a_search_is_refused(self):
        text = SEARCH.format(blocks=1).replace("flows = 64", 'flows = 64\nload = "2 Mpps"')
        self.assert_refused(self.pollmark("plan", self.experiment(text)), 2, "load beside [search]")


if __name__ == "__main__":
    harness.main()
