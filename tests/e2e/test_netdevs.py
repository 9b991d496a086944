"""Trials on network devices of the host. The host is a namespace of the test's own, with a veth pair
whose two ends are ordinary devices there: they must come home as they were, whatever happens."""

import os
import pathlib
import random
import re
import signal
import subprocess
import time

import harness
from test_kernel import CLOSED, KILLS, has_net_admin

OPEN = """\
name = "netdevs"

[generator]
port = "netdev:t0"

[receiver]
port = "netdev:t1"

[host]
allow = ["netdev:t0", "netdev:t1"]

[traffic]
kind = "udp"
frame = 64
flows = 64
load = "20 kpps"

[factors]
path = ["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]

[trial]
seconds = 0.1
warmup = 0.02
blocks = 1
retries = 1
validity = "as_is"

[judge]
metric = "loss_ratio"
"""

# Each of them changes something on a device.
KNOBS = OPEN.replace('path = ["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]', """\
path = ["udp_socket"]
socket_buffer = ["4 KiB"]
mtu = [1400]
qdisc = ["tbf 100 Mbps 32000 B 256 KiB"]
tx_queue_len = [500]
gro = ["on"]
threaded_napi = ["on"]
rps = ["0"]""").replace('"20 kpps"', '"60 kpps"\narrivals = "burst 64"')

LONG = OPEN.replace("blocks = 1", "blocks = 200").replace(
    'path = ["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]',
    'path = ["udp_socket"]\nmtu = [1400, 1500]\ntx_queue_len = [500, 600]')

SET_UP = """\
set -e
ip link set lo up
ip link add t0 type veth peer name t1
ip link set t0 alias "a port of the lab"
ip link set t0 group 7 mtu 1700 txqueuelen 77
ip link set t1 mtu 1700
ethtool -K t0 tso off tx-udp-segmentation off
ethtool -K t0 gro on
cd /proc/sys/net
echo 2 > ipv4/conf/t0/rp_filter
echo 1 > ipv4/conf/t0/arp_ignore
echo 123 > ipv4/neigh/t0/gc_stale_time
echo 1 > ipv4/conf/t1/proxy_arp
echo 0 > ipv6/conf/t1/accept_ra
ip link set t0 up
ip link set t1 up promisc on
ip addr add 192.0.2.7/24 brd 192.0.2.255 dev t0
ip addr add 192.0.2.8/24 dev t0 label t0:second
ip addr add 192.0.2.9/32 dev t0 valid_lft 3600 preferred_lft 1800
ip addr add 203.0.113.1/24 dev t1 noprefixroute metric 77
ip addr add 2001:db8::7/64 dev t0 nodad
ip neigh add 192.0.2.20 lladdr 02:00:00:00:00:20 nud permanent dev t0
ip route add 198.51.100.0/24 via 192.0.2.1 dev t0 metric 55
ip route add 198.51.100.128/25 dev t1 table 77 scope link
ip route add 2001:db8:7::/48 via 2001:db8::1 dev t0
tc qdisc add dev t0 root pfifo limit 33
"""

# All that can be seen of the two devices.
LOOK = """\
for dev in t0 t1; do
  ip -d address show dev $dev
  ip neigh show nud permanent dev $dev
  tc qdisc show dev $dev
  ethtool -k $dev
  cd /proc/sys/net
  grep -s . ipv4/conf/$dev/* ipv6/conf/$dev/* ipv4/neigh/$dev/* ipv6/neigh/$dev/*
  mount -t sysfs sysfs /sys
  cd /sys/class/net/$dev
  grep -s . mtu tx_queue_len group ifalias flags threaded gro_flush_timeout napi_defer_hard_irqs \
    queues/*/rps_cpus queues/*/rps_flow_cnt queues/*/xps_cpus
  cd /; umount /sys
done
ip route show table all
ip -6 route show table all
true
"""


