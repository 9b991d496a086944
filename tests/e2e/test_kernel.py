"""The kernel path over a veth pair of the program's own."""

import json
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import time

import harness

# How often the run is killed; a measurement raises it.
KILLS = int(os.environ.get("POLLMARK_TEST_KILLS", "3"))

EXPERIMENT = """\
name = "veth"
question = "Does the socket keep up?"

[generator]
port = "veth"

[receiver]
port = "veth"

[traffic]
kind = "udp"
frame = 64
flows = 64
load = "20 kpps"

[factors]
path = ["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]

[trial]
seconds = 0.2
warmup = 0.02
blocks = 2
retries = 9

[judge]
metric = "loss_ratio"
"""


CLOSED = """\
name = "closed"

[generator]
port = "veth"

[receiver]
port = "veth"

[trial]
seconds = 0.1
warmup = 0.02
blocks = 1
validity = "as_is"

[judge]
metric = "transactions_per_s"

[[group]]
name = "ask"
factors = { path = ["tcp_rr", "udp_rr"], response_bytes = [500] }

[[group]]
name = "stream"

[group.receiver]
path = "tcp_stream"

[group.factors]
message_bytes = [131072]
streams = [2]
taps = [true]
"""


# Two paths whose receiver a tap sees, and one whose receiver it does not.
CAPTURED = EXPERIMENT.replace('["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]',
                              '["udp_socket", "packet_mmap", "xdp_drop"]') \
    .replace("blocks = 2", "blocks = 1").replace("retries = 9", "retries = 2") + """
[capture]
at = ["sender", "receiver"]
filter = "udp"
snaplen = 96
limit = "8 MiB"
"""


# One receiver, and knobs in place of paths.
KNOBS = EXPERIMENT.replace("[receiver]\n", "[receiver]\npath = \"udp_socket\"\n") \
    .replace("retries = 9", "retries = 2\nvalidity = \"as_is\"")


def with_knobs(*factors):
    return re.sub(r"^path = \[.*\]$", "\n".join(factors), KNOBS, count=1, flags=re.MULTILINE)


# What a knob is turned to where its form alone does not say it: what others need (a checksum that is
# off takes TSO along, a thread polls with GRO alone), or a number that means something.
LEVELS = {
    "channels": 2, "mtu": 4000, "rfs": 256, "tx_queue_len": 77, "nft_rules": 300,
    "tx_checksum": "off", "sg": "off", "tso": "off", "gso": "off", "udp_segmentation": "off",
    "rx_checksum": "off", "lro": "off", "tcp_rmem": "4096 65536 1048576",
    "tcp_wmem": "4096 65536 1048576", "syncookies": 2, "max_syn_backlog": 77, "somaxconn": 77,
    "napi_defer_hard_irqs": 2,
}
SWEPT = {"qdisc": ["pfifo 50", "htb 1 Gbps 50"]}


class Knob:
    """A factor of [kernel], as `pollmark factors` tells of it."""

    def __init__(self, name, text):
        self.name = name
        self.text = " ".join(text.split())
        self.paths = re.search(r"acts on (.*?)(?: ethtool |$)", self.text).group(1).split(", ")
        allowed = re.search(r"allowed (.*?) default ", self.text).group(1)
        least = re.search(r"or (\d+) to \d+", allowed)
        for mark, level in (('"on", "off"', "on"), ("CPUs:", "0"), ("20 us", "20 us")):
            if mark in allowed:
                self.level = level
                break
        else:
            self.level = int(least.group(1)) + 1 if least else None
        self.level = LEVELS.get(name, self.level)

    def out_of_reach(self):
        """Why a test turns it on no veth; empty: it does."""
        reason = re.search(r"Not on veth: [^.]*|Of the whole host", self.text)
        return reason.group(0) if reason and self.name not in LEVELS else ""


def has_capability(bit):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> bit & 1)
    return False


def has_net_admin():
    return has_capability(12)


