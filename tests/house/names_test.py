#!/usr/bin/env python3
import unittest

import case_report
import names
import planted
import tree


class Names(planted.PlantedTest):
    def test_the_lists_are_found_in_the_sources(self):
        self.assertLessEqual({"received", "rx_missed", "kernel_other", "late"}, set(names.fates(tree.ROOT)))
        self.assertLessEqual({"loss_ratio", "latency_p99_ns"}, names.metrics(tree.ROOT))
        self.assertLessEqual({"path", "rx_ring", "reta", "rx_offloads"}, names.factors(tree.ROOT))
        self.assertLessEqual({"rx_ring", "frame_bytes", "page_size_bytes"}, names.fields(tree.ROOT))
        self.assertLessEqual({"lockstep", "checksum"}, names.enumerators(tree.ROOT))

    def test_second_spelling_of_a_fate(self):
        self.write("src/report/planted.cc", 'const char* k = "rx_missed_packets";\n')
        self.assert_caught(names, "src/report/planted.cc:1", "rx_missed_packets", "_pkts")

    def test_name_with_a_unit_that_nothing_has(self):
        self.write("src/report/planted.cc", 'const char* k = "rx_lost_pkts";\n')
        self.assert_caught(names, "src/report/planted.cc:1", "rx_lost_pkts")

    def test_metric_that_is_renamed_in_one_place(self):
        self.replace("src/record/trial_result.cc", '"latency_p99_ns"', '"latency_99_ns"')
        self.assert_caught(names, "latency_p99_ns", "no fate, metric, factor or field")

    def test_fate_that_is_renamed_in_one_place(self):
        self.replace("src/record/fate.h", "X(rx_missed, ", "X(rx_overrun, ")
        self.write("src/report/planted.cc", 'const char* k = "rx_missed_pkts";\n')
        self.replace("src/record/trial_result.h", "rx_missed_pkts", "missed_there")
        self.assert_caught(names, "src/report/planted.cc:1", "rx_missed_pkts")

    def test_factor_whose_field_has_another_name(self):
        self.replace("src/record/trial_order.h", "int rx_ring = ", "int descriptors = ")
        self.assert_caught(names, "factor rx_ring")

    def test_key_of_the_record_that_nobody_writes(self):
        self.replace("tests/house/names.toml", 'record = [', 'record = ["colour", ')
        self.assert_caught(names, "src/record/json.cc: colour")

    def test_name_in_a_comment_does_not_count(self):
        self.write("src/report/planted.cc", '// "rx_lost_pkts"\n')
        self.assertEqual([], [line for line in names.complaints(self.root) if "planted" in line])


if __name__ == "__main__":
    case_report.main()
