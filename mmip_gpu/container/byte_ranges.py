"""The bytes of a chunk by ranges: what a reader of a part asks for, round after round, and what it holds so far.

Values: spans of bytes out, what was fetched of each in; the bytes of a chunk, zeros where none were fetched.
Guarantees that nothing is asked for twice, and that near spans are asked for together; fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mmip_gpu.errors import CorruptData, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer

Span: TypeAlias = tuple[int, int]
"""First byte and the one after the last."""
Fetched: TypeAlias = "Buffer | None"
Reading: TypeAlias = "Generator[list[Span | None], list[Fetched], Any]"
"""Yields what to fetch (None: all bytes), is sent the bytes of each, returns the part; None stands for no chunk."""

__all__ = ["START", "WHOLE", "Fetched", "Reading", "Span", "Sparse", "advance", "joined", "or_whole"]

START = 4096  # bytes of a chunk, in the first round: any header, and all of a small chunk
WHOLE = 1 << 16  # chunks up to here are read at once
_GAP = 1 << 13  # bytes between two spans that are rather read than asked for twice


def or_whole(by_ranges: Reading | None, decode: Callable[[Any], Any]) -> Reading:
    """The part that `by_ranges` reads; where that is not given or goes wrong, what `decode` makes of all bytes."""
    if by_ranges is not None:
        try:
            return (yield from by_ranges)
        except CorruptData:  # perhaps of a chunk that was replaced between two rounds: once more, in one
            pass
    (data,) = yield [None]
    return None if data is None else decode(data)


def advance(reading: Reading, fetched: list[Fetched] | None = None) -> tuple[list[Span | None], Any]:
    """What to fetch next, or nothing and the part; `fetched` is what was asked for last."""
    try:
        return (next(reading) if fetched is None else reading.send(fetched)), None
    except StopIteration as done:
        return [], done.value


@dataclass
class Sparse:
    """The bytes of a chunk as far as they were fetched; the others are zero."""

    size: int
    data: bytearray = field(init=False)
    _held: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = bytearray(self.size)

    def part(self, first: int, end: int | None) -> memoryview | None:
        """Bytes that are held; None of others."""
        last = self.size if end is None else end
        is_held = any(a <= first and last <= b for a, b in self._held)
        return memoryview(self.data)[first:last] if is_held else None

    def put(self, span: Span, fetched: Fetched) -> None:
        """Keep what was fetched of a span."""
        found = memoryview(fetched or b"").cast("B")
        end = span[0] + len(found)
        if end < min(span[1], self.size):
            raise TruncatedData(f"mmip: expected a chunk of {self.size} bytes, found {end}")
        self.data[span[0] : end] = found[: max(self.size - span[0], 0)]
        self._held.append((span[0], end))

    def fetch(self, spans: Iterable[Span]) -> Generator[list[Span | None], list[Fetched], None]:
        """Ask for those of the spans that are not held, near ones together."""
        wanted = joined((span for span in spans if self.part(*span) is None), _GAP)
        if wanted:
            for span, found in zip(wanted, (yield [*wanted]), strict=True):
                self.put(span, found)


def joined(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Spans in order, those with at most `gap` bytes between them as one.

    Examples
    --------
    >>> joined([(4, 6), (0, 2), (2, 3)])
    [(0, 3), (4, 6)]
    """
    found: list[Span] = []
    for first, end in sorted(spans):
        if found and first <= found[-1][1] + gap:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found
