"""Lengths of the functions of a C++ file, by counting braces: python tests/helpers/cpp_functions.py [FILE ..]

A function is a body in braces after a parameter list, outside of any other function; lambdas are part of the function
that holds them. Its lines are those from its name on which are neither blank nor comments only, without the rows of
tables: initializers in braces that hold no statement and take more than a line. Macros are left out, the lines of
both branches of an `#if` are counted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_LINES, MOST_KERNEL_LINES = 40, 60
NO_FUNCTION = re.compile(r"\s*(?:namespace|struct|class|union|enum|extern\b(?!.*\())")
AFTER_PARAMETERS = {"const", "noexcept", "override", "final", "mutable"}


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    lines: int


def without_comments(text: str) -> str:
    """The same text, line by line, with spaces in the place of comments, strings, labels and directives."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    def blank_inside(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) < 2 else found[0][0] + " " * (len(found[0]) - 2) + found[0][-1]

    text = re.sub(r"//[^\n]*|/\*.*?\*/|(\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')",
                  lambda m: blank_inside(m) if m[1] else blank(m), text, flags=re.S)  # fmt: skip
    text = re.sub(r"\b(?:public|private|protected)\s*:(?!:)", blank, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def closing(text: str, start: int) -> int:
    """Where the brace closes that opens at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    raise ValueError(f"line {text.count(chr(10), 0, start) + 1}: the brace is not closed")


def without_template(head: str) -> str:
    """A declaration without `template <..>` and attributes before it."""
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)|alignas\([^)]*\)|\[\[.*?\]\]", "", head).strip()
    while head.startswith("template"):
        depth = angles = 0
        for at in range(len(head)):
            letter = head[at]
            depth += (letter == "(") - (letter == ")")
            angles += ((letter == "<") - (letter == ">")) if depth == 0 else 0
            if letter == ">" and depth == angles == 0:
                break
        head = head[at + 1 :].strip()
    return head


def without_parentheses(head: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", head)) != head:
        head = shorter
    return head


def is_initializer(head: str) -> bool:
    """Whether a brace after this text holds values: of a variable, or of a member in a constructor's list."""
    bare = re.sub(r"operator\s*[^\s(]+", "", without_parentheses(re.sub(r"operator\s*\(\)", "", head)))
    if "=" in bare:
        return "[" not in bare.rpartition("=")[2]
    last = re.findall(r"\w+", bare)[-1:]
    in_list = re.search(r"(?<!:):(?!:)", bare) is not None and ")" in head
    return in_list and not re.search(r"\)\s*$", head) and last[0] not in AFTER_PARAMETERS


def functions(text: str) -> Iterator[Function]:
    """All functions of a file."""
    code, source = without_comments(text), text.splitlines()
    at = first = 0
    while at < len(code):
        if code[at] in ";}":
            first = at + 1
        elif code[at] == "{":
            head = without_template(code[first:at])
            if NO_FUNCTION.match(head) and "(" not in head:
                first = at + 1
            elif is_initializer(head):
                at = closing(code, at)
            elif "(" in head or "[" in head:
                end = closing(code, at)
                begin = first + len(code[first:at]) - len(code[first:at].lstrip())
                yield Function(name_of(head), code.count("\n", 0, begin) + 1, lines_of(code, source, begin, end))
                at, first = end, end + 1
            else:
                first = at + 1
        at += 1


def name_of(head: str) -> str:
    found = re.search(r"(operator\s*(?:\(\)|[^\s(]+)|[\w:~]+)\s*\(", head)
    return found[1] if found else "?"


def lines_of(code: str, source: list[str], begin: int, end: int) -> int:
    """Lines from `begin` to `end` that count."""
    lines = set(range(code.count("\n", 0, begin), code.count("\n", 0, end) + 1))
    for found in re.finditer(r"=\s*\{", code[begin:end]):
        start = begin + found.end() - 1
        stop = closing(code, start)
        if ";" not in code[start:stop]:
            lines -= set(range(code.count("\n", 0, start) + 1, code.count("\n", 0, stop)))
    directives = {i for i in lines if source[i].lstrip().startswith("#")}
    in_code = code.splitlines()
    return sum(bool(in_code[i].strip()) or i in directives for i in lines)


def most_lines(path: Path) -> int:
    """What a function of this file may have: kernels are the phases of device/kernels/ and what *_kernels.h hold."""
    return MOST_KERNEL_LINES if "kernels" in path.parts or path.stem.endswith("_kernels") else MOST_LINES


def long_functions(path: Path) -> dict[str, int]:
    """Functions of a file that have more lines than they may, by name."""
    return {f.name: f.lines for f in functions(path.read_text()) if f.lines > most_lines(path)}


def main() -> None:
    """Print the longest functions of the files, or of the whole package."""
    package = Path(__file__).parents[2] / "mmip_gpu"
    files = [Path(name) for name in sys.argv[1:]] or sorted(package.rglob("*.[hc]*"))
    found = [(f.lines, path, f) for path in files if path.suffix in (".h", ".cpp") for f in functions(path.read_text())]
    print(f"{len(found)} functions")
    for lines, path, f in sorted(found, key=lambda row: -row[0])[:40]:
        print(f"{lines:4}{'!' if lines > most_lines(path) else ' '} {path.name}:{f.line} {f.name}")


if __name__ == "__main__":
    main()
