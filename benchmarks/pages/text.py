"""Markdown of at most 120 columns: paragraphs, lists, tables, and the way numbers are written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
_NUMBER = re.compile(r"[+-]?\d")


def _filled(text: str, indent: str = "") -> str:
    glued = re.sub(r" (%|dB|MB|GB|ms|ns)(?![A-Za-z0-9])", "\0\\1", text)  # a number stays with its unit
    lines = textwrap.fill(glued, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ") + "\n"


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph."""
    return _filled(" ".join(sentences))


def bullets(*points: str) -> str:
    """A list, one point an item."""
    return "".join(_filled(f"- {point}", "  ") for point in points)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; columns of numbers stand to the right."""
    columns = list(zip(*lines, strict=True))
    rule = ["--:" if all(_NUMBER.match(cell) for cell in column if cell) else "---" for column in columns]
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, rule, *lines])


def percent(ratio: float, decimals: int = 0) -> str:
    """What a ratio is more (+) or less (-) than 1, in percent."""
    text = f"{100 * (ratio - 1):+.{decimals}f}"
    return text if float(text) else text[1:]


def fewer(ratio: float) -> str:
    """The same in words."""
    return f"{abs(100 * (ratio - 1)):.0f} % {'fewer' if ratio < 1 else 'more'}"


def span(values: Iterable[float], form: str = ".1f") -> str:
    """The smallest and the largest value: "1.6 to 1.7"; one where both are written alike."""
    texts = [format(value, form) for value in sorted(values)]
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def holds(sentence: str, condition: bool) -> str:
    """A sentence that says which of two is larger; an error once the rows say otherwise: then it must be rewritten."""
    if not condition:
        raise ValueError(f"the rows no longer bear out: {sentence}")
    return sentence


def rate(value: float) -> str:
    """MB/s: no more than three digits below 1000, no decimals from 10 on."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def anchor(title: str) -> str:
    """The name under which a page's heading is linked."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
