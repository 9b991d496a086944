"""Runs the unittests of the script that calls main(), and reports each case as gtest does.

GTEST_OUTPUT=xml:DIR/ asks for DIR/SCRIPT.xml, as it does of a gtest program; scripts/count-tests
reads both.
"""
import itertools
import os
import pathlib
import sys
import unittest
from xml.etree import ElementTree


class Result(unittest.TextTestResult):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.started = []

    def startTest(self, test):
        super().startTest(test)
        self.started.append(test)


class Runner(unittest.TextTestRunner):
    resultclass = Result


def case_name(test):
    """(class, method). A subtest belongs to its case; a setUpClass that failed is a case of its own."""
    test = getattr(test, "test_case", test)
    return type(test).__name__, getattr(test, "_testMethodName", None) or test.id()


def outcomes(result):
    """case_name -> None, or "skipped" or "failure" and its reason. A failure outweighs any skip."""
    found = dict.fromkeys(map(case_name, result.started))
    for test, reason in result.skipped:
        found[case_name(test)] = ("skipped", reason)
    for test in result.unexpectedSuccesses:
        found[case_name(test)] = ("failure", "an unexpected success")
    for test, trace in result.failures + result.errors:
        found[case_name(test)] = ("failure", trace.strip().split("\n")[-1])
    return found


def document(result, name):
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    for (class_name, method), outcome in outcomes(result).items():
        case = ElementTree.SubElement(suite, "testcase", classname=class_name, name=method)
        if outcome:
            kind, reason = outcome
            # XML cannot hold most control characters.
            printable = "".join(letter if letter.isprintable() else " " for letter in reason)
            ElementTree.SubElement(case, kind, message=printable)
    return ElementTree.ElementTree(root)


def unused(folder, stem):
    """A second run leaves a second file, numbered as gtest numbers it."""
    numbered = (f"{stem}_{number}" for number in itertools.count(1))
    return next(path for name in itertools.chain([stem], numbered)
                if not (path := folder / f"{name}.xml").exists())


def main(**more):
    result = unittest.main(module="__main__", exit=False, testRunner=Runner, **more).result
    wanted = os.environ.get("GTEST_OUTPUT", "")
    if wanted.startswith("xml:") and wanted.endswith("/"):
        stem = pathlib.Path(sys.argv[0]).stem
        folder = pathlib.Path(wanted.removeprefix("xml:"))
        document(result, stem).write(unused(folder, stem), encoding="utf-8")
    sys.exit(not result.wasSuccessful())
