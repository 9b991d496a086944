"""snapshot: settings and traffic shape of a host, from both programs."""

import json
import pathlib
import signal
import subprocess

import harness
from test_drops import host_program


class Snapshot(harness.Case):
    def run_of(self, program, *arguments):
        return subprocess.run([program, "snapshot", *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, cwd=self.scratch)

    def test_both_programs_tell_the_same_of_a_device_that_stands_still(self):
        told = []
        for program in (host_program(), harness.PROGRAM):
            run = self.run_of(program, "lo", "--look", "50ms")
            self.assertEqual(run.returncode, 0, run.stderr)
            snapshot = json.loads(run.stdout)
            self.assertGreaterEqual(snapshot["netdevs"][0]["traffic"]["seconds"], 0.05)
            told.append((snapshot["netdevs"][0]["settings"], snapshot["sysctls"]))
        self.assertEqual(told[0], told[1])

    def test_it_agrees_with_the_files_that_it_read(self):
        snapshot = json.loads(self.run_of(host_program(), "--look", "20ms").stdout)
        files = {"net.core.somaxconn": "/proc/sys/net/core/somaxconn",
                 "vm.min_free_kbytes": "/proc/sys/vm/min_free_kbytes"}
        for name, path in files.items():
            self.assertEqual(snapshot["sysctls"][name], pathlib.Path(path).read_text().strip())
        for netdev in snapshot["netdevs"]:
            folder = pathlib.Path("/sys/class/net") / netdev["netdev"]
            self.assertEqual(netdev["mtu"], int((folder / "mtu").read_text()))
            self.assertEqual(netdev["mac"], (folder / "address").read_text().strip())

    def test_mistakes_are_one_line_each(self):
        for arguments, code, words in ((["nosuch"], 3, "nosuch: no such network device"),
                                       (["--look", "5"], 2, "--look: \"5\": the unit is missing"),
                                       (["--netns", "0"], 3, "/proc/0/ns/net"),
                                       (["--lok", "1s"], 2, "pollmark-host snapshot --help")):
            self.assert_refused(self.run_of(host_program(), *arguments), code, words)

    def test_ctrl_c_during_the_look_leaves_no_half_of_it(self):
        look = subprocess.Popen([host_program(), "snapshot", "--look", "60s"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with self.assertRaises(subprocess.TimeoutExpired):
            look.wait(timeout=1)
        look.send_signal(signal.SIGINT)
        output, errors = look.communicate(timeout=30)
        self.assertEqual((look.returncode, output, errors), (4, "", ""))


if __name__ == "__main__":
    harness.main()
