#!/usr/bin/env python3
import unittest

import case_report
import planted
import rooms


class Rooms(planted.PlantedTest):
    def test_a_room_upstream_that_sees_downstream(self):
        self.append("src/record/fate.h", '#include "store/folder.h"\n')
        self.assert_caught(rooms, "src/record/fate.h", "record may not see store")

    def test_judge_that_sees_plan(self):
        self.write("src/judge/planted.cc", '#include "plan/experiment.h"\n')
        self.assert_caught(rooms, "src/judge/planted.cc:1", "judge may not see plan")

    def test_campaign_that_sees_datapath(self):
        self.write("src/campaign/planted.cc", '#include "datapath/receive.h"\n')
        self.assert_caught(rooms, "campaign may not see datapath")

    def test_third_party_header_outside_its_room(self):
        for room, header, library in (("store", "toml++/toml.h", "toml"),
                                      ("kernel", "rte_ethdev.h", "dpdk"),
                                      ("plan", "netlink/netlink.h", "libnl"),
                                      ("datapath", "fmt/format.h", "fmt"),
                                      ("record", "boost/math/distributions.hpp", "boost"),
                                      ("campaign", "CLI/CLI.hpp", "cli11"),
                                      ("host", "pcap.h", "pcap"),
                                      ("plan", "hs.h", "hyperscan")):
            with self.subTest(header=header):
                self.write(f"src/{room}/planted.cc", f"#include <{header}>\n")
                self.assert_caught(rooms, f"<{header}>", f"{room} may not use {library}")

    def test_library_that_nobody_listed(self):
        self.write("src/host/planted.cc", "#include <curl/curl.h>\n")
        self.assert_caught(rooms, "<curl/curl.h>", "no library")

    def test_clock_or_file_in_a_pure_room(self):
        for header in ("chrono", "fstream", "sys/socket.h", "unistd.h"):
            with self.subTest(header=header):
                self.write("src/judge/planted.cc", f"#include <{header}>\n")
                self.assert_caught(rooms, f"<{header}>", "judge is pure")

    def test_test_library_in_the_program(self):
        self.write("src/trial/planted.cc", "#include <gtest/gtest.h>\n")
        self.assert_caught(rooms, "gtest is for tests only")

    def test_third_party_header_in_quotes(self):
        self.write("src/trial/planted.cc", '#include "fmt/format.h"\n')
        self.assert_caught(rooms, '"fmt/format.h" is not ours')

    def test_include_without_a_room(self):
        self.write("src/trial/planted.cc", '#include "trial.h"\n')
        self.assert_caught(rooms, '"trial.h" names no room')

    def test_include_in_a_comment_is_none(self):
        self.write("src/trial/planted.cc", '// #include "store/folder.h"\n')
        self.assertEqual([], [line for line in rooms.complaints(self.root) if "planted" in line])

    def test_a_test_that_sees_more_than_its_room(self):
        self.write("tests/unit/base/planted_test.cc", '#include "store/folder.h"\n')
        self.assert_caught(rooms, "tests/unit/base/planted_test.cc", "base may not see store")

    def test_room_that_is_not_in_the_table(self):
        self.write("src/helpers/planted.h", "#pragma once\n")
        self.assert_caught(rooms, "helpers is no room")

    def test_meson_library_outside_its_room(self):
        self.write("src/judge/meson.build", "judge_lib = static_library('judge', dependencies: dpdk_dep)\n")
        self.assert_caught(rooms, "src/judge/meson.build", "judge may not use dpdk")

    def test_meson_room_that_may_not_be_seen(self):
        self.write("src/record/meson.build", "record_lib = static_library('record', dependencies: store_dep)\n")
        self.assert_caught(rooms, "src/record/meson.build", "record may not see store")

    def test_rooms_that_see_each_other(self):
        self.replace("tests/house/rooms.toml", "[rooms.base]\nsees = []", '[rooms.base]\nsees = ["record"]')
        self.assert_caught(rooms, "base and record see each other")


if __name__ == "__main__":
    case_report.main()
