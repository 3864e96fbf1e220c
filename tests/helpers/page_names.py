"""Files and names that a page states in backticks, looked up in the checkout.

``path`` names a file or a folder, with ``*`` or ``<..>`` several; ``path: name, other`` names what is defined there.
Paths without a folder of the top level are in the package.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

SUFFIXES = ("py", "h", "cpp", "cu", "md", "json", "csv", "toml", "txt", "mmip", "sh")
TOPS = ("mmip_gpu/", "numcodecs_plugin/", "benchmarks/", "tests/")
_PATH = re.compile(rf"[\w./*<>-]*\.(?:{'|'.join(SUFFIXES)})|[\w./*<>-]+/")
_NAMES = re.compile(r"[\w.]+(?:, [\w.]+)*")
_SPAN = re.compile(r"`([^`\n]+)`")
_CORE_TEXT = ("*.h", "*.cpp", "*.cu", "*.pyi")


def spans(text: str) -> list[str]:
    """What stands in backticks outside of fenced blocks."""
    return _SPAN.findall(re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))


def found_paths(root: Path, name: str) -> list[Path]:
    """The files or folders that a path of a page names."""
    pattern = re.sub(r"<[^>]*>", "*", name).rstrip("/")
    candidates = [root] if name.startswith(TOPS) else [root / "mmip_gpu", root]
    return next((paths for base in candidates if (paths := sorted(base.glob(pattern)))), [])


@cache
def definitions(path: Path) -> frozenset[str]:
    """Names that a file defines; of a method also with its class; of C++ every name."""
    text = path.read_text()
    if path.suffix != ".py":
        return frozenset(re.findall(r"\w+", text))
    found = set()
    for node in ast.parse(text).body:
        found |= _names_of(node)
        if isinstance(node, ast.ClassDef):
            inner = {name for child in node.body for name in _names_of(child)}
            found |= inner | {f"{node.name}.{name}" for name in inner}
    return frozenset(found)


def _names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@cache
def words(root: Path) -> frozenset[str]:
    """Names that are defined anywhere in the packages and tests, and the words of the core."""
    found: set[str] = set()
    for top in TOPS:
        for path in (root / top).rglob("*.py"):
            found |= definitions(path)
    for pattern in _CORE_TEXT:
        for path in (root / "mmip_gpu").rglob(pattern):
            found |= set(re.findall(r"\w+", path.read_text()))
    return frozenset(found)


def unknown(root: Path, text: str) -> list[str]:
    """What a page names and the checkout does not have."""
    return [span for span in spans(text) if not _is_known(root, span)]


def _is_known(root: Path, span: str) -> bool:
    path, colon, names = span.partition(": ")
    if _PATH.fullmatch(path) and (not colon or _NAMES.fullmatch(names)):
        paths = found_paths(root, path)
        return bool(paths) and (not colon or set(names.split(", ")) <= definitions(paths[0]))
    is_name = re.fullmatch(r"[A-Za-z]\w*_\w+|[A-Z][a-z]+[A-Z]\w*|_\w+", span)
    return is_name is None or span in words(root) or any(root.glob(f"mmip_gpu/{span}.*")) or span == "mmip_gpu"
