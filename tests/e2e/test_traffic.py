"""The frames of an experiment: what plan -w writes, and that the model carries every kind of them."""

import shutil
import struct
import subprocess
import unittest

import harness

TRAFFIC = """\
name = "traffic"

[generator]
port = "model"

[receiver]
port = "model"
stage = "checksum"
queues = 4
rss_fields = ["ipv4-udp", "ipv4-tcp", "ipv6-udp", "ipv6-tcp"]

[traffic]
{traffic}

[trial]
seconds = 0.005
warmup = 0.001
blocks = 1
retries = 3
validity = "as_is"
"""

KINDS = {
    "plain": 'frame = "imix"\nload = "2 Mpps"',
    "tagged, short stamp": 'frame = 64\nvlan = "5 to 9"\nload = "50 %"',
    "qinq tcp6": 'kind = "tcp"\nip_version = 6\nqinq = 7\nvlan = 8\nframe = "bbddg"\nload = "2 Mpps"',
    "genome and zipf": 'frame = "aaBg"\nletters = { B = 594 }\npopularity = "zipf"\nload = "40 %"',
    "on and off": 'frame = "64 to 200"\narrivals = "on 100 us off 100 us"\nload = "30 %"',
    "other addresses": 'src_ip = "10.1.0.0/24"\npermitted_addresses = ["10.0.0.0/8"]\nflows = 200\n'
                       'dscp = [0, 46]\nttl = "random 9 to 90"\nload = "2 Mpps"',
}


def frames_of(path):
    """(ns, bytes) of each frame of a pcap file with nanosecond stamps."""
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xA1B23C4D
    at = 24
    while at < len(data):
        seconds, ns, kept, whole = struct.unpack_from("<IIII", data, at)
        assert kept == whole
        yield seconds * 10**9 + ns, data[at + 16:at + 16 + kept]
        at += 16 + kept