class Kernel(harness.Case):
    def knobs(self):
        told = self.pollmark("factors").stdout
        blocks = re.findall(r"^(\w+)  \[kernel\]\n((?:  .*\n)+)", told, flags=re.MULTILINE)
        return [Knob(name, text) for name, text in blocks]

    def every_knob(self):
        """An experiment whose every trial turns all that a veth and its namespaces take."""
        knobs = [knob for knob in self.knobs() if not knob.out_of_reach()]
        text = re.sub(r"\n\[factors\]\npath = .*\n", "\n", EXPERIMENT) \
            .replace("retries = 9", "retries = 0\nvalidity = \"as_is\"")
        for group, path in (("stack", "udp_socket"), ("loop", "tcp_rr")):
            text += f"""
[[group]]
name = "{group}"
receiver = {{ path = "{path}" }}
factors = {{ {", ".join(f"{name} = {json.dumps(levels)}" for name, levels in SWEPT.items())} }}
[group.kernel]
"""
            text += "".join(f"{knob.name} = {json.dumps(knob.level)}\n" for knob in knobs
                            if knob.name not in SWEPT and path in knob.paths)
        return text

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_one_trial_turns_every_knob_that_a_veth_takes(self):
        knobs = self.knobs()
        left = {knob.name for knob in knobs if knob.out_of_reach()}
        for knob in knobs:
            self.assertTrue(knob.out_of_reach() or knob.level is not None or knob.name in SWEPT,
                            f"{knob.name}: a level for it in LEVELS, or the reason in its table")
        self.assertEqual({knob.name for knob in knobs if "the whole host" in knob.out_of_reach()},
                         {"netdev_budget", "netdev_budget_usecs", "netdev_max_backlog", "busy_poll",
                          "busy_read", "rps_sock_flow_entries", "rmem_max", "wmem_max"})
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(self.every_knob()), "-o", out, timeout=300)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertEqual({t["path"] for t in trials}, {"udp_socket", "tcp_rr"})
        for trial in trials:
            turned = {name for name, knob in trial["knobs"].items() if knob["state"] == "confirmed"}
            asked = {knob.name for knob in knobs if trial["path"] in knob.paths} - left
            self.assertLessEqual(asked, turned, trial["invalid_reasons"])

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_the_books_close_on_every_path(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(EXPERIMENT), "-o", out, timeout=300)
        # 1: this machine was too busy for a valid trial. Its books must close all the same.
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertEqual({t["path"] for t in trials}, {"udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"})
        for trial in trials:
            self.assertEqual(trial["unaccounted_pkts"], 0, trial)
            self.assertGreater(trial["offered_pkts"], 0)
            self.assertEqual(trial["order"]["drop_reasons"], "on")
            drops = trial["streams"][0]["drops"]
            if trial["path"] in ("udp_socket", "af_xdp") and has_capability(39):
                self.assertEqual((drops["source"], drops["unseen_pkts"]), ("bpf", 0))
            elif trial["path"] not in ("udp_socket", "af_xdp"):
                self.assertIsNone(drops)
        self.assertTrue(any(t["kind"] == "calibration" for t in self.trials(out)))

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_captures_of_a_trial_are_files_of_its_folder(self):
        out = self.scratch / "out"
        experiment = self.experiment(CAPTURED)
        run = self.pollmark("run", experiment, "-o", out, timeout=300)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.assertIn("XDP takes the frames before a tap could see them", " ".join(run.stdout.split()))
        named = set()
        for trial in self.trials(out):
            if trial["path"] == "xdp_drop":
                self.assertEqual(trial["captures"], [])
                continue
            self.assertEqual([c["at"] for c in trial["captures"]], ["sender", "receiver"])
            for capture in trial["captures"]:
                self.assertGreater(capture["written_pkts"], 0)
                self.assertEqual(capture["not_captured_pkts"], 0)
                self.assertEqual(capture["file_bytes"], (out / capture["file"]).stat().st_size)
                named.add(capture["file"])
            # Whatever was offered passed the sender's device, the warm-up too.
            sender = trial["captures"][0]
            self.assertGreaterEqual(sender["written_pkts"] + sender["beyond_limit_pkts"],
                                    trial["offered_pkts"])
            self.assertTrue(any(w.startswith("CPU without captures") for w in trial["not_checked"]))
        there = {str(f.relative_to(out)) for f in (out / "capture").iterdir()}
        self.assertEqual(there, named)
        self.assertIn("Captures, whose cost is in the CPU figures", run.stdout)
        before = (out / "trials.jsonl").read_bytes()
        # A run that was killed in a trial left this.
        (out / "capture/99-sender.pcapng.half-written").write_bytes(b"frames")
        resumed = self.pollmark("run", experiment, "-o", out, "--resume", timeout=300)
        self.assertIn(resumed.returncode, (0, 1), resumed.stderr)
        self.assertTrue((out / "trials.jsonl").read_bytes().startswith(before))
        self.assertEqual({f.suffix for f in (out / "capture").iterdir()}, {".pcapng"})

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_a_capture_that_has_no_room_makes_its_trial_invalid(self):
        out = self.scratch / "out"
        limit = 256 << 10  # more than the records take, less than the frames
        experiment = self.experiment(CAPTURED.replace(', "xdp_drop"', "").replace("retries = 2", "retries = 0"))
        run = self.pollmark("run", experiment, "-o", out, timeout=300,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(run.returncode, 1, run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertEqual(len(trials), 2)
        for trial in trials:
            self.assertFalse(trial["valid"])
            self.assertTrue(any(r.startswith("capture_failed: at the sender: cannot be written: File too large")
                                for r in trial["invalid_reasons"]), trial["invalid_reasons"])
            self.assertEqual({c["file"] for c in trial["captures"]}, {""})
        self.assertEqual(list((out / "capture").iterdir()), [])

    def test_a_capture_filter_that_is_none_is_a_mistake_of_the_file(self):
        experiment = self.experiment(CAPTURED.replace('"udp"\nsnap', '"udp prot 9"\nsnap'))
        run = self.pollmark("plan", experiment)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertRegex(run.stderr, r"small.toml:\d+:\d+: filter: .*syntax error")

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_resuming_what_is_done_runs_nothing(self):
        out = self.scratch / "out"
        experiment = self.experiment(EXPERIMENT.replace("blocks = 2", "blocks = 1")
                                     .replace("retries = 9", "retries = 0"))
        self.pollmark("run", experiment, "-o", out)
        before = (out / "trials.jsonl").read_bytes()
        self.assertIn(b'"calibration"', before)
        self.pollmark("run", experiment, "-o", out, "--resume")
        self.assertEqual((out / "trials.jsonl").read_bytes(), before)

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_closed_loops_keep_books_in_their_own_unit(self):
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(CLOSED), "-o", out, timeout=300)
        self.assertEqual(run.returncode, 0, run.stderr)
        trials = self.trials(out)
        self.assertEqual({t["kind"] for t in trials}, {"trial"}, "nothing to calibrate")
        units = {t["path"]: t["closed_loop"]["unit"] for t in trials}
        self.assertEqual(units, {"tcp_stream": "bytes", "tcp_rr": "transactions",
                                 "udp_rr": "transactions"})
        for trial in trials:
            self.assertEqual(trial["closed_loop"]["unaccounted"], 0, trial)
            self.assertGreater(trial["closed_loop"]["in_window"], 0)
            self.assertEqual(trial["streams"], [], "no packets are made up")
        self.assertIn("by transaction rate", " ".join(run.stdout.split()))
        self.assertIn("Closed loops, in their own unit", run.stdout)
        self.assertNotIn("Ledger, in packets", run.stdout)
        page = (out / "report.html").read_text()
        self.assertIn("transactions sent = ", page)
        self.assertIn("The books close.", page)
        table = (out / "summary.csv").read_text()
        for metric in ("goodput_bps,bit/s", "sender_segment_bytes,bytes"):
            self.assertRegex(table, f"stream,131072,,2,true,tcp_stream,{metric},[0-9]")

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_a_congestion_control_that_the_kernel_lacks_refuses_its_cell(self):
        out = self.scratch / "out"
        text = CLOSED.replace("streams = [2]", 'congestion_control = ["reno", "nonesuch"]')
        run = self.pollmark("run", self.experiment(text), "-o", out, timeout=300)
        said = " ".join(run.stdout.split())
        self.assertIn("not measured: congestion_control nonesuch: No such file or directory; "
                      "allowed: ", said + " ".join(run.stderr.split()))
        done = {t["cell"].get("congestion_control") for t in self.trials(out) if t["valid"]}
        self.assertIn("reno", done)

    def test_a_closed_loop_refuses_a_load(self):
        text = CLOSED.replace("[trial]", '[traffic]\nload = "1 Mpps"\n[trial]')
        run = self.pollmark("run", self.experiment(text), "-o", self.scratch / "out")
        self.assertEqual(run.returncode, 2)
        self.assertIn("load acts on no path that is used here; allowed with path dpdk, model",
                      run.stderr)

    def test_without_the_capability_the_cells_say_so(self):
        if os.geteuid() != 0 and has_net_admin():
            self.skipTest("needs a user without CAP_NET_ADMIN")
        more = self.ordinary_user()
        mixed = EXPERIMENT.replace("retries = 9", 'retries = 9\nvalidity = "as_is"') + \
            '\n[[group]]\nname = "model"\nfactors = { path = ["model"] }\n' \
            '[group.generator]\nport = "model"\n[group.receiver]\nport = "model"\n' \
            '[group.model]\nlink = "25G"\n'
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(mixed), "-o", out, **more)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("not measured: needs CAP_NET_ADMIN", " ".join(run.stdout.split()))
        self.assertEqual({t["path"] for t in self.trials(out) if t["valid"]}, {"model"})
        alone = self.pollmark("run", self.experiment(EXPERIMENT), "-o", self.scratch / "alone",
                              **more)
        self.assertEqual(alone.returncode, 3, alone.stderr)

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_a_knob_is_recorded_and_one_that_is_refused_says_so_in_the_drivers_words(self):
        out = self.scratch / "out"
        knobs = with_knobs('qdisc = ["default", "pfifo 50"]', 'lro = ["off", "on"]')
        run = self.pollmark("run", self.experiment(knobs), "-o", out, timeout=300)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        refused = [t for t in trials if t["cell"]["lro"] == "on"]
        self.assertTrue(refused)
        for trial in refused:
            self.assertIn("b0: lro: is off, fixed by the driver", trial["invalid_reasons"][0])
        turned = [t for t in trials if t["cell"] == {"lro": "off", "qdisc": "pfifo 50"}]
        self.assertTrue(turned)
        for trial in turned:
            self.assertEqual(trial["order"]["kernel_knobs"], trial["cell"])
            self.assertEqual(trial["unaccounted_pkts"], 0)
            knob = trial["knobs"]["qdisc"]
            self.assertEqual((knob["requested"], knob["effective"], knob["state"]),
                             ("pfifo 50", "pfifo 50", "confirmed"))
            self.assertTrue(knob["exercised"], knob)
            self.assertIn("frames passed the queueing discipline", knob["evidence"])

    @harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
    def test_nothing_is_left_behind_after_kill_9(self):
        def namespaces(processes):
            """Those that one of them is in, or has open."""
            found = set()
            for process in processes:
                for link in [process / "ns/net", *process.glob("fd/*")]:
                    try:
                        found.add(os.readlink(link))
                    except OSError:
                        pass
            return {each for each in found if each.startswith("net:")}

        def everybody():
            return pathlib.Path("/proc").glob("[0-9]*")

        def children(parent):
            found = []
            for process in everybody():
                try:
                    if int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                        found.append(process)
                except (OSError, IndexError):
                    pass
            return found

        def host():
            """Links, and every setting of the host's own that a knob could be."""
            text = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
            for file in sorted(pathlib.Path("/proc/sys/net/core").iterdir()):
                try:
                    text += f"{file} {file.read_text()}"
                except OSError:
                    pass
            return text

        before_host, own = host(), namespaces([pathlib.Path("/proc/self")])
        experiment = self.experiment(self.every_knob())
        moments = random.Random(1)
        for number, how in enumerate([signal.SIGKILL] * KILLS + [signal.SIGTERM, signal.SIGINT]):
            process = self.start("run", experiment, "-o", self.scratch / str(number))
            made = set()
            for _ in range(500):
                made = namespaces(children(process.pid)) - own
                if made:
                    break
                time.sleep(0.01)
            self.assertNotEqual(made, set())
            # Several trials long: between two of them, and in each step of one.
            time.sleep(moments.uniform(0, 1.5))
            made |= namespaces(children(process.pid)) - own
            process.send_signal(how)
            process.communicate(timeout=60)
            for _ in range(400):
                made &= namespaces(everybody())
                if not made:
                    break
                time.sleep(0.05)
            self.assertEqual(made, set(), f"{number}: {how.name}")
            self.assertEqual(host(), before_host, f"{number}: {how.name}")


if __name__ == "__main__":
    harness.main()
