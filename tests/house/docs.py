#!/usr/bin/env python3
"""README and CONTRIBUTING name only what is there: scripts, verbs, options, files, fates, rooms.

    docs.py [ROOT]
"""
import pathlib
import re
import shlex
import sys
import tomllib

import names
import tree

DOCUMENTS = ("README.md", "CONTRIBUTING.md")
PROGRAMS = {"build/apps/pollmark": "apps/main.cc", "build/apps/pollmark-host": "apps/host_main.cc"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


def blocks(text, language):
    for match in BLOCK.finditer(text):
        if match.group(1) == language:
            yield text.count("\n", 0, match.start()) + 2, match.group(2)


def verbs(root, main):
    """Those that the program's main() adds."""
    return set(re.findall(r"\badd_(\w+)\(app, action\)", (root / main).read_text()))


def command_complaints(root, place, line):
    words = shlex.split(line, comments=True)
    if not words:
        return
    program, arguments = words[0], words[1:]
    if program.startswith("scripts/"):
        path = root / program
        if not path.is_file() or not path.stat().st_mode & 0o100:
            yield f"{place}: {program}: no such script"
            return
        source = path.read_text()
    elif program in PROGRAMS:
        main = PROGRAMS[program]
        if not (root / main).exists():
            return
        verb = arguments[0] if arguments else ""
        if verb not in verbs(root, main):
            yield f"{place}: {verb or 'nothing'}: no such verb"
            return
        source = (root / f"apps/verb_{verb}.cc").read_text()
    else:
        return
    for word in arguments:
        option = word.split("=")[0]
        if program == "scripts/build":  # the rest is meson's
            continue
        if option.startswith("-") and not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", source):
            yield f"{place}: {program}: no option {option}"
        if word.startswith(("scripts/", "src/", "tests/")) and not (root / word).exists():
            yield f"{place}: {word}: no such file"


def key_complaints(root, place, block):
    """A toml block parses, and each of its keys is a word of the program's own reader."""
    try:
        table = tomllib.loads(block)
    except tomllib.TOMLDecodeError as error:
        yield f"{place}: the toml block does not parse: {error}"
        return
    plan = "".join(path.read_text() for path in sorted((root / "src/plan").glob("*.cc")))
    if not plan:
        return
    plan += "".join(f'"{knob}"' for knob in names.kernel_knobs(root))

    def keys(node):
        for key, value in node.items():
            yield key
            if isinstance(value, dict):
                yield from keys(value)

    for key in sorted(set(keys(table))):
        if f'"{key}"' not in plan:
            yield f"{place}: {key}: src/plan reads no such key"


def fate_table_complaints(root, place, text):
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.M))
    fates = names.fates(root)
    if listed != fates:
        wrong = sorted(set(listed.items()) ^ set(fates.items()))
        yield f"{place}: the ledger's table and src/record/fate.h differ: {wrong}"


def complaints(root):
    root = pathlib.Path(root)
    found = []
    for name in DOCUMENTS:
        if not (root / name).exists():
            found.append(f"{name}: not there")
            continue
        text = (root / name).read_text()
        for language in ("sh", "console"):
            for first, block in blocks(text, language):
                for offset, line in enumerate(block.splitlines()):
                    found += command_complaints(root, f"{name}:{first + offset}", line.removeprefix("$ "))
        for first, block in blocks(text, "toml"):
            found += key_complaints(root, f"{name}:{first}", block)
        known = names.vocabulary(root) | names.exempt(root)
        for match in re.finditer(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`", text):
            if match.group(1) not in known:
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line}: `{match.group(1)}`: nothing has this name")
        for match in re.finditer(r"\]\((?!https?:)([^)#]+)\)", text):
            if not (root / match.group(1)).exists() and not match.group(1).startswith("results/"):
                found.append(f"{name}: link to {match.group(1)}, which is not there")
    readme = root / "README.md"
    if readme.exists():
        found += fate_table_complaints(root, "README.md", readme.read_text())
        rooms = tomllib.loads((root / "tests/house/rooms.toml").read_text())["rooms"]
        line = re.search(r"^src/ +the rooms: (.*)$", readme.read_text(), re.M)
        if line is None or set(line.group(1).split()) != set(rooms) - {"apps"}:
            found.append("README.md: the layout does not list the rooms of rooms.toml")
    return found


if __name__ == "__main__":
    sys.exit(tree.tell("docs", complaints(tree.root_argument())))
