"""A parser that reports a wrong command line as the library reports a wrong argument, with the nearest right word.

Values: texts of a command line in; a Namespace out, with the flags of the command by the names of its options.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any, NoReturn

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import nearest

__all__ = ["Parser"]


class Parser(ArgumentParser):
    """Reports a wrong command line as the library reports a wrong argument."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.words: dict[str, ArgumentParser] = {}

    def add_parser(self, name: str, *, help: str, **options: Any) -> ArgumentParser:  # argparse's own name
        """Add a command whose name is the first word behind that of this one, which has arguments, too."""
        self.description = f"{self.description}\n{self.prog} {name} ..: {help}"
        self.words[name] = Parser(prog=f"{self.prog} {name}", **options)
        return self.words[name]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse an unknown option before anything else, with the nearest; keep the flags of the command."""
        texts = list(args or ())
        if texts and texts[0] in self.words:
            return self.words[texts[0]].parse_known_args(texts[1:], namespace)
        flags = [flag for action in self._actions for flag in action.option_strings]
        if not self._subparsers:
            for text in texts[: texts.index("--") if "--" in texts else None]:
                if text.startswith("--") and text.partition("=")[0] not in flags:
                    self._unknown("option", text.partition("=")[0], flags)
        found, rest = super().parse_known_args(args, namespace)
        if not hasattr(found, "flags"):
            found.flags = {action.dest: action.option_strings[-1] for action in self._actions if action.option_strings}
            off = {name.removeprefix("no_"): flag for name, flag in found.flags.items() if name[:3] == "no_"}
            found.flags = off | found.flags
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        choice = re.search(r"invalid choice: '([\w-]+)' \(choose from (.*)\)", message)
        if choice and self._subparsers:
            self._unknown("command", choice[1], re.findall(r"[\w-]+", choice[2]))
        raise InvalidArgument(f"{message}; see {self.prog} --help")

    def _unknown(self, what: str, name: str, known: Sequence[str]) -> NoReturn:
        like = nearest(name, known)
        advice = f"did you mean {like}?" if like else f"see {self.prog} --help"
        raise InvalidArgument(f"unknown {what} {name}; {advice}")
