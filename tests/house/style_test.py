#!/usr/bin/env python3
import unittest

import case_report
import planted
import style


class OneRule:
    """A single rule of style.py, so that a test does not pay for the others."""

    def __init__(self, name):
        self.rules = (getattr(style, name),)

    def complaints(self, root):
        return style.complaints(root, self.rules)


RULES = {rule.__name__: OneRule(rule.__name__) for rule in style.RULES}


class Style(planted.PlantedTest):
    def assert_caught(self, rule, *words):
        super().assert_caught(RULES[rule], *words)

    def test_catch_all_file(self):
        for name in ("util", "string_utils", "port_manager", "common"):
            with self.subTest(name=name):
                self.write(f"src/base/{name}.h", "#pragma once\n")
                self.assert_caught("file_names", f"src/base/{name}.h", "catch-all")

    def test_file_name_that_is_not_snake_case(self):
        self.write("src/base/RingSize.h", "#pragma once\n")
        self.assert_caught("file_names", "RingSize.h", "snake_case")

    def test_header_without_pragma_once(self):
        self.write("src/base/planted.h", "int planted();\n")
        self.assert_caught("pragma_once", "src/base/planted.h")

    def test_own_header_that_does_not_come_first(self):
        self.write("src/base/planted.h", "#pragma once\n")
        self.write("src/base/planted.cc", '#include <string>\n#include "base/planted.h"\n')
        self.assert_caught("own_header_first", "src/base/planted.cc")

    def test_assert(self):
        self.write("src/base/planted.cc", "#include <cassert>\nvoid f(int x) { assert(x > 0); }\n")
        self.assert_caught("never_written", "src/base/planted.cc:2", "assert()")

    def test_words_inside_comments_and_strings_do_not_count(self):
        self.write("src/base/planted.cc",
                   'static_assert(true);\n// we never throw\nconst char* kText = "assert(throw)";\n')
        found = [line for line in RULES["never_written"].complaints(self.root) if "planted.cc" in line]
        self.assertEqual([], found)

    def test_throw(self):
        self.write("src/base/planted.cc", "void f() { throw 1; }\n")
        self.assert_caught("never_written", "src/base/planted.cc:1", "throw")

    def test_unfinished_thought(self):
        self.write("src/base/planted.cc", "// TO" "DO: the rest\n")
        self.assert_caught("never_written", "src/base/planted.cc:1", "unfinished")

    def test_using_namespace_in_a_header(self):
        self.write("src/base/planted.h", "#pragma once\nusing namespace std;\n")
        self.assert_caught("never_written", "src/base/planted.h", "using namespace")

    def test_bool_parameter(self):
        for text in ("void open(int port, bool strict);", "void open(bool strict = true);",
                     "void open(const bool strict,\n int port);"):
            with self.subTest(text=text):
                self.write("src/base/planted.h", "#pragma once\n" + text + "\n")
                self.assert_caught("bool_parameters", "src/base/planted.h:2", "strict")

    def test_bool_member_is_no_parameter(self):
        self.write("src/base/planted.h", "#pragma once\nstruct S { bool valid = false; bool ok() const; };\n")
        self.assertEqual([], [line for line in RULES["bool_parameters"].complaints(self.root) if "planted" in line])

    def test_white_space(self):
        for text, word in (("int x; \n", "trailing"), ("\tint x;\n", "tab"), ("int x;", "newline"),
                           ("int x;\r\n", "carriage")):
            with self.subTest(text=text):
                self.write("src/base/planted.cc", text)
                self.assert_caught("whitespace", "src/base/planted.cc", word)

    def test_host_of_a_registry(self):
        for labels in (("deb", "debian"), ("registry", "npmjs"), ("pypi",)):
            host = ".".join((*labels, "org"))
            with self.subTest(host=host):
                self.write("scripts/planted", f"fetch http://{host}/x\n")
                self.assert_caught("nothing_of_this_machine", "scripts/planted:1", host)

    def test_path_of_one_machine(self):
        self.write("scripts/planted", "cd /ho" "me/someone/pollmark\n")
        self.assert_caught("nothing_of_this_machine", "scripts/planted:1", "absolute path")

    def test_source_that_nobody_compiles(self):
        self.write("src/base/planted.cc", "\n")
        self.assert_caught("everything_is_built", "src/base/planted.cc")

    def test_test_that_nobody_runs(self):
        self.write("tests/unit/base/planted_test.cc", "\n")
        self.assert_caught("everything_is_built", "tests/unit/base/planted_test.cc")
        self.write("tests/house/planted_test.py", "\n")
        self.assert_caught("everything_is_built", "tests/house/planted_test.py")

    def test_files_out_of_order(self):
        self.write("src/base/meson.build", "base_lib = static_library('base', files(\n  'b.cc',\n  'a.cc',\n))\n")
        self.assert_caught("alphabetical", "src/base/meson.build")


if __name__ == "__main__":
    case_report.main()
