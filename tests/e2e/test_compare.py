"""compare: verdicts from stored results, and nothing invented where there are none."""

import json
import shutil

import harness


class Compare(harness.Case):
    campaign = None

    def setUp(self):
        super().setUp()
        self.a = self.scratch / "a"
        if Compare.campaign is None:
            run = self.pollmark("run", "-o", self.a, "--quiet",
                                self.experiment(harness.SMALL.format(blocks=6)))
            self.assertEqual(run.returncode, 0, run.stderr)
            Compare.campaign = {path.relative_to(self.a): path.read_bytes()
                                for path in self.a.rglob("*") if path.is_file()}
        self.copy("a")

    def copy(self, name, line=None, provenance=None):
        """The campaign again, its records and provenance changed as asked."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in Compare.campaign.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        if line:
            records = [json.loads(text) for text in
                       (folder / "trials.jsonl").read_text().splitlines()]
            for record in records:
                line(record)
            text = "".join(json.dumps(record) + "\n" for record in records)
            (folder / "trials.jsonl").write_text(text)
        if provenance:
            facts = json.loads((folder / "provenance.json").read_text())
            provenance(facts)
            (folder / "provenance.json").write_text(json.dumps(facts))
        return folder

    def compare(self, *arguments):
        return self.pollmark("compare", *arguments)

    def test_levels_of_one_folder_are_paired(self):
        run = self.compare(self.a, "--by", "rx_ring")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("paired over shared blocks", run.stdout)
        self.assertRegex(run.stdout, r"rx_ring 512 loses .* less than 64 \[")
        self.assertIn(": better", run.stdout)
        self.assertIn("on a model, not a NIC", run.stdout)

    def test_a_gate_fails_on_the_verdict_it_names(self):
        arguments = (self.a, "--by", "rx_ring", "--baseline", "512")
        self.assertEqual(self.compare(*arguments, "--fail-on", "worse").returncode, 1)
        self.assertEqual(self.compare(*arguments, "--fail-on", "better").returncode, 0)
        self.assert_refused(self.compare(*arguments, "--fail-on", "worst"), 2, "worst", "worse")

    def test_two_folders_are_unpaired_and_the_environment_comes_first(self):
        b = self.copy("b", provenance=lambda facts: facts["host"].update(kernel="9.9"))
        run = self.compare(self.a, b)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("-> 9.9", run.stdout)
        self.assertLess(run.stdout.index("kernel:"), run.stdout.index("unpaired"))
        self.assertIn("between-run variance", run.stdout)
        self.assertIn("equivalent", run.stdout)

    def test_what_is_not_expected_confounds(self):
        def other(facts):
            facts["host"]["kernel"] = "9.9"
            facts["libraries"]["dpdk"] = "99"
        b = self.copy("b", provenance=other)
        run = self.compare(self.a, b, "--expect", "dpdk")
        self.assertIn("confounded by kernel", run.stdout)
        self.assertNotIn("equivalent", run.stdout)
        run = self.compare(self.a, b, "--expect", "dpdk", "--expect", "kernel")
        self.assertNotIn("confounded", run.stdout)
        self.assertEqual(self.compare(self.a, b, "--expect", "dpdk", "--fail-on",
                                      "confounded").returncode, 1)

    def test_a_changed_setting_of_the_trials_is_an_environment_difference(self):
        b = self.copy("b", line=lambda record: record["order"]["traffic"].update(flows=65))
        run = self.compare(self.a, b)
        self.assertIn("traffic.flows: 64 -> 65", run.stdout)

    def test_different_page_sizes_are_not_the_same_cells(self):
        b = self.copy("b", line=lambda record: record.update(page_size=2 << 20))
        self.assert_refused(self.compare(self.a, b), 2, "page_size", "2097152")
        self.assertEqual(self.compare(self.a, b, "--expect", "page_size").returncode, 0)

    def test_folders_that_share_no_cell(self):
        def other(record):
            record["cell"]["rx_ring"] = "77"
        self.assert_refused(self.compare(self.a, self.copy("b", line=other)), 2, "no measured cell")

    def test_a_metric_that_was_not_measured(self):
        b = self.copy("b", line=lambda record: record.update(cycles_per_pkt=None))
        self.assert_refused(self.compare(b, "--metric", "cycles_per_pkt"), 2, "not measured",
                            "loss_ratio")
        self.assert_refused(self.compare(self.a, b, "--metric", "cycles_per_pkt"), 2,
                            "not measured")
        self.assert_refused(self.compare(self.a, "--metric", "cycles_per_packet"), 2,
                            "cycles_per_pkt")

    def test_records_of_another_schema(self):
        b = self.copy("b", line=lambda record: record.update(schema=99))
        self.assert_refused(self.compare(self.a, b), 2, "schema 99")

    def test_an_edited_record(self):
        def flatter(record):
            record["received_pkts"] += 1
        self.assert_refused(self.compare(self.copy("b", line=flatter)), 2, "line 1",
                            "received_pkts")

    def test_a_damaged_record_and_a_torn_one(self):
        b = self.copy("b")
        lines = (b / "trials.jsonl").read_text().splitlines(keepends=True)
        (b / "trials.jsonl").write_text(lines[0][:100] + "\n" + "".join(lines[1:]))
        self.assert_refused(self.compare(b), 2, "line 1 is damaged")
        (b / "trials.jsonl").write_text("".join(lines[:-1]) + lines[-1][:100])
        run = self.compare(b)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("cut short", run.stdout)

    def test_factors_and_levels_that_are_not_there(self):
        self.assert_refused(self.compare(self.a, "--by", "queues"), 2, "queues", "rx_ring")
        self.assert_refused(self.compare(self.a, "--where", "rx_ring=7"), 2, "7", "512, 64")
        self.assert_refused(self.compare(self.a, "--where", "rx_ring"), 2, "FACTOR=LEVEL")
        self.assert_refused(self.compare(self.a, self.a), 2, "twice")
        self.assert_refused(self.compare(self.scratch / "none"), 2, "no such folder")

    def test_a_series_shows_where_the_level_changes(self):
        folders = []
        for day in range(6):
            def slower(record, day=day):
                if record["cycles_per_pkt"] and day >= 3:
                    record["cycles_per_pkt"] *= 2
            folders.append(self.copy(
                f"day{day}", line=slower,
                provenance=lambda facts, day=day: facts.update(
                    started_utc=f"2026-01-0{day + 1}T00:00:00Z")))
        run = self.compare(*reversed(folders), "--metric", "cycles_per_pkt")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout.count("changes at 4"), 2, run.stdout)


if __name__ == "__main__":
    harness.main()
