#!/usr/bin/env python3
"""On objects compiled here, in a build folder of four lines."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import case_report
import hot_symbols

LOOP = """
extern "C" unsigned short burst(void*, unsigned short);
namespace pollmark::v3 {
inline int twice(int x) { return 2 * x; }
int (*keep)(int) = twice;
int loop(void* queue) { return burst(queue, 32); }
}
"""


class HotSymbols(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pollmark-house-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "src/datapath").mkdir(parents=True)
        (self.root / "tests/house").mkdir(parents=True)
        self.allow("burst")

    def allow(self, *names):
        (self.root / "tests/house/hot_symbols.txt").write_text("".join(f"{name}  # why\n" for name in names))

    def found(self, text, level="-DPM_ISA_LEVEL=v3"):
        source = self.root / "src/datapath/loop.cc"
        source.write_text(text)
        command = ["g++", "-std=c++20", "-O2", "-fno-exceptions", *level.split(), "-c", str(source), "-o", "loop.o"]
        subprocess.run(command, cwd=self.root, check=True)
        entry = {"directory": str(self.root), "file": "src/datapath/loop.cc", "output": "loop.o",
                 "command": " ".join(command)}
        (self.root / "compile_commands.json").write_text(json.dumps([entry]))
        return hot_symbols.complaints(self.root, self.root)

    def test_a_loop_that_calls_what_it_may(self):
        self.assertEqual([], self.found(LOOP))

    def test_a_loop_that_prints(self):
        text = "#include <cstdio>\n" + LOOP.replace("{ return burst", '{ std::puts("now"); return burst')
        self.assertTrue(any("calls puts" in line for line in self.found(text)))

    def test_a_loop_that_allocates(self):
        text = LOOP + "int* more() { return new int[64]; }\n"
        self.assertTrue(any("operator new" in line for line in self.found(text)))

    def test_code_of_one_level_that_could_serve_all(self):
        text = LOOP + "inline int shared(int x) { return x + 1; }\nint (*kept)(int) = shared;\n"
        (line,) = self.found(text)
        self.assertIn("shared(int) is weak and outside namespace v3", line)
        self.assertEqual([], self.found(text, level=""))

    def test_a_name_on_the_list_that_nothing_calls(self):
        self.allow("burst", "printf")
        self.assertEqual(["hot_symbols.txt: printf: nothing calls it any more"], self.found(LOOP))

    def test_an_object_that_is_not_built(self):
        self.found(LOOP)
        (self.root / "loop.o").unlink()
        self.assertIn("not built", hot_symbols.complaints(self.root, self.root)[0])

    def test_hot_code_without_optimisation(self):
        self.found(LOOP)
        path = self.root / "compile_commands.json"
        path.write_text(path.read_text().replace(" -O2 ", " -O1 "))
        with self.assertRaisesRegex(SystemExit, "without -O3"):
            hot_symbols.complaints(self.root, self.root)

    def test_a_sanitized_build_is_not_looked_at(self):
        (self.root / "meson-info").mkdir()
        options = self.root / "meson-info/intro-buildoptions.json"
        for sanitize, coverage, plain in (("none", False, True), ("address", False, False), ("none", True, False)):
            options.write_text(json.dumps([{"name": "b_sanitize", "value": sanitize},
                                           {"name": "b_coverage", "value": coverage}]))
            self.assertEqual(plain, hot_symbols.is_plain(self.root))


if __name__ == "__main__":
    case_report.main()
