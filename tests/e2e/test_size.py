"""Targets and sizing from stored results; predicted against measured; nothing invented."""

import csv
import io
import json
import math
import re
import shutil

import harness

RINGS = """\
name = "rings"
question = "Which ring holds the stalls?"
[generator]
port = "model"
[receiver]
port = "model"
stage = "touch"
[traffic]
frame = 64
flows = 256
load = "10 Mpps"
[model]
link = "25G"
[trial]
seconds = {seconds}
warmup = 0.005
blocks = {blocks}
retries = 3
validity = "as_is"
seed = 3
[judge]
metric = "rx_missed_ratio"
[target]
rate = "10 Mpps"
loss = "1e-4"
p99 = "10 ms"
cores = 1
[[group]]
name = "short"
model = {{ stalls = "every 1 ms for 20 us" }}
factors = {{ rx_ring = [64, 128, 256, 4096] }}
[[group]]
name = "long"
model = {{ stalls = "every 5 ms for 500 us" }}
factors = {{ rx_ring = [64, 256, 1024, 4096] }}
[[group]]
name = "queues"
receiver = {{ queues = 4 }}
model = {{ stalls = "every 5 ms for 500 us" }}
factors = {{ rx_ring = [64, 256, 1024, 4096] }}
[[group]]
name = "poisson"
model = {{ stalls = "poisson 1 ms, 100 us" }}
trial = {{ seconds = 0.3 }}
factors = {{ load = ["10 Mpps", "20 Mpps"], rx_ring = [64, 256, 1024, 4096] }}
"""


