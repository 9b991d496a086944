#!/usr/bin/env python3
"""Rooms see only what rooms.toml lets them see: own headers, third-party headers, meson libraries.

    rooms.py [ROOT]
"""
import fnmatch
import pathlib
import re
import sys
import tomllib

import tree

C_HEADERS = {"assert.h", "inttypes.h", "limits.h", "math.h", "stddef.h", "stdint.h", "stdio.h",
             "stdlib.h", "string.h"}


class Table:
    def __init__(self, path):
        table = tomllib.loads(path.read_text())
        self.rooms = table["rooms"]
        self.libraries = table["libraries"]
        self.test_libraries = table["test_libraries"]
        self.system = table["system"]
        self.dep_library = {facts["meson"]: name for name, facts in
                            (self.libraries | self.test_libraries).items()}

    def named_library(self, header):
        for name, facts in (self.libraries | self.test_libraries).items():
            if any(fnmatch.fnmatchcase(header, pattern) for pattern in facts["headers"]):
                return name
        return None

    def is_system(self, header):
        return any(fnmatch.fnmatchcase(header, pattern) for pattern in self.system["headers"])


def table_complaints(table):
    """The table itself: no unknown name, no way back to where one came from."""
    complaints = []
    for room, facts in table.rooms.items():
        for seen in facts["sees"]:
            if seen not in table.rooms:
                complaints.append(f"rooms.toml: {room} sees {seen}, which is no room")
            elif room in table.rooms[seen]["sees"]:
                complaints.append(f"rooms.toml: {room} and {seen} see each other")
        for library in facts["libraries"]:
            if library not in table.libraries:
                complaints.append(f"rooms.toml: {room} names the library {library}, which is not listed")
    return complaints


def own_include(table, place, room, in_tests, include, beside):
    target = include.name.split("/")[0]
    if table.named_library(include.name):
        return f'{place}: "{include.name}" is not ours; write <{include.name}>'
    if in_tests and beside:
        return None
    if "/" not in include.name:
        return f'{place}: "{include.name}" names no room; write "room/file.h"'
    if in_tests and target in ("support", "tests"):
        return None
    if target not in table.rooms or target == "apps" and room != "apps":
        return f'{place}: "{include.name}": {target} is no room'
    if target != room and target not in table.rooms[room]["sees"]:
        return f'{place}: "{include.name}": {room} may not see {target}'
    return None


def foreign_include(table, place, room, in_tests, include, _):
    facts = table.rooms[room]
    header = include.name
    library = table.named_library(header)
    if library in table.test_libraries:
        return None if in_tests else f"{place}: <{header}>: {library} is for tests only"
    if library:
        allowed = set(facts["libraries"])
        if in_tests:  # a test may say "json" or "fmt" whatever its room says
            allowed |= {"fmt", "json"}
        return None if library in allowed else f"{place}: <{header}>: {room} may not use {library}"
    pure = facts.get("pure", False) and not in_tests
    if table.is_system(header):
        if pure and header not in table.system["pure"]:
            return f"{place}: <{header}>: {room} is pure"
        return None
    if header in C_HEADERS:
        return f"{place}: <{header}>: write <c{header[:-2]}>"
    if "/" in header or header.endswith((".h", ".hpp")):
        return f"{place}: <{header}>: no library of rooms.toml has it"
    if pure and header in table.system["impure_standard"]:
        return f"{place}: <{header}>: {room} is pure"
    return None


def include_complaints(root, table):
    complaints = []
    for path in tree.sources(root, "src", "apps", "tests/unit"):
        room = tree.room_of(path)
        if room is None:
            complaints.append(f"{path}: stands in no room")
            continue
        if room not in table.rooms:
            complaints.append(f"{path}: {room} is no room of rooms.toml")
            continue
        in_tests = path.parts[0] == "tests"
        for include in tree.includes(tree.without_comments((root / path).read_text())):
            check = own_include if include.own else foreign_include
            beside = (root / path.parent / include.name).exists()
            complaint = check(table, f"{path}:{include.line}", room, in_tests, include, beside)
            if complaint:
                complaints.append(complaint)
    return complaints


def meson_complaints(root, table):
    """The libraries and rooms that a room's own meson.build asks for."""
    complaints = []
    for path in sorted(root.glob("src/*/meson.build")) + sorted(root.glob("apps/meson.build")):
        place = path.relative_to(root)
        room = "apps" if place.parts[0] == "apps" else place.parts[1]
        if room not in table.rooms:
            complaints.append(f"{place}: {room} is no room of rooms.toml")
            continue
        facts = table.rooms[room]
        text = re.sub(r"#[^\n]*", "", path.read_text())
        text = re.sub(r"\b\w+_dep\.version\(\)", "", text)  # asking for a version is not using it
        assigned = set(re.findall(r"^\s*(\w+_dep)\s*=", text, re.M))
        for name in sorted(set(re.findall(r"\b(\w+_dep)\b", text)) - assigned - {"threads_dep"}):
            stem = name.removesuffix("_dep")
            if name in table.dep_library:
                library = table.dep_library[name]
                if library not in facts["libraries"]:
                    complaints.append(f"{place}: {name}: {room} may not use {library}")
            elif stem in table.rooms:
                if stem != room and stem not in facts["sees"]:
                    complaints.append(f"{place}: {name}: {room} may not see {stem}")
            else:
                complaints.append(f"{place}: {name}: neither a room nor a library of rooms.toml")
        if re.search(r"\bdependency\(|find_library\(", text):
            complaints.append(f"{place}: third-party libraries are declared in /meson.build only")
    return complaints


def complaints(root):
    table = Table(pathlib.Path(root) / "tests/house/rooms.toml")
    return table_complaints(table) + include_complaints(root, table) + meson_complaints(root, table)


if __name__ == "__main__":
    sys.exit(tree.tell("rooms", complaints(tree.root_argument())))
