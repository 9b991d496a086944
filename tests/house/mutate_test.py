#!/usr/bin/env python3
"""The reading of bug blocks, and every block of the checkout: it still fits the source."""
import importlib.machinery
import importlib.util
import unittest

import case_report
import tree

loader = importlib.machinery.SourceFileLoader("mutate", str(tree.ROOT / "scripts/mutate"))
mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", loader))
loader.exec_module(mutate)

BLOCK = """## src/base/x.cc
meaning: a loss is counted twice
-   lost += 1;
+   lost += 2;
"""


class Mutate(unittest.TestCase):
    def test_a_block(self):
        (bug,) = mutate.parse(BLOCK, "bugs/base.txt", "base")
        self.assertEqual(("src/base/x.cc", "a loss is counted twice", ["lost += 1;"], ["lost += 2;"]),
                         (bug.file, bug.meaning, bug.old, bug.new))
        self.assertEqual("if (x) {\n    lost += 2;\n}", mutate.planted("if (x) {\n    lost += 1;\n}", bug))

    def test_old_lines_must_stand_there_once(self):
        (bug,) = mutate.parse(BLOCK, "bugs/base.txt", "base")
        for text in ("nothing", "lost += 1;\nlost += 1;"):
            with self.assertRaises(mutate.WrongBlock):
                mutate.planted(text, bug)

    def test_a_line_taken_away(self):
        (bug,) = mutate.parse("## f\nmeaning: m\n- b\n", "bugs/base.txt", "base")
        self.assertEqual("a\nc", mutate.planted("a\nb\nc", bug))

    def test_blocks_that_say_too_little_or_too_much(self):
        for text in ("## f\n- a\n+ b", "meaning: m\n- a", "## f\nmeaning: m\n+ b",
                     "## f\nmeaning: m\n- a\n+ b\n- c", "## f\nmeaning: m\nwhat\n- a",
                     "## f\nmeaning: m\n- a\n## g\n- b"):
            with self.subTest(text=text), self.assertRaises(mutate.WrongBlock):
                mutate.parse(text, "bugs/base.txt", "base")

    def test_every_planned_bug_fits_the_source_and_changes_it(self):
        for bug in mutate.read_bugs(tree.ROOT / "tests/bugs"):
            with self.subTest(place=bug.place):
                text = (tree.ROOT / bug.file).read_text()
                self.assertNotEqual(text, mutate.planted(text, bug))


if __name__ == "__main__":
    case_report.main()
