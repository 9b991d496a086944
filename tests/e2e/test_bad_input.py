"""Mistakes a user makes: one line with the reason and what is allowed, the right exit code, nothing
half-written."""

import os
import resource
import signal

import harness

REPLAY = 'kind = "replay"\npcap = "{}"\n'
UDP = 'kind = "udp"\nframe = 128\nflows = 64\n'


class BadInput(harness.Case):
    def refuse(self, old, new, *words, code=2, lines=1):
        text = harness.SMALL.format(blocks=6).replace(old, new)
        self.assertNotEqual(text, harness.SMALL.format(blocks=6))
        out = self.scratch / "out"
        for verb in (["plan"], ["run", "-o", out]):
            run = self.pollmark(verb[0], self.experiment(text), *verb[1:])
            self.assert_refused(run, code, *words, lines=lines)
        self.assertFalse(out.exists())

    def test_an_unknown_key_is_pointed_at(self):
        self.refuse("flows = 64", "flwos = 64", "small.toml:14:1", "flwos", "flows")

    def test_a_misspelt_factor_gets_a_suggestion(self):
        self.refuse("rx_ring = [64, 512]", "rx_rings = [64, 512]", "rx_rings", "rx_ring", lines=2)

    def test_an_impossible_ring(self):
        self.refuse("rx_ring = [64, 512]", "rx_ring = [64, 0]", "rx_ring", "32 to 32768")

    def test_more_than_16_queues_on_a_model_port(self):
        self.refuse("rx_ring = [64, 512]", "rx_ring = [64, 512]\nqueues = [1, 17]", "16")

    def test_a_frame_below_the_stamp(self):
        self.refuse("frame = 128", "frame = 63", "frame", "64")

    def test_a_load_above_the_line(self):
        self.refuse('"2 Mpps"', '"60 Mpps"', "line")

    def test_a_bare_gbps(self):
        self.refuse('"2 Mpps"', '"2 Gbps"', "L1", "L2")

    def test_a_missing_capture(self):
        self.refuse(UDP, REPLAY.format("absent.pcap"), "absent.pcap")

    def test_an_empty_or_damaged_capture_names_the_offset_before_anything_is_opened(self):
        whole = harness.CAPTURE.read_bytes()
        for content, words in ((b"", "byte offset 0"), (whole[:24], "no frames"),
                               (b"not a capture at all", "byte offset 0"),
                               (whole[:-7], "damaged at byte offset")):
            with self.subTest(words, bytes=len(content)):
                (self.scratch / "x.pcap").write_bytes(content)
                self.refuse(UDP, REPLAY.format("x.pcap"), "x.pcap", words)

    def test_a_capture_that_may_not_be_read(self):
        capture = self.scratch / "x.pcap"
        capture.write_bytes(harness.CAPTURE.read_bytes())
        capture.chmod(0)
        text = harness.SMALL.format(blocks=6).replace(UDP, REPLAY.format("x.pcap"))
        run = self.pollmark("plan", self.experiment(text), **self.ordinary_user())
        self.assert_refused(run, 2, "x.pcap: Permission denied\n")

    def test_what_has_no_end_is_refused_and_not_waited_for(self):
        fifo = self.scratch / "fifo"
        os.mkfifo(fifo)
        text = harness.SMALL.format(blocks=6)
        stage = 'stage = { kind = "hyperscan", patterns = "%s" }'
        for name, what in ((str(fifo), "is a FIFO"), ("/dev/zero", "is a device")):
            self.assert_refused(self.pollmark("plan", name, timeout=20), 2, name, what)
            for changed in (text.replace(UDP, REPLAY.format(name)),
                            text.replace('"every 1 ms for 60 us"', f'"trace:{name}"'),
                            text.replace('stage = "checksum"', stage % name)):
                self.assertNotEqual(changed, text)
                run = self.pollmark("plan", self.experiment(changed), timeout=20)
                self.assert_refused(run, 2, "small.toml:", name, what, "allowed: a file")

    def test_a_folder_without_a_name(self):
        run = self.pollmark("run", self.experiment(), "-o", "")
        self.assert_refused(run, 2, "-o", "is empty")

    def test_a_damaged_stall_trace(self):
        (self.scratch / "x.stalls").write_text("5 minutes\n")
        self.refuse('"every 1 ms for 60 us"', '"trace:x.stalls"', "x.stalls:1", "length_ns")

    def test_every_mistake_at_once(self):
        text = harness.SMALL.format(blocks=6).replace("flows = 64", "flwos = 64")
        text = text.replace('"2 Mpps"', '"2 Gbps"').replace("seed = 7", "sede = 7")
        run = self.pollmark("plan", self.experiment(text))
        self.assert_refused(run, 2, "flwos", "L1", "sede", lines=3)

    def test_what_comes_later_is_refused_as_not_yet(self):
        text = 'budget = "20 min"\n' + harness.SMALL.format(blocks=6)
        self.assert_refused(self.pollmark("plan", self.experiment(text)), 2, "not yet", "budget")

    def test_a_file_that_is_not_there(self):
        self.assert_refused(self.pollmark("run", "absent.toml"), 2, "absent.toml")

    def test_a_file_that_is_not_toml(self):
        self.assert_refused(self.pollmark("plan", self.experiment("name = [")), 2, "small.toml:1")

    def test_a_verb_that_does_not_exist(self):
        self.assert_refused(self.pollmark("rnu"), 2, '"rnu"', 'did you mean "run"?', "plan")
        self.assert_refused(self.pollmark(), 2, "verb", "run")
        self.assert_refused(self.pollmark("run"), 2, "EXPERIMENT", "pollmark run --help")
        self.assert_refused(self.pollmark("try", "model", "--fame", "64"), 2, "--fame")

    def test_a_selftest_that_would_plant_nothing(self):
        self.assert_refused(self.pollmark("selftest", "--packets", "0"), 2, "--packets", "100 000")

    def test_a_full_standard_output(self):
        for verb in (["factors"], ["--help"], ["plan", "--help"], ["--version"],
                     ["plan", self.experiment()],
                     ["run", self.experiment(blocks=1), "--quiet", "-o", self.scratch / "out"],
                     ["report", self.scratch / "out"]):
            with self.subTest(verb[0]), open("/dev/full", "w") as full:
                run = self.pollmark(*verb, stdout=full)
                self.assertEqual(run.returncode, 3)
                self.assertIn("stdout", run.stderr)

    def test_a_file_size_limit_is_an_error_like_a_full_disk(self):
        def limit():
            # The interpreter ignores the signal; a shell would not.
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480))
        out = self.scratch / "out"
        run = self.pollmark("run", self.experiment(), "--quiet", "-o", out, preexec_fn=limit)
        self.assert_refused(run, 3, "out", "file size limit")
        self.assertFalse(out.exists())

    def test_a_non_empty_results_folder(self):
        out = self.scratch / "out"
        out.mkdir()
        (out / "mine.txt").write_text("mine")
        run = self.pollmark("run", self.experiment(), "-o", out)
        self.assert_refused(run, 2, "out", "empty")
        self.assertEqual(os.listdir(out), ["mine.txt"])

    def test_an_unwritable_results_folder(self):
        run = self.pollmark("run", self.experiment(), "-o", "/proc/pollmark-results")
        self.assert_refused(run, 3, "/proc/pollmark-results")

    def test_a_report_of_something_else(self):
        self.assert_refused(self.pollmark("report", self.scratch), 2, str(self.scratch))

    def test_a_report_of_a_folder_that_may_not_be_written_is_printed_all_the_same(self):
        self.scratch.chmod(0o755)
        out = self.scratch / "out"
        first = self.pollmark("run", self.experiment(blocks=1), "--quiet", "-o", out)
        out.chmod(0o555)
        self.addCleanup(out.chmod, 0o755)
        run = self.pollmark("report", out, **self.ordinary_user())
        self.assertEqual(run.returncode, 3)
        self.assertEqual(run.stdout, first.stdout)
        self.assertIn("Permission denied", run.stderr)

    def test_ports_that_do_not_exist_or_do_not_meet(self):
        self.assert_refused(self.pollmark("try", "modle"), 2, "modle", "model")
        self.assert_refused(self.pollmark("try", "model", "veth"), 2, "meet")
        self.assert_refused(self.pollmark("try", "veth", "--path", "tcp_rr"), 2, "udp_socket")

    def test_resume_without_a_folder(self):
        self.assert_refused(self.pollmark("run", self.experiment(), "--resume"), 2, "-o")

    def test_an_override_with_a_slip(self):
        run = self.pollmark("plan", self.experiment(), "--set", "trial.blokcs=4")
        self.assert_refused(run, 2, "trial.blokcs", "blocks")


if __name__ == "__main__":
    harness.main()
