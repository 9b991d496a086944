"""drops: where packets die on a host, seen by both programs, in a namespace of the test's own."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import harness
from test_kernel import has_capability, has_net_admin

# Loses two datagrams at a full socket and one at a closed port each millisecond.
LOSER = """\
import socket, subprocess, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
deaf.bind(("127.0.0.1", 7777))
print("ready", flush=True)
while True:
    for port in (9, 7777, 7777):
        sender.sendto(b"x" * 40, ("127.0.0.1", port))
    time.sleep(0.001)
"""


def host_program():
    return str(pathlib.Path(harness.PROGRAM).with_name("pollmark-host"))


class Drops(harness.Case):
    def host(self, *arguments, **more):
        return subprocess.run([host_program(), "drops", *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, cwd=self.scratch, **more)

    def losing_namespace(self):
        """PID of a process that loses datagrams in a namespace of its own."""
        loser = subprocess.Popen(["unshare", "-n", sys.executable, "-c", LOSER],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(loser.stdout.close)
        self.addCleanup(loser.wait)
        self.addCleanup(loser.kill)
        self.assertEqual(loser.stdout.readline(), "ready\n")
        return str(loser.pid)

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_each_loss_is_named_once_with_its_cause_and_remedy(self):
        run = self.host("--netns", self.losing_namespace(), "--once", "--every", "200ms",
                        "--no-reasons")
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = run.stdout.splitlines()
        losses = [line for line in lines if "/s  " in line]
        self.assertEqual(len(losses), 2, run.stdout)
        self.assertIn("udp_socket[127.0.0.1:7777#", losses[0])
        self.assertIn("udp.NoPorts", losses[1])
        self.assertIn("the socket's receive buffer was full", run.stdout)
        self.assertIn("remedy: sysctl -w net.core.rmem_max=N", run.stdout)
        again = [line for line in lines if line.startswith("Counted again")]
        self.assertEqual(len(again), 1)
        self.assertIn("udp.RcvbufErrors", again[0])

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_both_programs_record_lines_that_add_up(self):
        pid = self.losing_namespace()
        for program in (host_program(), harness.PROGRAM):
            folder = self.scratch / pathlib.Path(program).name
            run = subprocess.run([program, "drops", "lo", "--netns", pid, "--json", "--every",
                                  "100ms", "--for", "350ms", "--record", str(folder)],
                                 capture_output=True, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual((folder / "drops.jsonl").read_text(), run.stdout)
            first, *intervals = [json.loads(line) for line in run.stdout.splitlines()]
            self.assertEqual(first["kind"], "reading")
            self.assertIn("link.lo.rx_dropped", first["counters"])
            self.assertEqual(len(intervals), 4)
            deltas = [loss["delta"] for interval in intervals for loss in interval["lost"]
                      if loss["counter"] == "udp.NoPorts"]
            last = [loss for loss in intervals[-1]["lost"] if loss["counter"] == "udp.NoPorts"][0]
            self.assertEqual(sum(deltas), last["since_start"])
            self.assertEqual(first["counters"]["udp.NoPorts"] + sum(deltas), last["reading"])

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_alarm_stops_with_exit_code_1_and_says_why(self):
        run = self.host("--netns", self.losing_namespace(), "--every", "50ms", "--alarm",
                        "RcvbufErrors > 20")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr, r"^alarm: RcvbufErrors rose by \d+, more than 20\n$")

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_collector_flags_show_what_moved_and_say_what_no_collector_shows(self):
        run = self.host("--netns", self.losing_namespace(), "--for", "200ms", "--node-exporter")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("--collector.netstat --collector.netstat.fields='^(Udp_InErrors|Udp_NoPorts|"
                      "Udp_RcvbufErrors)$'\n", run.stdout)
        self.assertIn("# no collector shows udp_socket[127.0.0.1:7777#", run.stdout)

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    @harness.unittest.skipUnless(has_capability(39), "needs CAP_BPF")
    def test_the_kernels_reasons_tell_the_same_losses_by_place_and_flow(self):
        pid = self.losing_namespace()
        run = self.host("--netns", pid, "--once", "--every", "300ms", "--by", "flow", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        interval = json.loads(run.stdout.splitlines()[-1])
        reasons = interval["reasons"]
        self.assertEqual((reasons["source"], reasons["unseen_pkts"]), ("bpf", 0))
        for told in (reasons["places"], reasons["flows"]):
            # Two datagrams to the full socket for each to the closed port: the worst first.
            self.assertEqual([row["reason"] for row in told], ["SOCKET_RCVBUFF", "NO_SOCKET"])
            full, closed = (row["delta"]["pkts"] for row in told)
            self.assertAlmostEqual(full, 2 * closed, delta=2)
        self.assertEqual({(row["netdev"], row["ethertype"]) for row in reasons["places"]},
                         {("lo", 0x0800)})
        self.assertEqual({row["destination"] for row in reasons["flows"]},
                         {"127.0.0.1:7777", "127.0.0.1:9"})
        text = self.host("--netns", pid, "--once", "--every", "100ms", "--by", "flow").stdout
        self.assertRegex(text, r"/s  SOCKET_RCVBUFF in \w+, lo  \(\d+ in the interval")
        self.assertRegex(text, r"/s  udp 127.0.0.1:\d+ > 127.0.0.1:9  NO_SOCKET  \(\d+ in the")

    def test_what_one_reading_takes_is_measured(self):
        run = self.pollmark("bench", "--survey", "--repeats", "5", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        cost = json.loads(run.stdout)
        self.assertGreater(cost["counters"], 50)
        self.assertEqual(len(cost["wall"]), 5)
        self.assertEqual(cost["wall"], sorted(cost["wall"]))
        for wall, cpu in zip(cost["wall"], cost["cpu"]):
            self.assertGreater(wall, 0)
            self.assertGreater(cpu, 0)
        text = self.pollmark("bench", "--survey", "--repeats", "3").stdout
        self.assertRegex(text, r"one reading of every layer, \d+ counters: [\d.]+ ms .*medians of 3\n"
                               r"asked <= 5 ms: (met|missed)\n")

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_without_reasons_nothing_is_said_of_them(self):
        pid = self.losing_namespace()
        run = self.host("--netns", pid, "--once", "--every", "50ms", "--no-reasons", "--json")
        self.assertNotIn("reasons", json.loads(run.stdout.splitlines()[-1]))
        text = self.host("--netns", pid, "--once", "--every", "50ms", "--no-reasons").stdout
        self.assertNotIn("kernel's words", text)
        self.assertNotIn("unattributed", text)

    def test_a_watch_without_an_end_is_ended_by_ctrl_c_and_an_unfinished_one_interrupted(self):
        for more, code in (([], 0), (["--for", "60s"], 4)):
            watch = subprocess.Popen([host_program(), "drops", "--json", "--every", "50ms", *more],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2):
                self.assertTrue(watch.stdout.readline().startswith("{"))
            watch.send_signal(signal.SIGINT)
            output, errors = watch.communicate(timeout=30)
            self.assertEqual((watch.returncode, errors), (code, ""))
            for line in output.splitlines():
                json.loads(line)

    def test_an_ordinary_user_reads_what_the_kernel_shows_to_all(self):
        more = {}
        if os.geteuid() == 0:
            program = self.scratch / "pollmark-host"
            program.write_bytes(pathlib.Path(host_program()).read_bytes())
            os.chmod(program, 0o755)
            os.chmod(self.scratch, 0o755)
            more = {"user": 65534, "group": 65534, "extra_groups": [],
                    "executable": str(program)}
        run = self.host("--once", "--every", "20ms", "--json", **more)
        self.assertEqual(run.returncode, 0, run.stderr)
        reading = json.loads(run.stdout.splitlines()[0])
        self.assertIn("link.lo.rx_dropped", reading["counters"])
        self.assertIn("udp.NoPorts", reading["counters"])
        if os.geteuid() == 0:
            reasons = json.loads(run.stdout.splitlines()[-1])["reasons"]
            self.assertRegex(reasons["not_read"], r"^BPF: needs CAP_BPF and CAP_PERFMON; tracefs: ")
            text = self.host("--once", "--every", "20ms", **more).stdout
            self.assertIn("reasons: unattributed (BPF: needs CAP_BPF and CAP_PERFMON; ", text)

    def test_mistakes_are_one_line_each(self):
        for arguments, code, words in (
                (["nosuch"], 3, "nosuch: no such network device"),
                (["--netns", "999999999"], 3, "/proc/999999999/ns/net: No such file"),
                (["--netns", "/dev/null"], 3, "/dev/null: is no network namespace"),
                (["--every", "1us"], 2, "allowed: 10 ms and more"),
                (["--every", "1"], 2, "--every: \"1\": the unit is missing"),
                (["--for", "soon"], 2, "--for: \"soon\""),
                (["--alarm", "rx_dropped"], 2, "allowed: 'NAME > N'"),
                (["--alarm", "rx_droped > 0"], 2, "did you mean \"rx_dropped\""),
                (["--record", "/dev/null/x"], 3, "/dev/null/x/drops.jsonl: cannot be opened"),
                (["--by", "port"], 2, "--by: port not in {flow}"),
                (["--by", "flow", "--no-reasons"], 2, "--by excludes --no-reasons"),
                (["--evry", "1s"], 2, "pollmark-host drops --help")):
            self.assert_refused(self.host(*arguments), code, words)

    def test_what_the_disk_does_not_take_is_said(self):
        folder = self.scratch / "full"
        folder.mkdir()
        (folder / "drops.jsonl").symlink_to("/dev/full")
        self.assert_refused(self.host("--once", "--every", "20ms", "--record", str(folder)), 3,
                            "cannot be appended to: No space left")


if __name__ == "__main__":
    harness.main()