class Size(harness.Case):

    @classmethod
    def setUpClass(cls):
        cls.files = None

    def setUp(self):
        super().setUp()
        self.out = self.scratch / "rings"
        if Size.files is None:
            run = self.pollmark("run", "-o", self.out, "--quiet",
                                self.experiment(RINGS.format(seconds=0.06, blocks=6)), timeout=250)
            self.assertEqual(run.returncode, 0, run.stderr)
            Size.files = {path.relative_to(self.out): path.read_bytes()
                          for path in self.out.rglob("*") if path.is_file()}
            Size.text = run.stdout
            return
        for path, content in Size.files.items():
            (self.out / path).parent.mkdir(parents=True, exist_ok=True)
            (self.out / path).write_bytes(content)

    def summary(self):
        return json.loads((self.out / "summary.json").read_text())

    def size(self, *arguments):
        return self.pollmark("size", self.out, *arguments)

    def test_the_stall_model_says_what_was_missed(self):
        """Within a factor of 1.5 wherever the measured ratio is above 1e-5."""
        compared = 0
        for cell in self.summary()["cells"]:
            measured = cell["metrics"]["rx_missed_ratio"]["median"]
            predicted = cell["predicted_missed_ratio"]
            self.assertIsNotNone(predicted, cell["cell"])
            where = (cell["group"], cell["cell"], measured, predicted)
            if measured > 1e-5:
                compared += 1
                self.assertLessEqual(max(predicted / measured, measured / predicted), 1.5, where)
            elif cell["group"] != "poisson":
                # A ring that holds the stated stalls loses nothing, and the model says so.
                self.assertLessEqual(predicted, 2e-5, where)
        self.assertGreaterEqual(compared, 15)

    def test_every_cell_is_judged_against_the_target(self):
        target = self.summary()["target"]
        verdicts = {(cell["group"], cell["cell"]["rx_ring"]): cell for cell in target["cells"]}
        self.assertEqual(verdicts["short", "64"]["verdict"], "no")
        self.assertEqual(verdicts["short", "4096"]["verdict"], "yes", verdicts["short", "4096"])
        self.assertGreaterEqual(verdicts["short", "4096"]["headroom_low"], -0.001)
        self.assertEqual(verdicts["long", "1024"]["verdict"], "no")
        # Four lcores poll four queues, and one core is allowed.
        cores = {c["name"]: c["verdict"] for c in verdicts["queues", "4096"]["criteria"]}
        self.assertEqual(cores, {"loss": "yes", "p99": "yes", "cores": "no"})
        self.assertEqual(verdicts["queues", "4096"]["verdict"], "no")
        self.assertIn("Target 10 Mpps, loss up to 0.01 %", re.sub(r"\s+", " ", Size.text))
        self.assertIn("Against the target", Size.text)
        rows = list(csv.DictReader(io.StringIO((self.out / "summary.csv").read_text())))
        headroom = [row for row in rows if row["metric"] == "target_headroom"]
        self.assertEqual(len(headroom), 20)
        self.assertTrue(any(": yes: " in row["attributes"] for row in headroom))
        page = (self.out / "report.html").read_text()
        self.assertIn("Against the target", page)
        self.assertIn("curve model", page)

    def test_cores_queues_ring_and_what_binds(self):
        run = self.size("--where", "rx_ring=4096", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        settings = {setting["group"]: setting for setting in json.loads(run.stdout)["settings"]}
        short = settings["short"]
        # One core carries it, unless this machine was too busy to be sure.
        self.assertLessEqual(short["cores"]["low"], 1.0)
        self.assertEqual(short["cores_advised"], math.ceil(short["cores"]["high"]))
        self.assertEqual(short["ring_advised"], 256)
        self.assertGreater(short["headroom"]["high"], 0.2)
        self.assertEqual([c["name"] for c in short["ceilings"]], ["line"])
        self.assertAlmostEqual(short["ceilings"][0]["pps"], 37.2024e6, delta=100)
        self.assertTrue(any("lockstep" in text for text in short["assumptions"]))
        # One queue gets 5000 frames a stall, of four each a quarter.
        self.assertEqual(settings["long"]["ring_advised"], 8192)
        sources = {figure["source"] for figure in short["figures"]}
        self.assertEqual(sources, {"measured", "stated", "model says"})

    def test_measured_and_model_stand_apart(self):
        run = self.size("--target", "6 Gbps L2, loss 1e-4", "--pcie", "gen3 x16", "--nic",
                        "18.75 Mpps", "--utilisation", "60 %")
        self.assertEqual(run.returncode, 0, run.stderr)
        text = re.sub(r"\s+", " ", run.stdout)
        for part in ("on a model, not a NIC", " measured core time a frame", " stated stalls",
                     " model says core time", "assumed", "ceiling: nic: 18.8 Mpps (as stated): it "
                     "binds", "at 60 % busy", "Missed frames: measured, and what the stall model"):
            self.assertIn(part, text)

    def test_what_cannot_be_sized_is_refused(self):
        for target, words in {
            "20 Gbps, loss 1e-6": ("say the layer",),
            "10 Mpps": ("loss is missing", "allowed"),
            "10 Mpps, loss 0": ("no count of frames shows",),
            "10 Mpps, loss 1e-6, frame 1518": ("beyond 2 times what was measured",),
            "80 %, loss 1e-6": ("depends on the link",),
            "10 Mpps, loss 1e-6, latency 3 us": ("latency 3 us", "not known"),
        }.items():
            run = self.size("--target", target, "--where", "rx_ring=64")
            self.assertEqual(run.returncode, 2, (target, run.stderr))
            self.assertEqual(run.stdout, "")
            for word in words:
                self.assertIn(word, run.stderr, target)
        far = self.size("--target", "2000 Mpps, loss 1e-6")
        self.assertEqual(far.returncode, 2)
        self.assertIn("beyond 4 times", far.stderr)
        for option, value in {"--pcie": "gen9 x16", "--nic": "20 Gbps L2", "--link": "fast",
                              "--utilisation": "120 %", "--where": "rx_ring=77"}.items():
            self.assert_refused(self.size(option, value), 2, value.split("=")[-1], "allowed")

    def test_a_folder_that_is_not_whole_is_refused(self):
        self.assert_refused(self.pollmark("size", self.scratch / "none"), 2)
        lines = (self.out / "trials.jsonl").read_text().splitlines()
        record = json.loads(lines[0])
        record["schema"] = 99
        (self.out / "trials.jsonl").write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n")
        self.assert_refused(self.size(), 2, "schema")
        (self.out / "trials.jsonl").write_text("\n".join([lines[0][:90], *lines[1:]]) + "\n")
        self.assert_refused(self.size(), 2, "trials.jsonl")
        # The last line of a run that was killed is left out, and that is said.
        (self.out / "trials.jsonl").write_text("\n".join(lines) + "\n" + lines[0][:90])
        run = self.size()
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("the last record is cut short and left out", run.stdout)

    def test_a_metric_that_was_not_measured_is_no_basis(self):
        lines = (self.out / "trials.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        for record in records:
            record["latency_ns"] = {key: None for key in record["latency_ns"]}
        (self.out / "trials.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        run = self.size("--target", "10 Mpps, loss 1e-4, p99 1 ms")
        self.assert_refused(run, 2, "no latency was measured", "allowed")

    def test_without_a_target_there_is_nothing_to_size(self):
        shutil.rmtree(self.out)
        run = self.pollmark("run", "-o", self.out, "--quiet", self.experiment(blocks=1))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assert_refused(self.size(), 2, "no [target]", "--target")
        self.assertEqual(self.size("--target", "2 Mpps, loss 1e-3").returncode, 0)


if __name__ == "__main__":
    harness.main()
