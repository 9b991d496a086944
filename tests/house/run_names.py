#!/usr/bin/env python3
"""One name per thing, in what the program really writes: a small run on the model, file by file.

    run_names.py ROOT PROGRAM

Keys of trials.jsonl against the contract (names.toml) and the shipped schema, fates against
record/fate.h, metrics and factors in CSV, JSON and Prometheus text against their lists, and the
README's experiment through `plan`.
"""
import csv
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import docs
import names
import tree

EXPERIMENT = """
name = "names"
question = "Do the names agree?"
[generator]
port = "model"
[receiver]
port = "model"
stage = "touch"
[traffic]
frame = 128
flows = 16
load = "5 %"
[model]
link = "10G"
stalls = "every 1 ms for 100 us"
[factors]
rx_ring = [64, 256]
rx_offloads = [[], ["checksum"]]
[trial]
seconds = 0.002
warmup = 0.001
blocks = 1
seed = 7
[judge]
metric = "loss_ratio"
baseline = { rx_ring = 256 }
"""
CSV_COLUMNS = ["path", "metric", "unit", "median", "low", "high", "confidence", "values", "trials", "valid",
               "attributes"]


def fate_keys(root):
    return {f"{fate}_pkts" for fate in names.fates(root)}


def difference(place, found, wanted):
    found, wanted = set(found), set(wanted)
    if found != wanted:
        yield f"{place}: not in the contract: {sorted(found - wanted)}; missing: {sorted(wanted - found)}"


# Rows of summary.csv that are measured in no trial: of cells that a model or a target speaks of.
DERIVED = {"predicted_missed_ratio", "target_headroom"}
# Where the README shows one table alone.
GROUND = """name = "ground"
[generator]
port = "veth"
[receiver]
port = "veth"
path = "udp_socket"
[traffic]
load = "10 kpps"
"""


def record_complaints(root, record, schema):
    contract = names.settings(root)["record"]
    yield from difference("trials.jsonl", record, contract)
    yield from difference("schema.json", schema.get("properties", {}), contract)
    yield from difference("schema.json required", schema.get("required", []), contract)
    yield from difference("trials.jsonl ledger", record.get("ledger", {}), fate_keys(root))
    for factor in record.get("cell", {}):
        if factor not in names.factors(root):
            yield f"trials.jsonl: cell has {factor}, which is no factor"
    known = names.vocabulary(root)
    for name in sorted(with_unit(record) - known):
        yield f"trials.jsonl: {name}: no fate, metric, factor or field has this name"


def with_unit(node):
    """Keys that end in a unit, at any depth but below counters (those are the kernel's names)."""
    found = set()
    if isinstance(node, dict):
        for key, value in node.items():
            if key.rsplit("_", 1)[-1] in names.UNITS and "_" in key:
                found.add(key)
            if key != "counters":
                found |= with_unit(value)
    elif isinstance(node, list):
        for value in node:
            found |= with_unit(value)
    return found


def csv_complaints(root, text):
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = list(rows[0]) if rows else []
    factors = names.factors(root)
    yield from difference("summary.csv", [one for one in columns if one not in factors - {"path"}],
                          ["group", *CSV_COLUMNS])
    yield from difference("summary.csv metrics", {row["metric"] for row in rows} - DERIVED, names.metrics(root))


def summary_complaints(root, summary):
    for cell in summary["cells"]:
        yield from difference("summary.json metrics", cell["metrics"], names.metrics(root))
        yield from difference("summary.json ledger", cell["ledger"] or fate_keys(root), fate_keys(root))
    known = names.vocabulary(root)
    for name in sorted(with_unit(summary) - known):
        yield f"summary.json: {name}: no fate, metric, factor or field has this name"


def prom_complaints(root, text):
    known = names.vocabulary(root)
    for name in sorted(set(re.findall(r"^pollmark_(\w+)[{ ]", text, re.M))):
        if name.rsplit("_", 1)[-1] in names.UNITS and name not in known:
            yield f"metrics.prom: pollmark_{name}: no fate, metric, factor or field has this name"
    for fate in sorted(set(re.findall(r'fate="(\w+)"', text)) - set(names.fates(root))):
        yield f"metrics.prom: {fate} is no fate"


def factors_complaints(root, printed):
    for factor in sorted(names.factors(root)):
        if not re.search(rf"\b{factor}\b", printed):
            yield f"pollmark factors: says nothing of {factor}"


def complaints(root, program):
    found = []
    with tempfile.TemporaryDirectory(prefix="pollmark-names-") as scratch:
        scratch = pathlib.Path(scratch)

        def pollmark(*arguments):
            run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, cwd=scratch)
            # A busy host may leave a cell without a valid trial (exit 1): its records have all names too.
            if run.returncode not in ((0, 1) if arguments[0] == "run" else (0,)):
                found.append(f"pollmark {arguments[0]}: exit {run.returncode}: {run.stderr.strip()[-300:]}")
            return run.stdout

        experiment = scratch / "names.toml"
        experiment.write_text(EXPERIMENT)
        folder = scratch / "out"
        pollmark("run", experiment, "-o", folder)
        if found:
            return found
        schema = json.loads((folder / "schema.json").read_text())
        for line in (folder / "trials.jsonl").read_text().splitlines():
            found += record_complaints(root, json.loads(line), schema)
        found += csv_complaints(root, (folder / "summary.csv").read_text())
        found += summary_complaints(root, json.loads((folder / "summary.json").read_text()))
        found += prom_complaints(root, (folder / "metrics.prom").read_text())
        found += factors_complaints(root, pollmark("factors"))
        for number, (_, block) in enumerate(docs.blocks((root / "README.md").read_text(), "toml")):
            example = scratch / f"readme{number}.toml"
            example.write_text(block if re.search(r"^name\b", block, re.M) else GROUND + block)
            pollmark("plan", example)
    return sorted(set(found))


if __name__ == "__main__":
    sys.exit(tree.tell("run_names", complaints(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve())))