@harness.unittest.skipUnless(has_net_admin(), "needs CAP_NET_ADMIN")
class Netdevs(harness.Case):
    def setUp(self):
        super().setUp()
        self.host = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self.addCleanup(self.end_host)
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.host.pid}/ns/net") == own:
            time.sleep(0.01)
        self.state = self.scratch / "state"
        self.inside(SET_UP)
        while "tentative" in self.inside("ip address"):
            time.sleep(0.05)
        self.before = self.look()

    def end_host(self):
        self.host.kill()
        self.host.wait()

    def enter(self):
        return ["nsenter", f"--net=/proc/{self.host.pid}/ns/net"]

    def environment(self):
        return {**os.environ, "POLLMARK_STATE": str(self.state)}

    def inside(self, script, mounts=False):
        unshare = ["unshare", "--mount"] if mounts else []
        done = subprocess.run([*self.enter(), *unshare, "sh", "-c", script], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def look(self):
        text = self.inside(LOOK, mounts=True)
        # Clocks, and what the kernel counts.
        text = re.sub(r"valid_lft \d+sec preferred_lft \d+sec", "valid for a time", text)
        return sorted(re.sub(r"expires \d+sec", "", text).splitlines())

    def assert_as_before(self, seen=lambda lines: lines):
        """IPv6 looks for duplicates for a second or two."""
        now = self.look()
        for _ in range(100):
            if seen(now) == seen(self.before):
                break
            time.sleep(0.1)
            now = self.look()
        self.maxDiff = None
        self.assertEqual(seen(self.before), seen(now))

    @staticmethod
    def without_carrier(lines):
        """Less what the kernel makes and takes by itself when a carrier comes and goes."""
        kept = [re.sub(r"qdisc no\w+ state \w+|state \w+", "", line) for line in lines
                if not re.search(r"fe80|multicast ff00|^qdisc no|valid_lft forever", line)]
        return re.sub(r"\s+", " ", " ".join(kept))

    def leftovers(self):
        return sorted(p.name for p in self.state.glob("*") if p.suffix in (".journal", ".netns"))

    def run_inside(self, *arguments, timeout=300):
        return subprocess.run([*self.enter(), harness.PROGRAM, *map(str, arguments)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              cwd=self.scratch, env=self.environment())

    def start_inside(self, *arguments):
        return subprocess.Popen([*self.enter(), harness.PROGRAM, *map(str, arguments)], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, cwd=self.scratch, env=self.environment())

    def is_home(self, netdev):
        return bool(re.search(rf"^{netdev}\b", self.inside("ip -br link"), re.MULTILINE))

    def wait_until_away(self):
        for _ in range(2000):
            if not self.is_home("t0"):
                return
            time.sleep(0.01)
        self.fail("the devices never left")

    def test_the_books_close_on_every_path_and_the_devices_come_home(self):
        out = self.scratch / "out"
        run = self.run_inside("run", self.experiment(OPEN), "-o", out)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertEqual({t["path"] for t in trials},
                         {"udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"})
        for trial in trials:
            self.assertEqual(trial["streams"][0]["from"], "netdev:t0", trial["invalid_reasons"])
            self.assertEqual(trial["unaccounted_pkts"], 0, trial)
            self.assertGreater(trial["received_pkts"], 0)
        self.assertNotIn("not put back", run.stderr)
        self.assert_as_before()
        self.assertEqual(self.leftovers(), [])

    def test_losses_have_owners_and_knobs_that_were_turned_go_back(self):
        out = self.scratch / "out"
        run = self.run_inside("run", self.experiment(KNOBS), "-o", out)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        trials = [t for t in self.trials(out) if t["kind"] == "trial"]
        self.assertTrue(trials)
        for trial in trials:
            self.assertGreater(trial["ledger"]["kernel_socket_buffer_pkts"], 0, trial["invalid_reasons"])
            self.assertEqual(trial["unaccounted_pkts"], 0, trial)
            for knob in ("mtu", "qdisc", "tx_queue_len", "gro", "threaded_napi", "rps"):
                self.assertEqual(trial["knobs"][knob]["state"], "confirmed", knob)
        self.assert_as_before()

    def test_closed_loops(self):
        out = self.scratch / "out"
        text = CLOSED.replace('port = "veth"', 'port = "netdev:t0"', 1) \
            .replace('port = "veth"', 'port = "netdev:t1"')
        text += '\n[host]\nallow = ["netdev:t0", "netdev:t1"]\n'
        run = self.run_inside("run", self.experiment(text), "-o", out)
        self.assertEqual(run.returncode, 0, run.stderr)
        for trial in self.trials(out):
            self.assertEqual(trial["closed_loop"]["unaccounted"], 0, trial)
            self.assertGreater(trial["closed_loop"]["in_window"], 0)
        self.assert_as_before()

    def test_a_device_that_was_down_is_down_again(self):
        self.inside("ip link set t1 down; ip -4 addr flush dev t0; ip -6 addr flush dev t0 scope global")
        self.before = self.look()
        run = self.run_inside("try", "netdev:t0", "netdev:t1", "--allow", "netdev:t1", "--path",
                              "packet_mmap")
        self.assertIn("cable: the right one", run.stdout, run.stderr)
        self.assert_as_before(self.without_carrier)
        self.assertIn("<BROADCAST,MULTICAST,PROMISC> mtu 1700", " ".join(self.look()))

    def test_ctrl_c(self):
        run = self.start_inside("run", self.experiment(LONG), "-o", self.scratch / "out")
        self.wait_until_away()
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
        self.assertEqual(run.returncode, 4, said)
        # Home before the prompt is back.
        self.assertTrue(self.is_home("t0") and self.is_home("t1"))
        self.assertEqual(self.leftovers(), [])
        self.assertNotIn("not put back", said)
        self.assert_as_before()

    def test_kill_at_any_moment(self):
        for i in range(KILLS):
            out = self.scratch / f"out{i}"
            run = self.start_inside("run", self.experiment(LONG), "-o", out)
            if i == 0:
                self.wait_until_away()
            time.sleep(random.random() * 2)
            run.kill()
            run.wait()
            for _ in range(200):
                if not self.leftovers():
                    break
                time.sleep(0.05)
            self.assertEqual(self.leftovers(), [])
            self.assert_as_before()

    def holders(self):
        """Of the run's journal: pid -> name. The trial's own process, and its guardian."""
        held = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                files = [os.readlink(fd) for fd in (process / "fd").iterdir()]
                if any(f.startswith(str(self.state)) and f.endswith(".journal") for f in files):
                    held[int(process.name)] = (process / "comm").read_text().strip()
            except OSError:
                continue
        return held

    def test_restore_when_the_guardian_was_killed_too(self):
        run = self.start_inside("run", self.experiment(LONG), "-o", self.scratch / "out",
                                "--set", "trial.seconds=20")
        self.wait_until_away()
        guardians = [pid for pid, name in self.holders().items() if name == "pollmark-guard"]
        self.assertEqual(len(guardians), 1)
        os.kill(guardians[0], signal.SIGKILL)
        run.kill()
        run.wait()
        while self.holders():
            time.sleep(0.01)
        self.assertFalse(self.is_home("t0"))
        self.assertNotEqual(self.leftovers(), [])
        # A new run does not take what was not put back.
        again = self.run_inside("try", "netdev:t0", "netdev:t1", "--allow", "netdev:t0",
                                "--allow", "netdev:t1")
        self.assertEqual(again.returncode, 3, again.stderr)
        self.assertIn("not put back by pid", again.stderr)
        restored = self.run_inside("restore")
        self.assertEqual(restored.returncode, 0, restored.stdout)
        self.assertNotIn("gone", restored.stdout)
        self.assertEqual(self.leftovers(), [])
        self.assert_as_before()

    def refusal(self, from_port, to_port, *more):
        run = self.run_inside("try", from_port, to_port, *more)
        self.assertEqual(run.stdout, "")
        return run.returncode, run.stderr

    def test_refusals_say_why_and_touch_nothing(self):
        code, said = self.refusal("netdev:t0", "netdev:t1", "--allow", "netdev:t1")
        self.assertEqual(code, 3)
        self.assertIn("t0: is in use: has the address 192.0.2.7/24", said)
        self.assertIn('[host] allow = ["netdev:t0"]', said)
        for device, why in (("nonesuch", "no such network device in this namespace"),
                            ("lo", "is the loopback device"),
                            ("br0", "joins other devices"),
                            ("p0", "is a member of br0"),
                            ("v0", "carries m0 (macvlan)"),
                            ("x0", "has ingress filters")):
            if device == "br0":
                self.inside("ip link add br0 type bridge; ip link add p0 type veth peer p1; "
                            "ip link set p0 master br0; ip link add v0 type veth peer v1; "
                            "ip link add link v0 name m0 type macvlan; "
                            "ip link add x0 type veth peer x1; tc qdisc add dev x0 clsact")
            code, said = self.refusal(f"netdev:{device}", "netdev:t1", "--allow", "netdev:t1")
            self.assertEqual(code, 3, said)
            self.assertIn(f"{device}: {why}", said)
        self.assertEqual(self.refusal("netdev:t0", "netdev:t0")[0], 2)
        self.assertEqual(self.refusal("netdev:t0", "veth")[0], 2)
        self.assertEqual(self.leftovers(), [])
        self.assert_as_before()

    def test_devices_that_no_cable_joins_are_told(self):
        self.inside("ip link add s0 type veth peer s1; ip link set s1 up; "
                    "ip link add r0 type veth peer r1; ip link set r1 up")
        code, said = self.refusal("netdev:s0", "netdev:r0")
        self.assertEqual(code, 3)
        self.assertIn("a frame sent on s0 did not arrive on r0", said)
        self.assertTrue(self.is_home("s0") and self.is_home("r0"))
        self.assertEqual(self.leftovers(), [])

    def test_one_run_at_a_time_has_a_device(self):
        run = self.start_inside("run", self.experiment(LONG), "-o", self.scratch / "out")
        self.wait_until_away()
        code, said = self.refusal("netdev:t0", "netdev:t1", "--allow", "netdev:t0", "--allow",
                                  "netdev:t1")
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
        self.assertEqual(code, 3)
        self.assertRegex(said, rf"netdev:t0: held by pid {run.pid} \(.*\) since 20")
        self.assert_as_before()

    def test_a_share_of_the_line_is_of_what_the_driver_tells(self):
        # A veth says 10 Gbit/s.
        out = self.scratch / "out"
        text = OPEN.replace('"20 kpps"', '"0.1 %"').replace(
            'path = ["udp_socket", "packet_mmap", "af_xdp", "xdp_drop", "dpdk"]',
            'path = ["udp_socket"]')
        run = self.run_inside("run", self.experiment(text), "-o", out)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        for trial in self.trials(out):
            self.assertEqual(trial["order"]["line_bps"], 10e9)
        self.assertAlmostEqual(trial["intended_pps"], 1e7 / 84 / 8, delta=100)
        self.assert_as_before()
        # The report of a stored campaign needs no device.
        shown = self.pollmark("report", out)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        elsewhere = self.pollmark("plan", self.experiment(text))
        self.assertIn("tell no line rate", elsewhere.stdout + elsewhere.stderr)


if __name__ == "__main__":
    harness.main()
