"""The source tree as the house rules see it."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


class Include:
    def __init__(self, name, own, line):
        self.name = name
        self.own = own  # written with "", so a file of ours
        self.line = line


def includes(text):
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Include(match.group(1) or match.group(2), match.group(1) is not None, line)


def sources(root, *folders, endings=(".h", ".cc")):
    """Paths relative to root, sorted."""
    found = []
    for folder in folders:
        found += [path.relative_to(root) for path in (root / folder).rglob("*")
                  if path.suffix in endings and path.is_file()]
    return sorted(found)


def without_comments(text):
    """Comments blanked, strings kept, line numbers kept."""
    def blank(match):
        if match.group(0).startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", match.group(0))
        return match.group(0)
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                  blank, text, flags=re.S)


def without_strings(text):
    """Comments and the insides of string literals blanked, line numbers kept."""
    def blank(match):
        inside = re.sub(r"[^\n]", " ", match.group(0)[1:-1])
        return match.group(0)[0] + inside + match.group(0)[-1]
    return re.sub(r'"(?:\\.|[^"\\\n])*"', blank, without_comments(text))


def room_of(path):
    """src/<room>/..., apps/..., tests/unit/<room>/...; None elsewhere."""
    parts = path.parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "apps":
        return "apps"
    if parts[:2] == ("tests", "unit") and len(parts) > 3:
        return parts[2]
    return None


def tell(rule, complaints):
    """Prints what a rule found; the exit code of its script."""
    for complaint in complaints:
        print(f"{rule}: {complaint}")
    if not complaints:
        print(f"{rule}: nothing to complain about")
    return 1 if complaints else 0


def root_argument():
    return pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
