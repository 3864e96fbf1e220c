"""The parts of a GPU run, in their order: each is a process, with a share of the time that is left when it begins.

Values: names in; what they measure out. A part's seconds are what it should have of a whole run; they count against
those of the parts that are still to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")


@dataclass(frozen=True)
class Part:
    """A process of a run; it has between `least` and `most` seconds, whatever others need or leave."""

    name: str
    group: str
    seconds: float
    least: float = 0.0
    most: float = 1e9


PARTS = (
    Part("binaries", "smoke", 60, 60, 120),
    Part("smoke", "smoke", 20, 20, 20),
    Part("ceilings", "rates", 8, 5, 15),
    Part("effort 1", "rates", 40),
    Part("lossless", "rates", 25),
    Part("small chunks", "rates", 35),
    Part("effort 3", "rates", 30),
    Part("effort 2", "rates", 15),
    Part("real data", "rates", 15),
    Part("sizes", "rates", 20),
    Part("dtypes", "rates", 20),
    Part("rivals", "rates", 15),
    Part("host", "rates", 15),
    Part("random", "checks", 30),
    Part("extreme", "checks", 25),
    Part("real", "checks", 20),
    *(Part(tool, "sanitizers", 18, 0, 60) for tool in TOOLS),
)
GROUPS = tuple(dict.fromkeys(part.group for part in PARTS))
SUMMARY_SECONDS = 15.0
_OVERHEAD = 1.0  # seconds of a process beside its limit: to begin, and to be killed


def chosen(groups: Sequence[str]) -> list[Part]:
    """The parts of these groups; binaries come before any."""
    return [part for part in PARTS if part.group in groups or part.name == "binaries"]


def limit_of(todo: Sequence[Part], left: float) -> float:
    """Seconds for the first of the parts to do, where so many are left for all of them."""
    first = todo[0]
    room = max(left - _OVERHEAD * len(todo), 0)
    share = room * first.seconds / sum(part.seconds for part in todo)
    return min(max(share, first.least), first.most, room)
