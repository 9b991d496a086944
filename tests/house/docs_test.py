#!/usr/bin/env python3
import unittest

import case_report
import docs
import planted


class Docs(planted.PlantedTest):
    def block(self, language, text):
        self.append("README.md", f"\n```{language}\n{text}\n```\n")

    def test_script_that_is_not_there(self):
        self.block("sh", "scripts/fast-start")
        self.assert_caught(docs, "README.md", "scripts/fast-start: no such script")

    def test_option_that_a_script_does_not_have(self):
        self.block("sh", "scripts/quickstart --offline")
        self.assert_caught(docs, "README.md", "no option --offline")

    def test_verb_that_is_not_there(self):
        self.block("sh", "build/apps/pollmark measure x.toml")
        self.assert_caught(docs, "README.md", "measure: no such verb")

    def test_option_that_a_verb_does_not_have(self):
        self.block("console", "$ build/apps/pollmark run x.toml --faster")
        self.assert_caught(docs, "README.md", "no option --faster")

    def test_experiment_that_is_not_there(self):
        self.block("sh", "build/apps/pollmark plan scripts/experiments/gone.toml")
        self.assert_caught(docs, "README.md", "scripts/experiments/gone.toml: no such file")

    def test_key_that_nobody_reads(self):
        self.block("toml", "[traffic]\nframe_size = 64")
        self.assert_caught(docs, "README.md", "frame_size", "no such key")

    def test_toml_that_does_not_parse(self):
        self.block("toml", "[traffic\n")
        self.assert_caught(docs, "README.md", "does not parse")

    def test_name_in_prose_that_nothing_has(self):
        self.append("README.md", "\nSee `rx_overrun_pkts`.\n")
        self.assert_caught(docs, "README.md", "rx_overrun_pkts")

    def test_fate_that_the_table_leaves_out(self):
        self.replace("README.md", "| `rx_missed` | loss |", "| `rx_lost` | loss |")
        self.assert_caught(docs, "README.md", "ledger's table", "rx_missed")

    def test_room_that_the_layout_leaves_out(self):
        self.replace("README.md", " datapath rig ", " rig ")
        self.assert_caught(docs, "README.md", "layout")

    def test_dead_link(self):
        self.append("README.md", "\n[more](docs/more.md)\n")
        self.assert_caught(docs, "README.md", "docs/more.md")


if __name__ == "__main__":
    case_report.main()
