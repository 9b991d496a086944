"""A copy of the checkout into which a test plants one violation, so that a rule is seen to bite."""
import pathlib
import shutil
import tempfile
import unittest

import tree

COPIED = ("src", "apps", "tests", "scripts", "README.md", "CONTRIBUTING.md", "meson.build",
          "meson_options.txt", ".clang-format")


untouched = {}  # rule -> what it says of the checkout itself


class PlantedTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="pollmark-house-")
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)
        for name in COPIED:
            source = tree.ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, self.root / name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, name, text):
        path = self.root / name
        path.write_text(path.read_text() + text)

    def replace(self, name, old, new):
        path = self.root / name
        text = path.read_text()
        self.assertIn(old, text, f"{name} no longer has what the test changes")
        path.write_text(text.replace(old, new, 1))

    def assert_caught(self, rule, *words):
        """One complaint of the rule has all the words, and the untouched tree has none such."""
        self.assertTrue(self.matching(rule.complaints(self.root), words), f"not caught: {words}")
        if rule not in untouched:
            untouched[rule] = rule.complaints(tree.ROOT)
        self.assertFalse(self.matching(untouched[rule], words), "the same complaint without the planted violation")

    @staticmethod
    def matching(found, words):
        return [line for line in found if all(word in line for word in words)]
