#!/usr/bin/env python3
import pathlib
import unittest

import case_report
import headers
import planted
import tree


class Headers(planted.PlantedTest):
    """On a tree of two headers, so that the test costs no full round of compiling."""

    def setUp(self):
        super().setUp()
        for path in tree.sources(self.root, "src", "apps", "tests"):
            (self.root / path).unlink()
        self.write("src/base/whole.h", "#pragma once\n#include <string>\ninline std::string whole() { return {}; }\n")

    def test_whole_headers_pass(self):
        self.assertEqual([], headers.complaints(self.root))

    def test_header_that_leans_on_its_includer(self):
        self.write("src/base/leaning.h", "#pragma once\nstd::string leaning();\n")
        self.assert_caught(headers, "src/base/leaning.h", "does not compile alone")

    def test_header_that_cannot_be_included_twice(self):
        self.write("src/base/twice.h", "struct Twice {};\n")
        self.assert_caught(headers, "src/base/twice.h", "redefinition")

    def test_header_whose_own_include_is_gone(self):
        self.write("src/base/gone.h", '#pragma once\n#include "base/nowhere.h"\n')
        self.assert_caught(headers, "src/base/gone.h", "base/nowhere.h")

    def test_digest_follows_what_is_included(self):
        self.write("src/base/outer.h", '#pragma once\n#include "base/inner.h"\n')
        self.write("src/base/inner.h", "#pragma once\n")
        outer = self.root / "src/base/outer.h"
        before = headers.digest(self.root, outer, [])
        self.write("src/base/inner.h", "#pragma once\nint x;\n")
        self.assertNotEqual(before, headers.digest(self.root, outer, []))

    def test_flags_drop_output_and_precompiled_headers(self):
        flags = headers.kept_flags(
            "g++ -Isrc/base.p -I../src -isystem /usr/include/dpdk -include rte_config.h "
            "-include base_pch.hpp -DX=1 -march=corei7 -std=c++20 -MD -MQ a.o -MF a.d -o a.o -c a.cc", "/b")
        self.assertEqual(["-I", "/src", "-isystem", "/usr/include/dpdk", "-include", "rte_config.h",
                          "-DX=1", "-march=corei7", "-std=c++20"], flags)

    def assert_caught(self, rule, *words):
        found = [line for line in rule.complaints(self.root) if all(word in line for word in words)]
        self.assertTrue(found, f"not caught: {words}")
        self.assertTrue(pathlib.Path(self.root).exists())


if __name__ == "__main__":
    case_report.main()
