#!/usr/bin/env python3
"""The scripts, where they decide something: what to install, what to count, what to refuse."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import case_report
import tree

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("count_tests", str(tree.ROOT / "scripts/count-tests"))
count_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("count_tests", loader))
loader.exec_module(count_tests)

# The reason is the last string of the line.
SKIP = re.compile(r'\b(?:skipUnless|skipIf|skipTest|SkipTest|GTEST_SKIP)\b.*"([^"\n]*)"')


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pollmark-house-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def script(self, name, *arguments, **environment):
        return subprocess.run([tree.ROOT / "scripts" / name, *arguments], capture_output=True, text=True,
                              env=dict(os.environ) | environment)


class InstallDeps(Scratch):
    """With a dpkg, an apt and a sudo that only write down what they were asked."""

    def setUp(self):
        super().setUp()
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for name in ("bash", "sh", "sort", "env", "grep", "readlink", "dirname", "cat"):
            os.symlink(shutil.which(name), self.bin / name)
        self.fake("dpkg-query", 'for last; do :; done; grep -qx "$last" "$FAKE/installed" && echo installed')
        self.fake("apt-get", 'echo "apt-get $*" >> "$FAKE/calls"; [ "$1" != update ] || : > "$FAKE/lists"')
        self.fake("apt-cache", 'shift; for one; do echo "$one:"; [ -e "$FAKE/lists" ] && echo "  Candidate: 1.0" || '
                               'echo "  Candidate: (none)"; done')
        self.fake("id", 'echo "${FAKE_UID:-0}"')
        self.installed("run")

    def fake(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def installed(self, *sets, without=()):
        listed = self.script("install-deps", "--list", *sets).stdout.split()
        self.assertTrue(listed)
        (self.folder / "installed").write_text("".join(f"{one}\n" for one in listed if one not in without))

    def run_it(self, *sets, uid="0"):
        return self.script("install-deps", *sets, PATH=str(self.bin), FAKE=str(self.folder), FAKE_UID=uid)

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def test_nothing_missing_calls_nobody(self):
        self.assertEqual(0, self.run_it("run").returncode)
        self.assertEqual([], self.calls())

    def test_only_what_is_missing_is_installed(self):
        self.installed("run", without=("meson", "zlib1g-dev"))
        (self.folder / "lists").touch()
        self.assertEqual(0, self.run_it("run").returncode)
        (call,) = self.calls()
        self.assertTrue(call.endswith(" meson zlib1g-dev"), call)
        self.assertIn("--no-install-recommends", call)

    def test_lists_are_fetched_once_when_there_are_none(self):
        self.installed("run", without=("meson",))
        self.assertEqual(0, self.run_it("run").returncode)
        self.assertEqual(["apt-get update -q"], self.calls()[:1])
        self.assertEqual(2, len(self.calls()))

    def test_a_system_that_has_no_such_package(self):
        self.installed("run", without=("meson",))
        self.fake("apt-get", "exit 0")
        run = self.run_it("run")
        self.assertEqual(3, run.returncode)
        self.assertIn("do not have all of: meson", run.stderr)

    def test_the_test_set_holds_the_run_set(self):
        run = set(self.script("install-deps", "--list", "run").stdout.split())
        test = set(self.script("install-deps", "--list", "test").stdout.split())
        check = set(self.script("install-deps", "--list", "check").stdout.split())
        self.assertLess(run, test)
        self.assertLess(test, check)

    def test_neither_root_nor_sudo(self):
        self.installed("run", without=("meson",))
        run = self.run_it("run", uid="1000")
        self.assertEqual(3, run.returncode)
        self.assertIn("apt-get install meson", run.stderr)
        self.assertEqual([], self.calls())

    def test_an_ordinary_user_goes_through_sudo(self):
        self.installed("run", without=("meson",))
        (self.folder / "lists").touch()
        self.fake("sudo", 'echo "sudo $*" >> "$FAKE/calls"; exec "$@"')
        self.assertEqual(0, self.run_it("run", uid="1000").returncode)
        self.assertTrue(self.calls()[0].startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get install"))

    def test_unknown_set(self):
        run = self.run_it("everything")
        self.assertEqual(2, run.returncode)
        self.assertIn("allowed: run, test, check", run.stderr)


class CountTests(Scratch):
    def setUp(self):
        super().setUp()
        (self.folder / "meson-logs").mkdir()
        (self.folder / "cases").mkdir()
        (self.folder / "meson-info").mkdir()
        self.options("none")
        self.records = []
        self.skips = self.folder / "skips.txt"
        self.skips.write_text("")

    def options(self, sanitize):
        text = json.dumps([{"name": "b_sanitize", "value": sanitize},
                           {"name": "b_coverage", "value": False}])
        (self.folder / "meson-info/intro-buildoptions.json").write_text(text)

    def program(self, name, result, cases=None):
        self.records.append({"name": f"pollmark:unit / {name}", "result": result, "command": [f"/b/{name}"], "stdout": ""})
        if cases is not None:
            text = "".join(f'<testcase classname="S" name="{case}" result="completed">{inside}</testcase>'
                           for case, inside in cases.items())
            (self.folder / f"cases/{name}.xml").write_text(f"<testsuites><testsuite>{text}</testsuite></testsuites>")

    def script_test(self, name, result, stdout=""):
        self.records.append({"name": name, "result": result, "command": ["/usr/bin/python3", name], "stdout": stdout})

    def count(self, *arguments):
        text = "".join(json.dumps(record) + "\n" for record in self.records)
        (self.folder / "meson-logs/testlog.json").write_text(text)
        run = self.script("count-tests", str(self.folder), str(self.folder / "cases"), "--skips", str(self.skips), *arguments)
        return run.returncode, run.stdout.splitlines()

    def test_cases_and_scripts_count_one_each(self):
        self.program("one_test", "OK", {"a": "", "b": ""})
        self.script_test("house_rooms", "OK")
        self.assertEqual((0, ["3 passed, 0 failed, 0 skipped"]), self.count())

    def test_a_failed_case(self):
        self.program("one_test", "FAIL", {"a": "", "b": '<failure message="no"/>'})
        code, lines = self.count("--meson-status", "1")
        self.assertEqual((1, "failed: S.b", "1 passed, 1 failed, 0 skipped"), (code, lines[0], lines[-1]))

    def test_a_program_that_died_before_its_report(self):
        self.program("one_test", "ERROR")
        code, lines = self.count("--meson-status", "1")
        self.assertEqual((1, "0 passed, 1 failed, 0 skipped"), (code, lines[-1]))

    def test_a_program_that_failed_after_green_cases(self):
        self.program("one_test", "FAIL", {"a": ""})
        code, lines = self.count("--meson-status", "1")
        self.assertEqual((1, "1 passed, 1 failed, 0 skipped"), (code, lines[-1]))

    def test_a_timeout(self):
        self.script_test("slow", "TIMEOUT")
        self.assertEqual(1, self.count()[0])

    def test_meson_failed_without_naming_a_test(self):
        self.script_test("house_rooms", "OK")
        self.assertEqual(1, self.count("--meson-status", "2")[0])

    def test_nothing_ran(self):
        self.assertEqual(1, self.count()[0])

    def test_a_skip_that_nobody_expects(self):
        self.program("one_test", "OK", {"a": '<skipped message="x.cc:3&#x0A;needs a plain build"/>'})
        code, lines = self.count()
        self.assertEqual((1, "0 passed, 0 failed, 1 skipped"), (code, lines[-1]))
        self.assertIn("not expected here", lines[-2])

    def test_an_expected_skip_where_the_need_is_missing(self):
        self.options("address,undefined")
        self.program("one_test", "OK", {"a": '<skipped message="x.cc:3&#x0A;needs a plain build"/>'})
        self.skips.write_text("needs a plain build: S.a  # nm sees the sanitizer\n")
        code, lines = self.count()
        self.assertEqual((0, "0 passed, 0 failed, 1 skipped"), (code, lines[-1]))

    def test_the_same_skip_where_nothing_is_missing(self):
        self.program("one_test", "OK", {"a": '<skipped message="x.cc:3&#x0A;needs a plain build"/>'})
        self.skips.write_text("needs a plain build: S.a\n")
        self.assertEqual(1, self.count()[0])

    def test_a_test_that_runs_where_its_skip_is_expected(self):
        self.options("address")
        self.script_test("hot", "OK")
        self.skips.write_text("needs a plain build: hot\n")
        code, lines = self.count()
        self.assertEqual(1, code)
        self.assertIn("stale", lines[0])

    def test_a_skip_without_a_reason(self):
        self.options("address")
        self.script_test("hot", "SKIP", "sorry\n")
        self.skips.write_text("needs a plain build: hot\n")
        code, lines = self.count()
        self.assertEqual(1, code)
        self.assertIn("without 'needs X'", "\n".join(lines))

    def test_a_skip_list_that_names_a_test_that_is_gone(self):
        self.script_test("house_rooms", "OK")
        self.skips.write_text("needs a plain build: gone\n")
        self.assertEqual(1, self.count()[0])
        self.assertEqual(0, self.count("--part")[0])

    def unittests(self, body, importing="case_report", folder="house", arguments=()):
        """Runs a script of unittests, as meson would, and records what meson would."""
        script = self.folder / "planted_test.py"
        script.write_text(f"import unittest\nimport {importing}\n\n{body}\n{importing}.main()\n")
        command = [sys.executable, "-B", str(script), *arguments]
        run = subprocess.run(command, capture_output=True, text=True,
                             env=dict(os.environ) | {"GTEST_OUTPUT": f"xml:{self.folder}/cases/",
                                                     "PYTHONPATH": str(tree.ROOT / "tests" / folder)})
        self.records.append({"name": "pollmark:house / planted", "result": "FAIL" if run.returncode else "OK",
                             "command": command, "stdout": run.stdout})
        return run

    def test_the_cases_of_a_unittest_count_one_each(self):
        self.unittests("class S(unittest.TestCase):\n"
                       "    def test_a(self): pass\n"
                       "    def test_b(self): pass\n"
                       "    @unittest.expectedFailure\n"
                       "    def test_c(self): self.fail()\n")
        self.assertEqual((0, ["3 passed, 0 failed, 0 skipped"]), self.count())

    def test_a_failed_case_of_a_unittest(self):
        for body in ("self.fail('not\\x1b[1m so')", "raise OSError",
                     "with self.subTest(x=1): self.fail()",
                     "with self.subTest(x=1): self.fail()\n        self.skipTest('needs root')"):
            with self.subTest(body):
                self.setUp()
                run = self.unittests("class S(unittest.TestCase):\n"
                                     "    def test_a(self): pass\n"
                                     f"    def test_b(self):\n        {body}\n")
                self.assertEqual(1, run.returncode, run.stderr)
                code, lines = self.count("--meson-status", "1")
                self.assertEqual((1, ["failed: S.test_b", "1 passed, 1 failed, 0 skipped"]), (code, lines))

    def test_a_case_that_was_to_fail_and_did_not(self):
        self.unittests("class S(unittest.TestCase):\n"
                       "    @unittest.expectedFailure\n"
                       "    def test_a(self): pass\n")
        self.assertEqual("0 passed, 1 failed, 0 skipped", self.count()[1][-1])

    def test_a_class_that_could_not_be_set_up(self):
        self.unittests("class S(unittest.TestCase):\n"
                       "    @classmethod\n"
                       "    def setUpClass(cls): raise OSError\n"
                       "    def test_a(self): pass\n")
        self.assertEqual("0 passed, 1 failed, 0 skipped", self.count()[1][-1])

    def test_a_unittest_that_died_before_its_report(self):
        self.unittests("import os\n"
                       "class S(unittest.TestCase):\n"
                       "    def test_a(self): os._exit(3)\n")
        self.assertEqual((1, ["failed: planted (FAIL)", "0 passed, 1 failed, 0 skipped"]), self.count())

    def test_a_unittest_that_ran_twice(self):
        for _ in range(2):
            self.unittests("class S(unittest.TestCase):\n"
                           "    def test_a(self): pass\n"
                           "    def test_b(self): pass\n")
        self.assertEqual((0, ["4 passed, 0 failed, 0 skipped"]), self.count())

    def test_a_skipped_case_of_a_unittest_is_judged_by_its_reason(self):
        body = ("class S(unittest.TestCase):\n"
                "    def test_a(self): pass\n"
                "    def test_b(self): self.skipTest('{}')\n")
        counted = "1 passed, 0 failed, 1 skipped"
        for reason, options, skips, code, word in (
                ("needs a plain build", "address", "needs a plain build: S.test_b\n", 0, "needs a plain build: S.test_b"),
                ("needs a plain build", "address", "", 1, "not expected here"),
                ("needs a plain build", "none", "needs a plain build: S.test_b\n", 1, "not expected here"),
                ("not today", "address", "needs a plain build: S.test_b\n", 1, "without 'needs X'"),
                ("needs a plain build", "address", "needs a plain build: S.*\n", 1, "stale")):
            with self.subTest(reason=reason, options=options, skips=skips):
                self.setUp()
                self.options(options)
                self.skips.write_text(skips)
                self.unittests(body.format(reason))
                found, lines = self.count()
                self.assertEqual((code, counted), (found, lines[-1]))
                self.assertIn(word, "\n".join(lines[:-1]))

    def test_an_end_to_end_script_reports_its_cases(self):
        run = self.unittests("class S(harness.Case):\n"
                             "    def test_a(self): self.assertEqual(0, self.pollmark().returncode)\n"
                             "    @harness.unittest.skipUnless(False, 'needs a plain build')\n"
                             "    def test_b(self): pass\n",
                             importing="harness", folder="e2e", arguments=(shutil.which("true"),))
        self.assertEqual(0, run.returncode, run.stderr)
        self.options("address")
        self.skips.write_text("needs a plain build: S.test_b\n")
        self.assertEqual("1 passed, 0 failed, 1 skipped", self.count()[1][-1])

    def test_the_program_of_a_command(self):
        for command, program in ((["/b/one_test", "--x"], "one_test"),
                                 (["/usr/bin/python3", "/t/test_run.py", "/b/pollmark"], "test_run"),
                                 (["python3.11", "-B", "style_test.py"], "style_test"),
                                 (["python3"], "")):
            with self.subTest(command=command):
                self.assertEqual(program, count_tests.program_of(command))

    def test_every_skip_of_the_sources_names_a_need_that_can_be_looked_for(self):
        known = count_tests.missing_here(self.folder)
        reasons = [(path, reason) for folder in ("e2e", "eal", "netns", "unit")
                   for path in tree.sources(tree.ROOT / "tests", folder, endings=(".cc", ".h", ".py"))
                   for reason in SKIP.findall((tree.ROOT / "tests" / path).read_text())]
        self.assertGreater(len(reasons), 10)
        for path, reason in reasons:
            with self.subTest(path=path, reason=reason):
                self.assertRegex(reason, "^needs ")
                self.assertIn(reason.removeprefix("needs "), known)

    def test_a_disabled_case(self):
        self.program("one_test", "OK", {"a": ""})
        path = self.folder / "cases/one_test.xml"
        path.write_text(path.read_text().replace("completed", "suppressed"))
        self.assertEqual(1, self.count()[0])


class CommitTitle(Scratch):
    def code(self, title):
        path = self.folder / "message"
        path.write_text(f"# a comment\n{title}\n\nwhy\n")
        return self.script("commit-title", str(path)).returncode

    def test_good(self):
        self.assertEqual(0, self.code("record: close the books of late frames"))

    def test_bad(self):
        for title in ("Close the books", "record: Close the books", "record: close the books.",
                      "record: " + "x" * 53, "close the books", "record:close"):
            with self.subTest(title=title):
                self.assertEqual(1, self.code(title))


class Check(unittest.TestCase):
    def test_what_it_names_is_there(self):
        text = (tree.ROOT / "scripts/check").read_text()
        suites = {suite for build in (tree.ROOT / "tests").rglob("meson.build")
                  for listed in re.findall(r"suite: (\[[^]]*\]|'[^']*')", build.read_text())
                  for suite in re.findall(r"'(\w+)'", listed)}
        named = re.findall(r"--suite (\w+)", text)
        self.assertTrue(named)
        self.assertLessEqual(set(named), suites)
        for path in re.findall(r"\btests/[\w./-]+\w", text):
            self.assertTrue((tree.ROOT / path).exists(), path)


class Usage(Scratch):
    def test_unknown_options_are_refused(self):
        self.assertEqual(2, self.script("test", "--fast").returncode)
        self.assertEqual(2, self.script("check", "everything").returncode)

    def test_the_virtual_machine_lab_says_not_yet(self):
        run = self.script("test", "--vmlab")
        self.assertEqual(2, run.returncode)
        self.assertIn("not yet", run.stderr)


if __name__ == "__main__":
    case_report.main()
