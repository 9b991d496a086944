"""The tests of RFC 2544 on the model, from the experiment file to the report, and through Ctrl-C."""

import csv
import json
import signal
import time

import harness

SUITE = """\
name = "tested"
question = "What does a ring hold?"
[generator]
port = "model"
[receiver]
port = "model"
stage = "checksum"
[traffic]
frame = 64
flows = 64
[model]
link = "100G"
[rfc2544]
preset = "short"
trial_seconds = 0.003
width = "4 %"
latency_seconds = 0.003
latency_repeats = 2
burst_cap_seconds = 0.001
burst_repeats = 2
overload_seconds = 0.003
recovery_seconds = 0.003
recovery_repeats = 2
[factors]
rx_ring = [256, 2048]
[trial]
warmup = 0.001
retries = 5
validity = "as_is"
seed = 7
"""


class Rfc2544(harness.Case):
    def test_every_test_runs_behind_its_search_and_is_in_the_report(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(SUITE), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        trials = self.trials(out)
        for trial in trials:
            self.assertEqual(trial["unaccounted_pkts"], 0)
        for ring in ("256", "2048"):
            own = [t for t in trials if t["cell"] == {"rx_ring": ring}]
            kinds = list(dict.fromkeys(t["kind"] for t in own))
            self.assertEqual(kinds, ["search", "latency", "frame_loss", "burst", "recovery"])
            recovery = [t for t in own if t["kind"] == "recovery"][0]
            traffic = recovery["order"]["traffic"]
            self.assertAlmostEqual(traffic["warmup_pps"], 2 * traffic["intended_pps"], delta=1)
        rfc = json.loads((out / "summary.json").read_text())["rfc2544"]
        self.assertEqual(rfc["title"], "after RFC 2544, shortened")
        small, large = rfc["cells"]
        for cell in (small, large):
            self.assertLess(cell["throughput_pps"]["mean"], cell["theoretical_pps"])
            self.assertEqual(cell["latency_ns"]["repetitions"], 2)
            self.assertEqual(cell["frame_loss"][0]["load_percent"], 100)
            self.assertGreater(cell["frame_loss"][0]["loss_percent"], 0)
            self.assertEqual([p["loss_percent"] for p in cell["frame_loss"][-2:]], [0, 0])
            self.assertEqual(cell["burst_pkts"]["repetitions"], 2)
            self.assertEqual(cell["recovery_s"]["repetitions"], 2)
            self.assertEqual(cell["without"]["reset"]["kind"], "not applicable")
        # The ring is what the bursts fill.
        self.assertGreater(large["buffer"]["corrected_pkts"], 2 * small["buffer"]["corrected_pkts"])
        self.assertGreater(rfc["buffer_lines"][0]["slope"], 0.3)
        self.assertIn("Tests after RFC 2544, shortened", run.stdout)
        self.assertNotIn("Tests of RFC 2544", run.stdout)
        self.assertIn("model, not a NIC", run.stdout)
        self.assertIn("Back-to-back frames (26.4, RFC 9004)", (out / "report.html").read_text())
        with open(out / "rfc2544.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual({row["test"] for row in rows}, set(rfc["settings"]["tests"]))
        # Nothing that trials say is stored again: the report of the folder alone is the same.
        before = (out / "summary.json").read_text()
        again = self.pollmark("report", out)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual((out / "summary.json").read_text(), before)

    def test_a_run_that_was_stopped_goes_on_where_it_was(self):
        out = self.scratch / "out"
        process = self.start("run", self.experiment(SUITE), "-o", out)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if any(trial["kind"] == "burst" for trial in self.trials_so_far(out)):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 4)
        before = self.trials(out)
        self.assertTrue(any(t["kind"] == "burst" for t in before))
        self.assertEqual({t["cell"]["rx_ring"] for t in before if t["kind"] == "burst"},
                         {before[-1]["cell"]["rx_ring"]})
        run = self.pollmark("run", self.experiment(SUITE), "-o", out, "--resume")
        self.assertEqual(run.returncode, 0, run.stderr)
        after = self.trials(out)
        self.assertEqual(after[:len(before)], before)
        self.assertEqual([t["trial"] for t in after], list(range(len(after))))
        for cell in json.loads((out / "summary.json").read_text())["rfc2544"]["cells"]:
            self.assertEqual(cell["burst_pkts"]["repetitions"], 2)

    def test_a_closed_loop_and_a_set_load_are_refused_with_place_and_reason(self):
        wrong = self.experiment(SUITE.replace("flows = 64", 'load = "80 %"'))
        plan = self.pollmark("plan", wrong)
        self.assertEqual(plan.returncode, 2)
        self.assertIn(":10:1: load beside [rfc2544]", plan.stderr)


if __name__ == "__main__":
    harness.main()
