#!/usr/bin/env python3
"""The comparisons of run_names.py, on small results made here."""
import unittest

import case_report
import names
import run_names
import tree

ROOT = tree.ROOT


def record():
    keys = dict.fromkeys(names.settings(ROOT)["record"])
    keys["ledger"] = dict.fromkeys(run_names.fate_keys(ROOT), 0)
    keys["cell"] = {"rx_ring": "512"}
    return keys


def schema():
    keys = names.settings(ROOT)["record"]
    return {"properties": dict.fromkeys(keys), "required": keys}


class RunNames(unittest.TestCase):
    def caught(self, found, *words):
        found = list(found)
        self.assertTrue(any(all(word in line for word in words) for line in found), found)

    def test_whole_record(self):
        self.assertEqual([], list(run_names.record_complaints(ROOT, record(), schema())))

    def test_key_that_is_missing_or_too_many(self):
        kept = record()
        del kept["isa"]
        self.caught(run_names.record_complaints(ROOT, kept, schema()), "trials.jsonl", "missing: ['isa']")
        self.caught(run_names.record_complaints(ROOT, record() | {"colour": 1}, schema()), "['colour']")

    def test_schema_that_forgot_a_key(self):
        short = schema()
        del short["properties"]["isa"]
        self.caught(run_names.record_complaints(ROOT, record(), short), "schema.json", "isa")

    def test_fate_under_another_name(self):
        kept = record()
        kept["ledger"]["rx_overrun_pkts"] = kept["ledger"].pop("rx_missed_pkts")
        self.caught(run_names.record_complaints(ROOT, kept, schema()), "ledger", "rx_overrun_pkts", "rx_missed_pkts")

    def test_unknown_factor_in_the_cell(self):
        self.caught(run_names.record_complaints(ROOT, record() | {"cell": {"colour": "1"}}, schema()), "colour")

    def test_unit_key_that_nothing_has_at_any_depth(self):
        kept = record() | {"queues": [{"queue": 0, "lost_forever_pkts": 1}]}
        self.caught(run_names.record_complaints(ROOT, kept, schema()), "lost_forever_pkts")

    def test_csv(self):
        head = "group,rx_ring,path,metric,unit,median,low,high,confidence,values,trials,valid,attributes\n"
        rows = "".join(f"main,512,model,{metric},x,1,1,1,1,1,1,1,\n" for metric in sorted(names.metrics(ROOT)))
        self.assertEqual([], list(run_names.csv_complaints(ROOT, head + rows)))
        self.caught(run_names.csv_complaints(ROOT, head.replace("rx_ring", "colour") + rows), "['colour']")
        self.caught(run_names.csv_complaints(ROOT, head + rows.replace("loss_ratio", "loss")), "loss_ratio")

    def test_prometheus_text(self):
        self.caught(run_names.prom_complaints(ROOT, 'pollmark_ledger_pkts{fate="gone"} 1\n'), "gone is no fate")
        self.caught(run_names.prom_complaints(ROOT, "pollmark_lost_forever_pkts 1\n"), "lost_forever_pkts")

    def test_factor_that_is_not_listed(self):
        printed = " ".join(names.factors(ROOT) - {"rx_ring"})
        self.caught(run_names.factors_complaints(ROOT, printed), "rx_ring")


if __name__ == "__main__":
    case_report.main()
