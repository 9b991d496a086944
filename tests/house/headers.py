#!/usr/bin/env python3
"""Each header compiles alone, twice in a row, with the flags of its own room.

    headers.py [ROOT [BUILD]]

Flags come from BUILD/compile_commands.json. What passed is remembered in BUILD/house-headers.json by
the content of the header and of everything of ours that it includes.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

import tree

KEPT = ("-I", "-isystem", "-D", "-U", "-std=", "-W", "-m", "-f", "-pthread")
WITH_VALUE = ("-I", "-isystem", "-include")


def kept_flags(command, directory):
    """Of a compile command, what decides whether a header compiles; paths made absolute."""
    words = shlex.split(command)
    flags = []
    position = 1
    while position < len(words):
        word = words[position]
        value = None
        if word in WITH_VALUE and position + 1 < len(words):
            position += 1
            value = words[position]
        elif word.startswith("-I"):
            word, value = "-I", word[2:]
        elif word.startswith("-isystem"):
            word, value = "-isystem", word[len("-isystem"):]
        if word == "-include" and value.endswith("_pch.hpp"):
            pass  # a precompiled header would hide what is missing
        elif word == "-include":
            flags += [word, value]
        elif value is not None:
            path = pathlib.Path(directory) / value
            if ".pch" not in path.name and not path.name.endswith(".p"):
                flags += [word, os.path.normpath(path)]
        elif word.startswith(KEPT) and not word.startswith(("-MD", "-MQ", "-MF", "-Winvalid-pch", "-fpch")):
            flags.append(word)
        position += 1
    return flags


def room_flags(build):
    """room -> flags: the union of its compile commands; None for rooms without a .cc yet."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        # Outputs lie in BUILD as sources do in ROOT, and several sources may make one output.
        path = pathlib.PurePath(entry["output"])
        room = tree.room_of(path) or path.parts[0]
        if room in flags and path.parts[0] == "tests":
            continue
        flags.setdefault(room, kept_flags(entry["command"], entry["directory"]))
    return flags


def closure(root, header):
    """The header and everything of ours that it includes."""
    seen = set()
    waiting = [header]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        for include in tree.includes(path.read_text()):
            if include.own:
                waiting += [root / base / include.name for base in ("src", "", "tests")]
    return sorted(seen)


def digest(root, header, flags):
    hashed = hashlib.sha256(repr(flags).encode())
    for path in closure(root, header):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def compile_alone(root, header, flags):
    name = header.relative_to(root)
    text = f'#include "{header}"\n#include "{header}"\n'
    command = [os.environ.get("CXX", "g++"), "-x", "c++", "-fsyntax-only", "-Werror", *flags,
               f"-I{root}/src", f"-I{root}", f"-I{root}/tests", "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True)
    if run.returncode == 0:
        return None
    errors = [line for line in run.stderr.splitlines() if "error" in line]
    return f"{name}: does not compile alone: {(errors or run.stderr.splitlines() or ['?'])[0]}"


def complaints(root, build=None):
    root = pathlib.Path(root)
    build = pathlib.Path(build) if build else None
    by_room = room_flags(build) if build else {}
    plain = ["-std=c++20", "-Wall", "-Wextra"]
    remembered_file = build / "house-headers.json" if build else None
    remembered = {}
    if remembered_file and remembered_file.exists():
        remembered = json.loads(remembered_file.read_text())
    todo = []
    fresh = {}
    for name in tree.sources(root, "src", "apps", "tests", endings=(".h",)):
        flags = by_room.get(tree.room_of(name) or name.parts[0], plain)
        key = digest(root, root / name, flags)
        if remembered.get(str(name)) == key:
            fresh[str(name)] = key
        else:
            todo.append((name, flags, key))
    found = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = pool.map(lambda one: compile_alone(root, root / one[0], one[1]), todo)
        for (name, _, key), complaint in zip(todo, results):
            if complaint:
                found.append(complaint)
            else:
                fresh[str(name)] = key
    if remembered_file and root == tree.ROOT:
        remembered_file.write_text(json.dumps(fresh, indent=1))
    return found


if __name__ == "__main__":
    sys.exit(tree.tell("headers", complaints(tree.root_argument(), sys.argv[2] if len(sys.argv) > 2 else None)))
