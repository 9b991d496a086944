#!/usr/bin/env python3
"""What the hot loops may call, and where their code may stand.

    hot_symbols.py ROOT BUILD

- Every symbol that an object of src/datapath needs from outside datapath stands in hot_symbols.txt.
- An object compiled for one ISA level (-DPM_ISA_LEVEL=x) defines weak symbols in namespace x only: the
  linker keeps one copy of a weak function, and one compiled for AVX-512 must never serve the rest.
Plain builds only: a sanitizer adds calls of its own. Exit: 0, 1, or 77 "needs a plain build".
"""
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import tree


def is_plain(build):
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    value = {option["name"]: option["value"] for option in options}
    return value["b_sanitize"] == "none" and not value["b_coverage"]


class HotObject:
    def __init__(self, path, source, level):
        self.path = path
        self.source = source
        self.level = level


def hot_objects(build):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.PurePath(entry["file"]).as_posix()
        if "src/datapath/" not in source:
            continue
        if not re.search(r" -O[23] ", entry["command"]):
            raise SystemExit(f"hot_symbols: {source}: hot code is built without -O3")
        level = re.search(r"-DPM_ISA_LEVEL=(\w+)", entry["command"])
        yield HotObject(pathlib.Path(entry["directory"]) / entry["output"], source,
                        level.group(1) if level else None)


def symbols(path):
    """(kind, demangled name) of one object."""
    run = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        match = re.fullmatch(r"[0-9a-f]* +([A-Za-z]) (.+)", line)
        if match and match.group(2) != "_GLOBAL_OFFSET_TABLE_":  # the linker's own
            yield match.group(1), match.group(2)


def allowed_patterns(path):
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def object_complaints(objects, patterns):
    table = [(one, list(symbols(one.path))) for one in objects]
    own = {name for _, names in table for kind, name in names if kind not in "Uwv"}
    used = set()
    found = []
    for one, names in table:
        for kind, name in names:
            if kind in "Uwv" and name not in own:
                hits = {pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)}
                used |= hits
                if not hits:
                    found.append(f"{one.source}{f' ({one.level})' if one.level else ''}: calls {name}, "
                                 "which hot_symbols.txt does not allow")
            if one.level and kind in "WVu" and f"{one.level}::" not in name:
                found.append(f"{one.source} ({one.level}): {name} is weak and outside namespace {one.level}")
    for pattern in patterns:
        if pattern not in used:
            found.append(f"hot_symbols.txt: {pattern}: nothing calls it any more")
    return sorted(set(found))


def complaints(root, build):
    objects = list(hot_objects(build))
    if not objects:
        return ["src/datapath: nothing was compiled"]
    absent = [str(one.path) for one in objects if not one.path.exists()]
    if absent:
        return [f"{path}: not built" for path in absent]
    return object_complaints(objects, allowed_patterns(root / "tests/house/hot_symbols.txt"))


if __name__ == "__main__":
    if not is_plain(pathlib.Path(sys.argv[2])):
        print("hot_symbols: needs a plain build")
        sys.exit(77)
    sys.exit(tree.tell("hot_symbols", complaints(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))))
