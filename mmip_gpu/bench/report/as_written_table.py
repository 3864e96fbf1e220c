"""The original evaluation as a table: its own measures, and below it what is wrong in each.

Values: `Results` in, a table out. Nothing else of a report is computed from these numbers.
"""

from __future__ import annotations

from mmip_gpu.bench.as_written import FOOTNOTES, IMAGE_COLUMNS
from mmip_gpu.bench.report.quality_curves import number, series_name
from mmip_gpu.bench.report.results import Results, setting_text
from mmip_gpu.bench.report.tables import Table, cell, text

__all__ = ["as_written_table"]


def as_written_table(results: Results) -> Table:
    """Return every record with the five measures of the original evaluation."""
    rows = [
        [
            *map(text, (record["image"]["name"], series_name(record), setting_text(record))),
            *(cell(number(values.get(key)), ".4g") for key in FOOTNOTES),
        ]
        for record in results.measured
        if (values := record.get("as_written"))
    ]
    names = IMAGE_COLUMNS[1:]
    notes = " ".join(f"{name}: {note}." for name, note in zip(names, FOOTNOTES.values(), strict=True))
    return Table("As the original evaluation is written", notes, ["image", "codec", "setting", *names], rows, 3)
