"""Stage hyperscan on the model: matches counted, the chosen share of them held, mistakes told."""

import harness

PATTERNS = """\
# what a firewall might look for
/union\\s+select/i
10:/evil[0-9]{2}\\.exe/
passwd
"""


class Hyperscan(harness.Case):
    def hyperscan_experiment(self, patterns=PATTERNS, levels='["0 %", "25 %", "100 %"]', frame=512):
        (self.scratch / "patterns.txt").write_text(patterns)
        path = self.experiment(blocks=1)
        text = path.read_text()
        text = text.replace('stage = "checksum"',
                            'stage = { kind = "hyperscan", patterns = "patterns.txt" }')
        text = text.replace("rx_ring = [64, 512]", f"hit_ratio = {levels}")
        text = text.replace("frame = 128", f"frame = {frame}")
        text = text.replace('stalls = "every 1 ms for 60 us"', 'stalls = "none"')
        text = text.replace("baseline = { rx_ring = 64 }", 'baseline = { hit_ratio = "0 %" }')
        path.write_text(text)
        return path

    def test_the_share_of_matches_is_what_was_asked(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.hyperscan_experiment(), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        valid = [t for t in self.trials(out) if t["valid"]]
        self.assertEqual({t["cell"]["hit_ratio"] for t in valid}, {"0 %", "25 %", "100 %"})
        for trial in valid:
            asked = float(trial["cell"]["hit_ratio"].split()[0]) / 100
            stage = trial["stage"]
            self.assertGreater(stage["staged_pkts"], 90_000)
            self.assertAlmostEqual(stage["matched_pkts"] / stage["staged_pkts"], asked,
                                   delta=0.005 if 0 < asked < 1 else 0)
            self.assertGreaterEqual(stage["matches"], stage["matched_pkts"])
            self.assertEqual(trial["knobs"]["hit_ratio"]["state"], "confirmed")
            self.assertIn("3 expressions", trial["knobs"]["stage"]["evidence"])
            self.assertEqual(trial["unaccounted_pkts"], 0)
            self.assertEqual(trial["ledger"]["stage_dropped_pkts"], 0)
        self.assertIn("matched_ratio", (out / "summary.csv").read_text())

    def assert_refused(self, words, **wanted):
        run = self.pollmark("run", self.hyperscan_experiment(**wanted), "-o", self.scratch / "out")
        self.assertNotEqual(run.returncode, 0)
        for word in words:
            self.assertIn(word, run.stderr + run.stdout)

    def test_a_bad_line_is_told_with_its_number_and_the_compilers_words(self):
        self.assert_refused(["patterns.txt:2: Missing close parenthesis"], patterns="fine\na(b\n")

    def test_an_empty_file_is_refused(self):
        self.assert_refused(["patterns.txt: no expression in it"], patterns="# nothing\n")

    def test_an_expression_that_matches_everything_is_refused(self):
        self.assert_refused(["patterns.txt:1: matches everything"], patterns="/./s\n",
                            levels='["0 %", "100 %"]')

    def test_a_missing_file_is_told_before_anything_runs(self):
        path = self.hyperscan_experiment()
        (self.scratch / "patterns.txt").unlink()
        run = self.pollmark("plan", path)
        self.assertEqual(run.returncode, 2)
        self.assertIn("patterns: no such file", run.stderr)


if __name__ == "__main__":
    harness.main()
