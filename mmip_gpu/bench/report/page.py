"""The report of a run: report.md, and report.html, one file that needs no network.

Values: a results folder in; two files in it out. Guarantees that the page is made of the records and the pictures
alone, and that the same records give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from mmip_gpu.bench.as_written import write_tables
from mmip_gpu.bench.records import read_records
from mmip_gpu.bench.report.as_written_table import as_written_table
from mmip_gpu.bench.report.comparisons import bd_tables, equal_bits_tables, equal_psnr_tables, fall_tables
from mmip_gpu.bench.report.fact_tables import (
    failure_table,
    image_table,
    machine_table,
    metric_table,
    rate_table,
    region_table,
    task_tables,
    time_table,
)
from mmip_gpu.bench.report.pictures import PICTURES, pictures_html
from mmip_gpu.bench.report.rate_charts import rate_charts
from mmip_gpu.bench.report.results import Results
from mmip_gpu.bench.report.tables import Table
from mmip_gpu.errors import StoreError
from mmip_gpu.sinks import replacing

__all__ = ["write_report"]

_PICTURES_NOTE = (
    "The same window of the original and of what codecs make of it at about the same rate. Greys end at the 0.5 and "
    "99.5 percentiles of the original. Error maps of an image share one scale, which ends at their 99.5 percentile."
)

Section = tuple[str, Sequence[Table]]


def write_report(folder: Path, anchor: str | None = None, *, as_written: bool = False) -> list[Path]:
    """Write report.md and report.html of a results folder.

    Parameters
    ----------
    folder : pathlib.Path
        What ``mmip bench run`` wrote: records.jsonl, and pictures/ where there are some.
    anchor : str, optional
        The codec that the others are compared with, by its name in the records. Default: JPEG 2000, or the first one.
    as_written : bool
        Whether to show the measures of the original evaluation, too, and to write its tables into as_written/.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    StoreError
        For a folder without records, or one that cannot be written.
    InvalidArgument
        For an anchor that is no codec of the records.
    UnsupportedVersion
        For records of another version.
    """
    records = read_records(folder)
    if not records:
        raise StoreError(f"{folder}: expected records of mmip bench run, found none")
    results = Results.of(records, anchor)
    sections = _sections(results) + ([("As written", [as_written_table(results)])] if as_written else [])
    paths = [folder / "report.md", folder / "report.html"]
    texts = (markdown(results, sections), html(results, sections, folder / PICTURES))
    for path, text in zip(paths, texts, strict=True):
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    return [*paths, *(write_tables(records, folder / "as_written") if as_written else [])]


def markdown(results: Results, sections: Sequence[Section]) -> str:
    """Return the report without charts and pictures."""
    parts = [f"# {_title(results)}", *_facts(results)]
    for title, tables in sections:
        parts += [f"## {title}", *(table.markdown() for table in tables)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def html(results: Results, sections: Sequence[Section], pictures: Path) -> str:
    """Return the page."""
    room = files(__package__ or "mmip_gpu.bench.report")
    style, script = (room.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    first, *others = sections
    bodies = {first[0]: _tables(first[1]), "Quality over rate": rate_charts(results)}
    shown = pictures_html(pictures, results) if pictures.is_dir() else ""
    if shown:
        bodies["Pictures"] = f"<p>{_PICTURES_NOTE}</p>{shown}"
    bodies |= {title: _tables(tables) for title, tables in others}
    places = {title: f"part-{number}" for number, title in enumerate(bodies, start=1)}
    links = "".join(f'<a href="#{place}">{escape(title)}</a>' for title, place in places.items())
    main = "\n".join(f'<h2 id="{places[title]}">{escape(title)}</h2>\n{body}' for title, body in bodies.items())
    facts = "".join(f"<p>{escape(fact)}</p>" for fact in _facts(results))
    title = escape(_title(results))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{style}</style></head>\n'
        f'<body><header><h1>{title}</h1>{facts}<nav aria-label="Parts">{links}</nav></header><main>\n{main}\n'
        f"</main><script>\n{script}</script></body></html>\n"
    )


def _title(results: Results) -> str:
    images = len({record["image"]["name"] for record in results.measured})
    return f"Benchmark of {len(results.names)} codecs on {images} image{'' if images == 1 else 's'}"


def _facts(results: Results) -> list[str]:
    """Lines that have to be read before a number is believed."""
    machines = {tuple((record.get("machine") or {}).items()): None for record in results.measured}
    run = "; ".join(", ".join(f"{key} {value}" for key, value in machine) for machine in machines)
    lines = [
        f"{len(results.measured)} results, {len(results.failures)} failures or refusals. "
        f"Anchor: {results.anchor or 'none'}. Measured with: {run or 'unknown'}.",
        "Rates count all bytes that are stored against ceil(bits stored / 8) bytes a sample. PSNR: the peak is the "
        "range of the image (largest minus smallest sample) unless a column says dtype. Nothing is extrapolated.",
    ]
    stand_ins = [f"{name} for {image['stand_in']}" for name, image in results.images.items() if image.get("stand_in")]
    jpegs = [name for name, image in results.images.items() if image.get("jpeg_origin") == "yes"]
    unsure = [name for name, image in results.images.items() if image.get("jpeg_origin") == "unknown"]
    lines += [f"Stand-ins: {', '.join(stand_ins)}."] if stand_ins else []
    lines += [f"Warning: these images were JPEG before: {', '.join(jpegs)}."] if jpegs else []
    lines += [f"Whether these images were JPEG before is unknown: {', '.join(unsure)}."] if unsure else []
    return lines


def _sections(results: Results) -> list[Section]:
    return [
        (f"Against {results.anchor}", bd_tables(results) or [Table("BD-rate", "No codec has enough points.", [], [])]),
        ("What the loss does to segmentation", [*fall_tables(results), *task_tables(results)]),
        ("Equal PSNR and equal bits", [*equal_psnr_tables(results), *equal_bits_tables(results)]),
        ("Rates, metrics, regions", [rate_table(results), metric_table(results), region_table(results)]),
        ("Time and memory", [time_table(results)]),
        ("Images, failures, machines", [image_table(results), failure_table(results), machine_table(results)]),
    ]


def _tables(tables: Sequence[Table]) -> str:
    return "\n".join(table.html() for table in tables)
