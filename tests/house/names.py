#!/usr/bin/env python3
"""One name per thing: fate, metric, factor, field, key. From the sources alone.

    names.py [ROOT]

- every factor is a key of the experiment file and a field of an order (or that field less its unit);
- every quoted name with a unit (rx_missed_pkts, latency_p99_ns) is a fate, metric, factor or field;
- a unit has one spelling (_pkts, not _packets);
- every key of a line of trials.jsonl stands in record/json.cc.
"""
import pathlib
import re
import sys
import tomllib

import tree

UNITS = ("pkts", "bytes", "ns", "cycles", "pps", "bps", "mpps", "ratio", "fraction", "seconds")
OTHER_UNITS = {"packets": "pkts", "packet": "pkts", "pkt": "pkts", "octets": "bytes", "nsec": "ns",
               "nanos": "ns", "nanoseconds": "ns", "usec": "ns", "us": "ns", "ms": "ns",
               "percent": "ratio", "secs": "seconds", "sec": "seconds"}
QUOTED = re.compile(r'"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"')
FIELD = re.compile(r"^ {2,}(?:mutable |const |static constexpr |inline constexpr )*[A-Za-z_][\w:]*"
                   r"(?:<[^;(){}]*>)?[ &*]+([a-z][a-z0-9_]*)(?: = [^;]*|\{[^;]*\})?;", re.M)


def settings(root):
    return tomllib.loads((root / "tests/house/names.toml").read_text())


def fates(root):
    """name -> kind, from the one list of record/fate.h."""
    text = (root / "src/record/fate.h").read_text()
    return dict(re.findall(r"^  X\((\w+), (\w+), ", text, re.M))


def metrics(root):
    path = root / "src/record/trial_result.cc"
    return set(re.findall(r'^\s*\{\{"(\w+)", "', path.read_text(), re.M)) if path.exists() else set()


def factors(root):
    """From the list that plan/factors.cc builds: entries whose first member is the quoted name."""
    path = root / "src/plan/factors.cc"
    if not path.exists():
        return set()
    return set(re.findall(r'\.name = "(\w+)"', path.read_text()))


def fields(root, *headers):
    """Members of the structs of these headers; of every header when none is named."""
    found = set()
    for path in headers or tree.sources(root, "src", endings=(".h",)):
        found |= set(FIELD.findall(tree.without_strings((root / path).read_text())))
    return found


def accessors(root):
    """Member functions that give a value and take nothing: lost_pkts()."""
    found = set()
    for path in tree.sources(root, "src", endings=(".h",)):
        found |= set(re.findall(r"\b([a-z][a-z0-9_]*)\(\) const", tree.without_strings((root / path).read_text())))
    return found


def enumerators(root):
    found = set()
    for path in tree.sources(root, "src", endings=(".h",)):
        text = tree.without_strings((root / path).read_text())
        for body in re.findall(r"enum class \w+(?: : [\w:]+)? \{([^}]*)\}", text):
            found |= set(re.findall(r"\b([a-z][a-z0-9_]*)\b(?=\s*(?:=[^,]*)?(?:,|\s*$))", body))
    return found


def kernel_knobs(root):
    """The first words of the rows of src/record/kernel_knob.cc."""
    path = root / "src/record/kernel_knob.cc"
    if not path.exists():
        return set()
    return set(re.findall(r'^      \{"(\w+)",', path.read_text(), re.M))


def vocabulary(root):
    kept = fates(root)
    bare = fields(root)
    contract = settings(root)
    return (set(kept) | {f"{fate}_pkts" for fate in kept} | metrics(root) | factors(root) | bare
            | kernel_knobs(root)
            | {name.rstrip("_") for name in bare} | accessors(root) | enumerators(root)
            | set(contract["record"]) | set(contract["gathering"]))


def exempt(root):
    return set(settings(root)["foreign"])


def factor_complaints(root):
    known = fields(root, "src/record/trial_order.h")
    special = settings(root)["factor_fields"]
    for factor in sorted(factors(root)):
        field = special.get(factor, factor)
        if field not in known and not any(f"{field}_{unit}" in known for unit in UNITS):
            yield f"factor {factor}: no order has a field of this name"
    for factor in sorted(set(special) - factors(root)):
        if factors(root):
            yield f"names.toml: {factor} is no factor"


def quoted_complaints(root):
    known = vocabulary(root) | exempt(root)
    for path in tree.sources(root, "src", "apps"):
        text = tree.without_comments((root / path).read_text())
        for match in QUOTED.finditer(text):
            name = match.group(1).removeprefix("pollmark_")  # of metrics.prom
            last = name.rsplit("_", 1)[-1]
            line = text.count("\n", 0, match.start()) + 1
            if name == last:
                continue
            if last in OTHER_UNITS and name not in known:
                yield f'{path}:{line}: "{name}": the unit is written _{OTHER_UNITS[last]}'
            elif last in UNITS and name not in known:
                yield f'{path}:{line}: "{name}": no fate, metric, factor or field has this name'


def record_complaints(root):
    """Keys of the contract stand in record/json.cc."""
    path = root / "src/record/json.cc"
    if not path.exists():
        return
    text = tree.without_comments(path.read_text())
    for key in settings(root)["record"]:
        if f'"{key}"' not in text:
            yield f"src/record/json.cc: {key}: a key of trials.jsonl that is neither written nor read"


RULES = (factor_complaints, quoted_complaints, record_complaints)


def complaints(root):
    root = pathlib.Path(root)
    return [line for rule in RULES for line in rule(root)]


if __name__ == "__main__":
    sys.exit(tree.tell("names", complaints(tree.root_argument())))