class Traffic(harness.Case):
    def test_both_directions_at_once_have_books_of_their_own(self):
        out = self.scratch / "both"
        text = TRAFFIC.format(traffic='frame = 128\nload = "2 Mpps"\ndirection = "both"')
        run = self.pollmark("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        trial = self.trials(out)[0]
        self.assertEqual(len(trial["streams"]), 2)
        for stream in trial["streams"]:
            self.assertEqual(stream["offered_pkts"], 10_000)
            self.assertEqual(stream["unaccounted_pkts"], 0)
        self.assertEqual(trial["offered_pkts"], 20_000)
        self.assertEqual(trial["intended_pps"], 4e6)
        self.assertEqual([(q["stream"], q["queue"]) for q in trial["queues"]],
                         [(stream, queue) for stream in (0, 1) for queue in range(4)])
        shares = [[q["share"] for q in trial["queues"] if q["stream"] == stream] for stream in (0, 1)]
        self.assertNotEqual(*shares, "answers have other hashes than what they answer")

    def test_rss_predicts_the_shares_that_the_trials_show(self):
        out = self.scratch / "shares"
        experiment = self.experiment(TRAFFIC.format(
            traffic='frame = 128\nflows = 40\nload = "8 Mpps"').replace("blocks = 1", "blocks = 3"))
        self.assertEqual(self.pollmark("run", experiment, "-o", out).returncode, 0)
        run = self.pollmark("rss", experiment, "--measured", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        rows = [line.split() for line in run.stdout.splitlines() if line.strip()[:1].isdigit()
                and line.count("%") == 3]
        self.assertEqual(len(rows), 4, run.stdout)
        for _, predicted, _, measured, *_ in rows:
            self.assertAlmostEqual(float(predicted), float(measured), delta=0.02)

    def test_the_frames_of_both_directions_are_planned_by_time(self):
        planned = self.planned('frame = 128\nflows = 4\nload = "2 Mpps"\ndirection = "both"',
                               packets=400)
        times = [ns for ns, _ in planned]
        self.assertEqual(times, sorted(times))
        tuples = [(frame[26:30] + frame[34:36], frame[30:34] + frame[36:38]) for _, frame in planned]
        there = {pair for pair in tuples if pair[0][1] == 18}  # from 198.18
        back = {(dst, src) for src, dst in tuples if src[1] == 19}
        self.assertEqual(len(there), 4)
        self.assertEqual(there, back)

    def test_planned_frames_carry_the_payloads_that_match(self):
        patterns = self.scratch / "patterns.txt"
        patterns.write_text("needle[0-9]\n")
        text = TRAFFIC.format(traffic='frame = 200\nload = "2 Mpps"\nhit_ratio = "100 %"').replace(
            'stage = "checksum"', f'stage = {{ kind = "hyperscan", patterns = "{patterns}" }}')
        capture = self.scratch / "hits.pcap"
        run = self.pollmark("plan", self.experiment(text), "-w", capture, "--packets", 50)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(all(b"needle" in frame for _, frame in frames_of(capture)))

    def test_both_directions_in_real_time_want_lcores_of_their_own(self):
        text = TRAFFIC.format(traffic='load = "1 kpps"\ndirection = "both"\n[model]\nclock = "wall"')
        self.assert_refused(self.pollmark("run", self.experiment(text)), 2,
                            "each way has lcores of its own")

    def planned(self, traffic, *more, packets=500):
        capture = self.scratch / "x.pcap"
        run = self.pollmark("plan", self.experiment(TRAFFIC.format(traffic=traffic)), "-w", capture,
                            "--packets", packets, *more)
        self.assertEqual(run.returncode, 0, run.stderr)
        return list(frames_of(capture))

    def test_every_kind_is_carried_and_its_books_close(self):
        for name, traffic in KINDS.items():
            out = self.scratch / name.replace(" ", "_")
            run = self.pollmark("run", self.experiment(TRAFFIC.format(traffic=traffic)), "-o", out)
            # A busy host may leave the cell without a valid trial: the books close all the same.
            self.assertIn(run.returncode, (0, 1), name + run.stderr)
            self.assertTrue(self.trials(out), name + run.stderr)
            for trial in self.trials(out):
                self.assertEqual(trial["unaccounted_pkts"], 0, name)
                self.assertGreater(trial["received_pkts"], 0, name)
                self.assertEqual(trial["ledger"]["corrupt_pkts"], 0, name)

    def test_plan_writes_sizes_order_and_times(self):
        frames = self.planned('frame = "aaBg"\nletters = { B = 594 }\nload = "1 Mpps"', packets=400)
        self.assertEqual([len(data) + 4 for _, data in frames], [64, 64, 594, 1518] * 100)
        times = [ns for ns, _ in frames]
        self.assertEqual(times, sorted(times))
        self.assertAlmostEqual((times[396] - times[0]) / 1000, 396, delta=1)

    def test_plan_writes_the_cell_that_is_named(self):
        text = TRAFFIC.format(traffic='load = "1 Mpps"') + '\n[factors]\nframe = [64, 128]\n'
        capture = self.scratch / "x.pcap"
        for cell, size in ((1, 64), (2, 128)):
            run = self.pollmark("plan", self.experiment(text), "-w", capture, "--cell", cell,
                                "--packets", 10)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual({len(data) + 4 for _, data in frames_of(capture)}, {size})
        self.assert_refused(self.pollmark("plan", self.experiment(text), "-w", capture, "--cell", 3),
                            2, "1 to 2")

    def test_plan_never_writes_over_what_it_reads(self):
        capture = self.scratch / "lab.pcap"
        shutil.copy(harness.CAPTURE, capture)
        experiment = self.experiment(TRAFFIC.format(
            traffic='kind = "replay"\npcap = "lab.pcap"\nload = "1 Mpps"'))
        for path in (experiment, capture, self.scratch / "." / "lab.pcap"):
            before = path.read_bytes()
            self.assert_refused(self.pollmark("plan", experiment, "-w", path), 2, "is an input")
            self.assertEqual(path.read_bytes(), before)

    def test_plan_sees_that_a_disk_is_full(self):
        experiment = self.experiment(TRAFFIC.format(traffic=KINDS["plain"]))
        self.assert_refused(self.pollmark("plan", experiment, "-w", "/dev/full", "--packets", 20000),
                            3, "/dev/full", "No space left")
        before = sorted(self.scratch.iterdir())
        run = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$0" "$@"', harness.PROGRAM, "plan", experiment, "-w",
                              self.scratch / "x.pcap", "--packets", "20000"],
                             capture_output=True, text=True, timeout=60)
        self.assert_refused(run, 3, "x.pcap", "File too large")
        self.assertEqual(sorted(self.scratch.iterdir()), before, "nothing half-written")

    def test_plan_says_where_it_cannot_write(self):
        self.assert_refused(self.pollmark("plan", self.experiment(), "-w", "/proc/x.pcap"), 3,
                            "/proc/x.pcap")

    def test_a_replay_is_filtered_and_rewritten(self):
        frames = self.planned(f'kind = "replay"\npcap = "{harness.CAPTURE}"\nload = "1 Mpps"\n'
                              'filter = "udp"\nrewrite = { dst_mac = "02:00:00:00:00:09" }')
        self.assertEqual({data[:6] for _, data in frames}, {b"\x02\0\0\0\0\x09"})
        run = self.pollmark("plan", self.experiment(TRAFFIC.format(
            traffic=f'kind = "replay"\npcap = "{harness.CAPTURE}"\nload = "1 Mpps"\n'
                    'filter = "udp and and"')))
        self.assert_refused(run, 2, "filter", "pcap-filter")

    def test_a_replay_counts_what_was_filtered_and_rewritten(self):
        text = TRAFFIC.format(
            traffic=f'kind = "replay"\npcap = "{harness.CAPTURE}"\nload = "1 Mpps"\n'
                    'filter = "udp"\nrewrite = { dst_mac = "02:00:00:00:00:09" }')
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        capture = self.trials(out)[0]["generator"]["capture"]
        data = harness.CAPTURE.read_bytes()
        at, frames = 24, 0
        while at < len(data):
            at += 16 + struct.unpack_from("<I", data, at + 8)[0]
            frames += 1
        self.assertEqual(capture["replayed_pkts"] + capture["filtered_pkts"], frames)
        self.assertGreater(capture["filtered_pkts"], 0)
        self.assertEqual(capture["rewritten_pkts"], capture["replayed_pkts"])
        self.assertEqual(capture["padded_pkts"], 0)
        self.assertIn(f"{capture['filtered_pkts']} filtered out", (out / "report.html").read_text())

    @unittest.skipUnless(shutil.which("tshark"), "needs tshark")
    def test_wireshark_finds_nothing_wrong(self):
        for name, traffic in KINDS.items():
            self.planned(traffic)
            shark = subprocess.run(
                ["tshark", "-r", self.scratch / "x.pcap", "-o", "ip.check_checksum:TRUE",
                 "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
                 "-T", "fields", "-e", "frame.number", "-Y",
                 "ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0 "
                 "|| _ws.malformed || tcp.analysis.retransmission || tcp.analysis.out_of_order"],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(shark.returncode, 0, shark.stderr)
            self.assertEqual(shark.stdout, "", name)


if __name__ == "__main__":
    harness.main()
