#!/usr/bin/env python3
"""House style that a script can see: file names, headers, what is never written, what is never built.

    style.py [ROOT]

Each rule is a function of the tree; its name stands in front of what it finds.
"""
import pathlib
import re
import sys

import tree

CATCH_ALL = {"common", "helper", "helpers", "impl", "manager", "misc", "stuff", "tools", "util",
             "utils", "utilities"}

# A bool parameter hides its meaning at the call. These say it: a setter's only argument, and the like.
BOOL_PARAMETERS_ALLOWED = set()

TEXT_ENDINGS = {"", ".build", ".cc", ".h", ".in", ".md", ".py", ".sh", ".toml", ".txt"}

# Written so that this file does not name what it forbids.
REGISTRY_HOST = re.compile(
    r"\b(?:(?:deb|ftp|security|snapshot|archive)\.(?:debian|ubuntu)\.(?:org|com)"
    r"|(?:registry|www)\.npm[j]s\.(?:org|com)|(?:files\.python[h]osted|py[p]i)\.org"
    r"|(?:static\.|index\.)?crates\.io|proxy\.gol[a]ng\.org|(?:gh[c]r|quay|[d]ocker)\.io)\b")
MACHINE_PATH = re.compile(r"(?<![\w./$}*-])/(?:home|root|work|farm|srv|mnt|media|Users)/\w")


def code(root):
    return tree.sources(root, "src", "apps", "tests")


def text_files(root):
    for folder in ("src", "apps", "tests", "scripts", "drivers_cfg", ".ci"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXT_ENDINGS and "__pycache__" not in path.parts:
                yield path.relative_to(root)
    for path in sorted(root.iterdir()):
        if path.is_file() and path.suffix in TEXT_ENDINGS and path.name != ".git":
            yield path.relative_to(root)


def file_names(root):
    for path in code(root):
        stem = path.name.split(".")[0]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", stem):
            yield f"{path}: not snake_case"
        if set(stem.split("_")) & CATCH_ALL:
            yield f"{path}: a catch-all name; name the noun inside"


def pragma_once(root):
    for path in tree.sources(root, "src", "apps", "tests", endings=(".h",)):
        if not re.search(r"^#pragma once$", (root / path).read_text(), re.M):
            yield f"{path}: no #pragma once"


def own_header_first(root):
    for path in tree.sources(root, "src", "apps", endings=(".cc",)):
        header = path.with_suffix(".h")
        if not (root / header).exists():
            continue
        name = "/".join(header.parts[1:]) if header.parts[0] == "src" else "/".join(header.parts)
        first = next(tree.includes((root / path).read_text()), None)
        if first is None or first.name != name:
            yield f'{path}: its own header "{name}" is not its first include'


def never_written(root):
    """Words that have no place in the program."""
    words = ((re.compile(r"(?<!static_)\bassert\s*\("), "assert(): PM_CHECK for bugs, Result for input"),
             (re.compile(r"\bthrow\b"), "throw: nothing of ours throws; return a Result"),
             (re.compile(r"\bstd::endl\b"), "std::endl: write \\n"),
             (re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"), "an unfinished thought: finish it or open an issue"))
    for path in tree.sources(root, "src", "apps"):
        raw = (root / path).read_text()
        bare = tree.without_strings(raw)
        for pattern, sentence in words:
            text = raw if "unfinished" in sentence else bare
            for match in pattern.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {sentence}"
    for path in tree.sources(root, "src", "apps", endings=(".h",)):
        if re.search(r"^\s*using namespace\b", tree.without_strings((root / path).read_text()), re.M):
            yield f"{path}: using namespace in a header"


def bool_parameters(root):
    parameter = re.compile(r"[(,]\s*(?:const\s+)?bool\s+((?!k[A-Z])[a-z]\w*)\s*(?=[,)=])")
    for path in tree.sources(root, "src", endings=(".h",)):
        text = tree.without_strings((root / path).read_text())
        for match in parameter.finditer(text):
            line = text.count("\n", 0, match.end()) + 1
            if f"{path}:{match.group(1)}" not in BOOL_PARAMETERS_ALLOWED:
                yield f"{path}:{line}: bool parameter {match.group(1)}: two names, or an enum"


def whitespace(root):
    for path in text_files(root):
        raw = (root / path).read_bytes()
        if not raw:
            continue
        if b"\r" in raw:
            yield f"{path}: carriage return"
        if not raw.endswith(b"\n") or raw.endswith(b"\n\n"):
            yield f"{path}: does not end with one newline"
        for number, line in enumerate(raw.split(b"\n"), 1):
            if line != line.rstrip():
                yield f"{path}:{number}: trailing white space"
            if b"\t" in line and path.suffix in (".cc", ".h", ".py", ".build"):
                yield f"{path}:{number}: tab"


def nothing_of_this_machine(root):
    for path in text_files(root):
        for number, line in enumerate((root / path).read_text().split("\n"), 1):
            for pattern, sentence in ((REGISTRY_HOST, "names the host of a registry"),
                                      (MACHINE_PATH, "an absolute path of one machine")):
                match = pattern.search(line)
                if match:
                    yield f"{path}:{number}: {sentence}: {match.group(0)}"


def listed(meson_file):
    return set(re.findall(r"'([^'\n]+)'", re.sub(r"#[^\n]*", "", meson_file.read_text())))


def everything_is_built(root):
    """A source that no meson.build names is never compiled, a test nobody registered never runs."""
    for path in tree.sources(root, "src", "apps", "tests", endings=(".cc",)):
        names = set()
        for folder in path.parents:  # its own folder's meson.build, or one further up
            if (root / folder / "meson.build").exists():
                names |= {(folder / name).as_posix() for name in listed(root / folder / "meson.build")}
        if path.as_posix() not in names:
            yield f"{path}: no meson.build lists it"
    house = root / "tests/house"
    registered = listed(house / "meson.build") if (house / "meson.build").exists() else set()
    for path in sorted(house.glob("*_test.py")):
        if path.name not in registered and path.stem not in registered:
            yield f"tests/house/{path.name}: meson.build does not register it"
    for path in sorted(root.glob("tests/unit/*/meson.build")):
        if f"'{path.parent.name}'" not in (root / "tests/unit/meson.build").read_text():
            yield f"{path.relative_to(root)}: tests/unit/meson.build does not enter it"


def alphabetical(root):
    for path in sorted(root.glob("src/*/meson.build")) + sorted(root.glob("tests/unit/*/meson.build")):
        for block in re.findall(r"files\((.*?)\)", path.read_text(), re.S):
            names = re.findall(r"'([^']+)'", block)
            if names != sorted(names):
                yield f"{path.relative_to(root)}: files are not in alphabetical order"


RULES = (file_names, pragma_once, own_header_first, never_written, bool_parameters, whitespace,
         nothing_of_this_machine, everything_is_built, alphabetical)


def complaints(root, rules=RULES):
    root = pathlib.Path(root)
    return [f"{rule.__name__}: {line}" for rule in rules for line in rule(root)]


if __name__ == "__main__":
    sys.exit(tree.tell("style", complaints(tree.root_argument())))
