"""Rows that carry the values of a build before, so that a change is measured against what was committed.

A row keeps its measured columns and, as NAME_before, those of the build that the file was begun with, and its commit.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies import Row, read_rows, run_facts, write_rows

__all__ = ["percent_more", "written"]

_COMMIT = run_facts()["commit"]  # as the run began


def written(name: str, rows: Sequence[Row], keys: Sequence[str], columns: Sequence[str], renew: bool) -> list[Row]:
    """Write results/NAME.csv, and return its rows; what has no row there yet, and all with `renew`, is its own before.

    Parameters
    ----------
    keys, columns : sequence of str
        What names a row, and what is compared.
    renew : bool
        This build is the one that later ones are compared with.
    """
    stored = {} if renew else {_key(row, keys): row for row in read_rows(name)}
    found = []
    for row in rows:
        before = stored.get(_key(row, keys))
        values = {f"{c}_before": float(before[f"{c}_before"]) if before else row[c] for c in columns}
        found.append({**row, **values, "commit_before": before["commit_before"] if before else _COMMIT})
    measured = {row["image"] for row in found}
    write_rows(name, found + [row for row in stored.values() if row["image"] not in measured])
    return found


def percent_more(row: Row, column: str) -> float:
    """Percent more (+) or less (-) than before."""
    return 100 * (float(row[column]) / float(row[f"{column}_before"]) - 1)


def _key(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{row[key]:g}" if isinstance(row[key], float) else str(row[key]) for key in keys)
