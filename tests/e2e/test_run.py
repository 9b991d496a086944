"""The main job on the model: a run, its folder, and what survives interruption."""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import zlib

import harness


class Run(harness.Case):
    def wait_for_trials(self, folder, count, process):
        path = pathlib.Path(folder) / "trials.jsonl"
        for _ in range(600):
            if path.exists() and path.read_bytes().count(b"\n") >= count:
                return
            self.assertIsNone(process.poll(), "ended too early")
            time.sleep(0.05)
        self.fail("no trials appeared")

    def test_a_run_ends_with_an_answer_and_a_whole_folder(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("model, not a NIC", run.stdout)
        self.assertIn("rx_ring", run.stdout)
        for name in ("experiment.toml", "provenance.json", "trials.jsonl", "summary.json",
                     "summary.csv", "metrics.prom", "report.html", "schema.json"):
            self.assertTrue((out / name).stat().st_size > 0, name)
        self.assertEqual((out / "experiment.toml").read_text(),
                         (self.scratch / "small.toml").read_text())
        valid = [t for t in self.trials(out) if t["valid"]]
        self.assertEqual(len(valid), 12)
        for trial in valid:
            losses = sum(n for fate, n in trial["ledger"].items()
                         if n and fate not in ("received_pkts", "tx_unsent_pkts", "duplicate_pkts",
                                               "foreign_pkts", "late_pkts"))
            self.assertEqual(trial["unaccounted_pkts"], 0)
            self.assertEqual(trial["offered_pkts"], trial["received_pkts"] + losses)
            self.assertTrue(list((out / "hist").glob(f"{trial['trial']}.*hlog")))
        loss = {ring: [t["loss_ratio"] for t in valid if t["cell"]["rx_ring"] == ring]
                for ring in ("64", "512")}
        self.assertGreater(min(loss["64"]), max(loss["512"]))
        summary = json.loads((out / "summary.json").read_text())
        self.assertIn(summary["answer"], " ".join(run.stdout.split()) + run.stdout)
        with open(out / "summary.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertTrue(any(row["metric"] == "loss_ratio" and row["rx_ring"] == "64"
                            for row in rows))

    def test_a_few_frames_are_not_judged_by_their_halves(self):
        out = self.scratch / "out"
        self.pollmark("run", self.experiment(blocks=2), "--set", "traffic.load=1 kpps", "-o", out)
        trials = self.trials(out)
        self.assertEqual({t["offered_pkts"] for t in trials}, {50})
        self.assertFalse([t for t in trials if "half" in " ".join(t["invalid_reasons"])])
        self.assertTrue(all("two halves was not measured" in " ".join(t["not_checked"])
                            for t in trials))

    def test_report_renders_the_same_again(self):
        out = self.scratch / "out"
        first = self.pollmark("run", self.experiment(blocks=2), "-o", out)
        page = (out / "report.html").read_text()
        again = self.pollmark("report", out)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(first.stdout, again.stdout)
        self.assertEqual(page, (out / "report.html").read_text())

    def test_the_reference_that_is_committed_is_what_this_program_would_render(self):
        committed = pathlib.Path(__file__).resolve().parents[2] / "results" / "reference" / "quickstart"
        out = self.scratch / "quickstart"
        shutil.copytree(committed, out)
        run = self.pollmark("report", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        for name in ("summary.csv", "metrics.prom"):
            self.assertEqual((out / name).read_text(), (committed / name).read_text(), name)

    def test_a_cell_that_takes_more_memory_than_the_ones_before_it_runs_too(self):
        text = harness.SMALL.format(blocks=1).replace("rx_ring = [64, 512]", "rx_ring = [64, 8192]")
        text = text.replace('stage = "checksum"', 'queues = 16')
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        rings = [t["cell"]["rx_ring"] for t in self.trials(out)]
        self.assertEqual(rings[0], "64", "the small ring must come first: another seed")
        self.assertEqual(rings[-1], "8192")

    def planned_rings(self, experiment, *more):
        """The rx_ring of each cell in the order of the first block."""
        plan = self.pollmark("plan", experiment, *more)
        self.assertEqual(plan.returncode, 0, plan.stderr)
        rings = dict(re.findall(r"^ +(\d+) +main +path=model rx_ring=(\d+)$", plan.stdout, re.M))
        order = re.search(r"^order of block 1 of 1 \(seed \d+\): ([\d ]+)$", plan.stdout, re.M)
        return [rings[cell] for cell in order.group(1).split()]

    def test_the_seed_alone_decides_the_order_of_the_cells(self):
        rings = ["32", "64", "128", "256", "512", "1024", "2048", "4096"]
        text = harness.SMALL.format(blocks=1).replace("[64, 512]", f"[{', '.join(rings)}]")
        experiment = self.experiment(text)
        planned = self.planned_rings(experiment)
        self.assertCountEqual(planned, rings)
        self.assertEqual(planned, self.planned_rings(experiment))
        other = self.planned_rings(experiment, "--set", "trial.seed=8")
        self.assertCountEqual(other, rings)
        self.assertNotEqual(planned, other)
        for seed, order in ((7, planned), (8, other)):
            out = self.scratch / f"out-{seed}"
            self.pollmark("run", experiment, "--set", f"trial.seed={seed}", "-o", out)
            # A trial that is repeated comes more than once.
            ran = dict.fromkeys(trial["cell"]["rx_ring"] for trial in self.trials(out))
            self.assertEqual(list(ran), order)

    def test_an_interrupted_run_is_readable_and_resumes_without_repeating(self):
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(stop):
                out = self.scratch / f"out-{stop}"
                experiment = self.experiment(blocks=30)
                process = self.start("run", experiment, "-o", out)
                self.wait_for_trials(out, 5, process)
                process.send_signal(stop)
                if stop == signal.SIGHUP:  # a lost terminal and its shell send one each
                    process.send_signal(stop)
                _, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 4, errors)
                self.assertIn("--resume", errors)
                before = self.trials(out)
                self.assertLess(len([t for t in before if t["valid"]]), 60)
                self.assertEqual(self.pollmark("report", out).returncode, 0)
                run = self.pollmark("run", experiment, "-o", out, "--resume")
                self.assertEqual(run.returncode, 0, run.stderr)
                after = self.trials(out)
                self.assertEqual(before, after[:len(before)])
                done = [(t["cell"]["rx_ring"], t["block"]) for t in after if t["valid"]]
                self.assertEqual(len(done), 60)
                self.assertEqual(len(set(done)), 60)

    def test_kill_9_loses_at_most_the_running_trial(self):
        out = self.scratch / "out"
        experiment = self.experiment(blocks=30)
        process = self.start("run", experiment, "-o", out)
        self.wait_for_trials(out, 5, process)
        process.kill()
        process.communicate(timeout=60)
        before = self.trials(out)
        run = self.pollmark("run", experiment, "-o", out, "--resume")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(before, self.trials(out)[:len(before)])
        self.assertEqual(len([t for t in self.trials(out) if t["valid"]]), 60)

    def test_no_process_outlives_a_killed_run(self):
        process = self.start("run", self.experiment(blocks=30), "-o", self.scratch / "out")
        self.wait_for_trials(self.scratch / "out", 2, process)
        children = [pid for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()
                    for pid in (task / "children").read_text().split()]
        self.assertTrue(children)
        process.kill()
        process.communicate(timeout=60)
        for _ in range(100):
            if not any(os.path.exists(f"/proc/{pid}") for pid in children):
                return
            time.sleep(0.05)
        self.fail("a trial process outlived its parent")

    def test_a_second_run_in_the_same_folder_is_refused(self):
        out = self.scratch / "out"
        experiment = self.experiment(blocks=60)
        process = self.start("run", experiment, "-o", out)
        self.wait_for_trials(out, 2, process)
        second = self.pollmark("run", experiment, "-o", out, "--resume")
        self.assert_refused(second, 2, str(process.pid))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    def test_two_runs_at_once_in_folders_of_their_own(self):
        experiment = self.experiment(blocks=2)
        runs = [self.start("run", experiment, "-o", self.scratch / f"out{i}") for i in range(2)]
        for run in runs:
            _, errors = run.communicate(timeout=120)
            self.assertEqual(run.returncode, 0, errors)

    def test_a_trial_that_stands_twice_is_damage(self):
        out = self.scratch / "out"
        self.pollmark("run", self.experiment(blocks=1), "-o", out)
        trials = out / "trials.jsonl"
        lines = trials.read_text().splitlines(keepends=True)
        trials.write_text("".join(lines) + lines[0])
        self.assert_refused(self.pollmark("report", out), 2, f"line {len(lines) + 1} repeats trial")

    def test_report_says_that_the_last_record_was_cut(self):
        out = self.scratch / "out"
        self.pollmark("run", self.experiment(blocks=2), "-o", out)
        trials = out / "trials.jsonl"
        trials.write_bytes(trials.read_bytes()[:-100])
        run = self.pollmark("report", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("the last record is cut short", run.stderr)

    def test_resume_with_another_experiment_is_refused(self):
        out = self.scratch / "out"
        self.pollmark("run", self.experiment(blocks=1), "-o", out)
        other = self.experiment(blocks=2, name="other.toml")
        self.assert_refused(self.pollmark("run", other, "-o", out, "--resume"), 2, "experiment")

    def test_resume_with_another_capture_is_refused(self):
        out = self.scratch / "out"
        capture = self.scratch / "lab.pcap"
        shutil.copy(harness.CAPTURE, capture)
        text = harness.SMALL.format(blocks=1)
        udp = 'kind = "udp"\nframe = 128\nflows = 64\n'
        self.assertIn(udp, text)
        experiment = self.experiment(text.replace(udp, 'kind = "replay"\npcap = "lab.pcap"\n'))
        self.assertEqual(self.pollmark("run", experiment, "-o", out).returncode, 0)
        inputs = json.loads((out / "provenance.json").read_text())["inputs"]
        self.assertEqual(inputs, {"lab.pcap": f"{capture.stat().st_size} bytes, crc32 "
                                              f"{zlib.crc32(capture.read_bytes()):08x}"})
        again = self.pollmark("run", experiment.name, "-o", out, "--resume")
        self.assertEqual(again.returncode, 0, "the same file by another path: " + again.stderr)
        changed = bytearray(capture.read_bytes())
        changed[-1] ^= 1
        capture.write_bytes(changed)
        self.assert_refused(self.pollmark("run", experiment, "-o", out, "--resume"), 2,
                            "lab.pcap", "is not the file that this folder was begun with")

    def test_a_placement_that_the_host_has_not_is_said_and_the_others_run(self):
        nodes = list(pathlib.Path("/sys/devices/system/node").glob("node[0-9]*"))
        if len(nodes) > 1:
            self.skipTest("needs one NUMA node")
        text = harness.SMALL.format(blocks=1).replace("rx_ring = [64, 512]",
                                                      'numa = ["local", "remote"]')
        text = text.replace("rx_ring = 64", 'numa = "local"')
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        said = [line for line in run.stderr.splitlines() if "not measured" in line]
        self.assertEqual(len(said), 1, run.stderr)
        self.assertIn('numa = "remote" needs ', said[0])
        trials = {t["cell"]["numa"]: t for t in self.trials(out)}
        self.assertTrue(trials["local"]["valid"])
        self.assertFalse(trials["remote"]["valid"])
        self.assertTrue(trials["remote"]["invalid_reasons"][0].startswith("refused: numa = "))
        if nodes:
            self.assertIn("this host has one", said[0])
            node = int(nodes[0].name.removeprefix("node"))
            self.assertEqual(trials["local"]["pool_nodes"], [node])
            self.assertEqual({lcore["node"] for lcore in trials["local"]["lcores"]}, {node})
            self.assertEqual(trials["local"]["knobs"]["numa"]["state"], "confirmed")
        alone = self.pollmark("run", self.experiment(text), "--set", 'factors.numa=["remote"]',
                              "--set", 'judge.baseline={numa="remote"}',
                              "-o", self.scratch / "alone")
        self.assertEqual(alone.returncode, 3, alone.stderr)
        again = self.pollmark("run", self.experiment(text), "-o", out, "--resume")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(len([t for t in self.trials(out) if t["cell"]["numa"] == "local"
                              and t["valid"]]), 1)

    @harness.needs_root
    def test_a_full_disk_leaves_whole_lines(self):
        disk = self.scratch / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk])
        if mounted.returncode != 0:
            self.skipTest("needs CAP_SYS_ADMIN")
        try:
            run = self.pollmark("run", self.experiment(blocks=200), "-o", disk / "out")
            self.assertEqual(run.returncode, 3, run.stderr)
            self.assertIn("no space left on the disk; free some, then continue with --resume",
                          run.stderr)
            self.trials(disk / "out")
            shutil.rmtree(disk / "out")
            (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096))
            run = self.pollmark("run", self.experiment(blocks=1), "-o", disk / "out")
            self.assertEqual(run.returncode, 3, run.stderr)
            self.assertIn("no space left on the disk; free some", run.stderr)
            self.assertNotIn("--resume", run.stderr, "there is nothing to go on with")
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_an_ordinary_user_can_run_the_model(self):
        run = self.pollmark("run", self.experiment(blocks=1), "-o", self.scratch / "out",
                            **self.ordinary_user())
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    harness.main()
