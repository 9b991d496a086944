"""The model on the wall clock, as a user meets it. A busy machine makes trials invalid: what is looked at
is what a trial tells, valid or not."""

import json
import os
import unittest

import harness


class Wall(harness.Case):
    def wall_experiment(self, **changes):
        path = self.experiment(blocks=1)
        text = path.read_text()
        wanted = {'clock = "lockstep"': 'clock = "wall"', 'load = "2 Mpps"': 'load = "0.2 Mpps"',
                  'stalls = "every 1 ms for 60 us"\n': "", "seconds = 0.05": "seconds = 0.2",
                  **changes}
        for old, new in wanted.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        path.write_text(text)
        return path

    @unittest.skipUnless(len(os.sched_getaffinity(0)) >= 2, "needs two cpus")
    def test_both_ends_run_at_once_and_tell_of_their_gaps_and_seconds(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.wall_experiment(), "-o", out)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertTrue(trials)
        for trial in trials:
            self.assertEqual(trial["clock"], "wall")
            self.assertEqual(trial["unaccounted_pkts"], 0)
            self.assertEqual([lcore["role"] for lcore in trial["lcores"]],
                             ["generator", "receiver q0"])
            for lcore in trial["lcores"]:
                self.assertGreater(lcore["scheduling"]["longest_gap_ns"], 0)
                self.assertGreater(lcore["poll_gap_ns"]["count"], 0)
            self.assertGreater(sum(trial["lcores"][1]["bursts"]), 0)
            self.assertIsNotNone(trial["generator"]["late_ns"]["p99"])
            self.assertIsNotNone(trial["queues"][0]["latency_rx_ns"])
            name = f"{trial['trial']}" + (f".{trial['attempt']}" if trial["attempt"] else "")
            lines = (out / "timeline" / f"{name}.jsonl").read_text().splitlines()
            points = [json.loads(line) for line in lines]
            self.assertEqual(sum(point["received_pkts"] for point in points),
                             trial["received_pkts"])
            self.assertEqual(sum(point["offered_pkts"] for point in points), trial["offered_pkts"])

    def test_too_few_cpus_are_said_with_what_would_do(self):
        queues = {"rx_ring = [64, 512]": "rx_ring = [512]\nqueues = [16]",
                  "baseline = { rx_ring = 64 }": "baseline = { rx_ring = 512 }"}
        if len(os.sched_getaffinity(0)) > 16:
            self.skipTest("needs fewer than 17 cpus")
        run = self.pollmark("run", self.wall_experiment(**queues), "-o", self.scratch / "out")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn('allowed: clock = "lockstep"', run.stderr + run.stdout)

    def test_stalls_are_refused_before_anything_runs(self):
        path = self.wall_experiment()
        path.write_text(path.read_text().replace('clock = "wall"',
                                                 'clock = "wall"\nstalls = "every 1 ms for 20 us"'))
        self.assert_refused(self.pollmark("plan", path), 2, 'stalls with clock = "wall"')


if __name__ == "__main__":
    harness.main()
