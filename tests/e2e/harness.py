"""What every end-to-end test needs: the program, a scratch folder, small experiments.

Each test file runs the real program as a user would and is a unittest of its own:
    python3 tests/e2e/test_bad_input.py build/apps/pollmark
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "house"))
import case_report  # noqa: E402

PROGRAM = ""
CAPTURE = pathlib.Path(__file__).resolve().parents[2] / "scripts/experiments/mixed.pcap"

SMALL = """\
name = "small"
question = "Does a larger ring lose less?"

[generator]
port = "model"

[receiver]
port = "model"
stage = "checksum"

[traffic]
kind = "udp"
frame = 128
flows = 64
load = "2 Mpps"

[model]
link = "25G"
clock = "lockstep"
stalls = "every 1 ms for 60 us"

[factors]
path = ["model"]
rx_ring = [64, 512]

[trial]
seconds = 0.05
warmup = 0.005
blocks = {blocks}
retries = 3
validity = "as_is"
seed = 7

[judge]
metric = "loss_ratio"
baseline = {{ rx_ring = 64 }}
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="pollmark-e2e-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def experiment(self, text=None, blocks=6, name="small.toml"):
        path = self.scratch / name
        path.write_text(SMALL.format(blocks=blocks) if text is None else text)
        return path

    def pollmark(self, *arguments, timeout=120, cwd=None, **more):
        more.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=timeout,
                              cwd=cwd or self.scratch, **more)

    def ordinary_user(self):
        if os.geteuid() != 0:
            return {}
        os.chmod(self.scratch, 0o777)
        # A checkout below /root is closed to others.
        program = self.scratch / "pollmark"
        shutil.copy(PROGRAM, program)
        return {"user": 65534, "group": 65534, "extra_groups": [], "executable": str(program)}

    def start(self, *arguments, **more):
        return subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=self.scratch, preexec_fn=self.heed_hangups, **more)

    @staticmethod
    def heed_hangups():
        """Under nohup the suite ignores SIGHUP, and so would what it starts."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def trials(self, folder):
        lines = (pathlib.Path(folder) / "trials.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def trials_so_far(self, folder):
        """While a run writes: the last line may be there in part."""
        path = pathlib.Path(folder) / "trials.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def assert_refused(self, run, code, *words, lines=1):
        self.assertEqual(run.returncode, code, run.stderr + run.stdout)
        self.assertEqual(run.stderr.count("\n"), lines, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertEqual(run.stdout, "")


def needs_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "needs root")(test)


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit("usage: test_*.py PROGRAM")
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    case_report.main(verbosity=2)
