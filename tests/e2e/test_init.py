"""init: an experiment to begin with, and one like the host of a snapshot."""

import json
import os
import pathlib
import subprocess

import harness
from test_drops import host_program

SNAPSHOTS = pathlib.Path(__file__).resolve().parents[1] / "golden/snapshots"


class Init(harness.Case):
    def plans(self, text):
        run = self.pollmark("plan", self.experiment(text, name="made.toml"))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_what_it_prints_for_this_machine_plans_and_runs(self):
        run = self.pollmark("init")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.plans(run.stdout)
        tried = self.pollmark("run", self.experiment(run.stdout), "--quick", "-o",
                              self.scratch / "out", "--set", "trial.validity=as_is", timeout=300)
        self.assertIn(tried.returncode, (0, 1), tried.stderr)  # 1: too busy for a valid trial

    def test_a_user_without_rights_gets_the_model(self):
        run = self.pollmark("init", **self.ordinary_user())
        if os.geteuid() != 0 and 'port = "veth"' in run.stdout:
            self.skipTest("needs a user without CAP_NET_ADMIN")
        self.assertIn('port = "model"', run.stdout)
        self.assertIn("# needs CAP_NET_ADMIN", run.stdout)
        self.plans(run.stdout)

    def test_a_file_is_not_overwritten_without_force(self):
        file = self.scratch / "first.toml"
        run = self.pollmark("init", "-o", file)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"next: pollmark plan {file}", run.stdout)
        self.plans(file.read_text())
        file.write_text("mine")
        self.assert_refused(self.pollmark("init", "-o", file), 2, "is there already", "--force")
        self.assertEqual(file.read_text(), "mine")
        self.assertEqual(self.pollmark("init", "-o", file, "--force").returncode, 0)
        self.plans(file.read_text())
        self.assert_refused(self.pollmark("init", "-o", self.scratch / "no/x"), 3, "No such file")
        self.assert_refused(self.pollmark("init", "-o", self.scratch), 2, "is a folder")
        self.assert_refused(self.pollmark("init", "-o", "/dev/full", "--force"), 2, "is a device")

    def test_this_hosts_own_snapshot_comes_round(self):
        taken = subprocess.run([host_program(), "snapshot", "--look", "20ms"], capture_output=True,
                               text=True, timeout=60)
        for netdev in json.loads(taken.stdout)["netdevs"]:
            run = subprocess.run([harness.PROGRAM, "init", "--from", "-", "--netdev", netdev["netdev"]],
                                 input=taken.stdout, capture_output=True, text=True, timeout=60)
            self.assertEqual((run.returncode, run.stderr), (0, f"{netdev['netdev']}: "
                              + ("asked for\n")))
            self.plans(run.stdout)

    def test_recorded_snapshots_come_round(self):
        for snapshot in sorted(SNAPSHOTS.glob("*.json")):
            run = self.pollmark("init", "--from", snapshot)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1, "which device, and why")
            self.assertIn("udp_socket", self.plans(run.stdout))

    def test_mistakes_are_one_line_each(self):
        nic = SNAPSHOTS / "nic_25g.json"
        cut = self.scratch / "cut.json"
        cut.write_text(nic.read_text()[:700])
        other = self.scratch / "other.json"
        other.write_text('{"kind": "trial"}')
        fifo = self.scratch / "fifo"
        os.mkfifo(fifo)
        for arguments, words in ((["--from", cut], "not all of it (at byte 701 of 700)"),
                                 (["--from", other], "is no snapshot"),
                                 (["--from", fifo], "is a FIFO"),
                                 (["--from", "/dev/zero"], "is a device"),
                                 (["--from", self.scratch], "is a folder"),
                                 (["--from", "absent.json"], "no such file"),
                                 (["--from", "-"], "no JSON"),
                                 (["--from", nic, "--netdev", "eth7"], "allowed: lo, eth2"),
                                 (["--netdev", "lo"], "--from"),
                                 (["--force"], "--output"),
                                 (["-o", ""], "is empty"),
                                 (["--from", ""], "is empty")):
            with self.subTest(words):
                self.assert_refused(self.pollmark("init", *arguments, timeout=20), 2, words)


if __name__ == "__main__":
    harness.main()
