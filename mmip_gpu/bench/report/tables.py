"""A table, once: what it says, in Markdown and in HTML that sorts by a click.

Values: texts and numbers with the form in which they are shown in; text out. Guarantees that what is missing is marked
and sorts last, and that nothing of a name becomes markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from mmip_gpu.bench.intervals import Interval
from mmip_gpu.bench.report.study_tables import markdown_table

__all__ = ["MISSING", "Cell", "Table", "cell", "decibels", "interval_cell", "percent", "text"]


class Cell(NamedTuple):
    """What is shown, and the number or the text it is sorted by; None where there is nothing."""

    shown: str
    key: float | str | None


MISSING = Cell("-", None)


@dataclass(frozen=True)
class Table:
    """Rows under a head, with a line that says what the numbers are; `keys` columns name a row."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    keys: int = 1

    def markdown(self) -> str:
        """Return the table in Markdown, below its title and note."""
        lines = [[found.shown.replace("|", "\\|").replace("<", "&lt;") for found in row] for row in self.rows]
        table = markdown_table(self.head, lines, self.keys) if lines else "None.\n"
        return f"### {self.title}\n\n{self.note}\n\n{table}"

    def html(self) -> str:
        """Return the table in HTML: a caption, and a button in every heading that sorts by its column."""
        if not self.rows:
            return f"<h3>{escape(self.title)}</h3><p>{escape(self.note)}</p><p>None.</p>"
        names = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in self.head)
        body = "\n".join(f"<tr>{''.join(map(self._field, range(len(row)), row))}</tr>" for row in self.rows)
        caption = f"<caption><strong>{escape(self.title)}.</strong> {escape(self.note)}</caption>"
        frame = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(self.title)}">'
        return f"{frame}<table>{caption}<thead><tr>{names}</tr></thead><tbody>\n{body}\n</tbody></table></div>"

    def _field(self, column: int, found: Cell) -> str:
        if column < self.keys:
            return f'<th scope="row">{escape(found.shown)}</th>'
        is_number = found.key is None or isinstance(found.key, float)
        key = "" if found.key is None else f' data-key="{escape(str(found.key))}"'
        return f"<td{' class=n' if is_number else ''}{key}>{escape(found.shown)}</td>"


def text(value: object) -> Cell:
    """Return a cell of text; "-" for nothing."""
    return Cell(str(value), str(value)) if value not in (None, "") else MISSING


def cell(value: float | None, form: str = ".4g") -> Cell:
    """Return a cell of a number in a form.

    Examples
    --------
    >>> cell(0.12345, ".3f").shown, cell(None).shown, cell(float("inf")).shown
    ('0.123', '-', 'exact')
    """
    if value is None or math.isnan(value):
        return MISSING
    return Cell("exact" if value == math.inf else format(value, form), float(value))


def percent(value: float | None) -> Cell:
    """Return a cell of a ratio less 1 in signed percent.

    Examples
    --------
    >>> percent(1.204).shown, percent(0.9).shown
    ('+20.4 %', '-10.0 %')
    """
    return MISSING if value is None else Cell(f"{100 * (value - 1):+.1f} %", float(value))


def decibels(value: float | None) -> Cell:
    """Return a cell of a signed difference in dB."""
    return MISSING if value is None else Cell(f"{value:+.2f} dB", float(value))


def interval_cell(found: Interval | None, form: str, unit: str = "", count: int | None = None) -> Cell:
    """Return a cell of a mean with its interval, where it is over several images, and over how many it is.

    Examples
    --------
    >>> interval_cell((3.2, -1.0, 7.5), "+.1f", " %", 4).shown
    '+3.2 % (-1.0 to +7.5), n = 4'
    """
    if found is None:
        return MISSING
    mean, low, high = found
    n = "" if count is None else f", n = {count}"
    ends = "" if low is None else f" ({low:{form}} to {high:{form}})"
    return Cell(f"{mean:{form}}{unit}{ends}{n}", float(mean))
