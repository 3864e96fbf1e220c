"""What was measured, as it is: images, rates by setting, every metric, regions, tasks, times, failures, machines.

Values: `Results` in; tables out. Guarantees that every record is in a table, failures with their reason, and that a
mean says over how many of the images of its group it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mmip_gpu.bench.intervals import corpus_ratio, mean_of_ratios
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.records import Record
from mmip_gpu.bench.report.quality_curves import AGAINST, SCORES, metric, number, series_name, tasks_of
from mmip_gpu.bench.report.results import SEED, Results, interval, setting_text
from mmip_gpu.bench.report.tables import MISSING, Cell, Table, cell, interval_cell, text

__all__ = [
    "failure_table",
    "image_table",
    "machine_table",
    "metric_table",
    "rate_table",
    "region_table",
    "task_tables",
    "time_table",
]

METRICS = {
    "psnr_range": ("PSNR, range", ".2f"),
    "psnr_dtype": ("PSNR, dtype", ".2f"),
    "psnr_window": ("PSNR, window", ".2f"),
    "mse": ("MSE", ".4g"),
    "rmse": ("RMSE", ".4g"),
    "mae": ("MAE", ".4g"),
    "max_error": ("max error", "g"),
    "ssim": ("SSIM", ".4f"),
    "ms_ssim": ("MS-SSIM", ".4f"),
    "haarpsi": ("HaarPSI", ".4f"),
    "vsi": ("VSI", ".4f"),
}
PEAKS = (
    "PSNR in dB. Range: the peak is largest minus smallest sample of the image. Dtype: 2^bits - 1 of its stored bits. "
    "Window: of samples clipped to the display window, whose width is the peak."
)
_LOSSY_BEFORE = {"yes": "YES: rates and losses on it flatter what follows JPEG's grid", "unknown": "unknown"}


def _metrics_of(results: Results) -> dict[str, tuple[str, str]]:
    """The metrics of these results: without the PSNR in the window where no image has one."""
    has_window = any(metric("psnr_window")(record) is not None for record in results.measured)
    return {key: shown for key, shown in METRICS.items() if has_window or key != "psnr_window"}


def image_table(results: Results) -> Table:
    """Every image with its facts, and what has to be known before its rows are believed."""
    counts: dict[str, list[int]] = {}
    for place, records in enumerate((results.measured, results.failures)):
        for record in records:
            counts.setdefault(record["image"]["name"], [0, 0])[place] += 1
    rows = []
    for name, image in results.images.items():
        shape = "x".join(map(str, image.get("shape") or ()))
        origin = image.get("jpeg_origin") or "unknown"
        facts = [image.get("group"), image.get("dataset"), shape, image.get("axes"), image.get("dtype")]
        rows.append(
            [
                text(name),
                *map(text, facts),
                cell(number(image.get("bits")), "g"),
                cell(number(image.get("constant_psnr")), ".2f"),
                text(_LOSSY_BEFORE.get(origin, origin)),
                text(image.get("stand_in")),
                *(cell(count, "d") for count in counts[name]),
                text(image.get("licence")),
                text(image.get("checksum")),
            ]
        )
    head = ["image", "group", "data set", "shape", "axes", "dtype", "bits", "PSNR of one colour", "JPEG before"]
    note = (
        "What was coded. PSNR of one colour: of the mean everywhere, range as peak; storing nothing reaches it. "
        "A stand-in takes the place of data that cannot be had here; its rows are no result on them."
    )
    return Table("Images", note, [*head, "stand-in for", "records", "failures", "licence", "SHA-256 begins"], rows)


def rate_table(results: Results) -> Table:
    """Rates and means of metrics by group, codec and setting."""
    rows = []
    errors = ("mse", "rmse", "mae", "max_error")
    shown = [key for key in _metrics_of(results) if key not in errors]
    for group, name, setting, records in results.settings():
        coded = sum(record["bytes"] for record in records)
        sizes = [(record["raw_bytes"], max(record["bytes"], 1)) for record in records]
        samples = sum(record["raw_bytes"] / -(-record["image"]["bits"] // 8) for record in records)
        means = [_mean_cell(records, key) for key in shown]
        worst = [value for record in records if (value := metric("max_error")(record)) is not None]
        rows.append(
            [
                text(group),
                text(name),
                text(setting),
                _count(len(records), len(results.groups[group])),
                cell(8 * coded / samples, ".4f"),
                interval_cell(corpus_ratio(sizes, SEED), ".2f"),
                cell(mean_of_ratios(sizes), ".2f"),
                *means,
                cell(max(worst, default=None), "g"),
            ]
        )
    head = ["group", "codec", "setting", "images", "bits per sample", "ratio", "mean of ratios"]
    names = [METRICS[key][0] for key in (*shown, "max_error")]
    note = (
        "Bits per sample and ratio: totals of the raw bytes, at ceil(bits stored / 8) a sample, over totals of all "
        "that is stored. Mean of ratios: of the images. In brackets: 95 % bootstrap intervals over images. "
        f"{PEAKS}"
    )
    return Table("Rates by setting", note, [*head, *names], rows, 3)


def _mean_cell(records: Sequence[Record], key: str) -> Cell:
    values = [value for record in records if (value := metric(key)(record)) is not None]
    finite = [value for value in values if math.isfinite(value)]
    exact = len(values) - len(finite)
    if not finite:
        return cell(math.inf if exact else None)
    found = interval_cell(interval(finite), METRICS[key][1])
    return Cell(f"{found.shown}, {exact} exact", found.key) if exact else found


def _count(found: int, of: int) -> Cell:
    return Cell(f"{found} of {of}" if found < of else str(found), float(found))


def metric_table(results: Results) -> Table:
    """Every record with all metrics of the whole image."""
    shown = _metrics_of(results)
    rows = [
        [
            *_record_keys(record),
            *_size_cells(record),
            *(cell(metric(key)(record), form) for key, (_, form) in shown.items()),
        ]
        for record in results.measured
    ]
    names = [name for name, _ in shown.values()]
    head = ["image", "codec", "setting", "bytes", "bits per sample", "ratio", *names]
    return Table(
        "All records", f"One row for each image, codec and setting; errors in sample units. {PEAKS}", head, rows, 3
    )


def region_table(results: Results) -> Table:
    """Every record with its metrics inside and outside of each region of interest."""
    rows, shown = [], _metrics_of(results)
    for record in results.measured:
        for region, sides in (record.get("regions") or {}).items():
            for side in ("inside", "outside"):
                values = sides.get(side) or {}
                fields = [cell(number(values.get(key)), form) for key, (_, form) in shown.items()]
                rows.append([*_record_keys(record), text(region), text(side), _size_cells(record)[1], *fields])
    head = ["image", "codec", "setting", "region", "side", "bits per sample", *(name for name, _ in shown.values())]
    note = f"Metrics of the samples inside and outside of a region; the peaks are those of the whole image. {PEAKS}"
    return Table("Regions of interest", note, head, rows, 5)


def task_tables(results: Results) -> list[Table]:
    """Scores of every task by group, codec and setting, against the truth and against the original."""
    tables = []
    for task in tasks_of(results.measured):
        rows: list[list[Cell]] = []
        segmenters: dict[str, None] = {}
        for group, name, setting, records in results.settings():
            chosen = [record for record in records if task in (record.get("tasks") or {})]
            segmenters |= dict.fromkeys(record["tasks"][task].get("segmenter") or "unknown" for record in chosen)
            for against in AGAINST:
                scores = [found for record in chosen if (found := record["tasks"][task].get(against))]
                if scores:
                    bits = sum(record["bits_per_sample"] for record in chosen) / len(chosen)
                    fields = [_score_cell(scores, key) for key in SCORES]
                    facts = [text(against), _count(len(scores), len(results.groups[group])), cell(bits, ".4f")]
                    rows.append([text(group), text(name), text(setting), *facts, *fields])
        note = (
            f"Segmented by: {', '.join(segmenters)}. Truth: against the ground truth; original: against what the same "
            "segmenter finds in the uncompressed image. Means over images with 95 % bootstrap intervals; distances in "
            "samples."
        )
        head = ["group", "codec", "setting", "against", "images", "mean bits per sample", *SCORES.values()]
        tables.append(Table(f"Segmentation after compression: {task}", note, head, rows, 4))
    return tables


def _score_cell(scores: Sequence[Mapping[str, Any]], key: str) -> Cell:
    values = [value for score in scores if (value := number(score.get(key))) is not None]
    return interval_cell(interval(values), ".4f")


def time_table(results: Results) -> Table:
    """Rates of coding and the largest peak of memory by codec and group."""
    rows = []
    for group, members in results.groups.items():
        for name in results.names:
            chosen = [r for r in results.measured if r["image"]["name"] in members and series_name(r) == name]
            if chosen:
                peaks = [value for record in chosen if (value := number(_time(record).get("peak_memory"))) is not None]
                fields = [cell(geometric_mean(_rates(chosen, rate)), ".3g") for rate in _MB_S.values()]
                memory = cell(max(peaks) / 1e6, ".1f") if peaks else MISSING
                rows.append([text(group), text(name), cell(len(chosen), "d"), *fields, memory])
    note = (
        "MB/s of raw bytes (1e6), geometric means over the records: of one thread in processor time (cpu) and in wall "
        "time, and of all threads. A whole call also searches its parameter and verifies; the others have it found. "
        "Peak memory: the largest of the records, of what the process that codes takes more while it codes, in MB."
    )
    head = ["group", "codec", "records", *_MB_S, "peak memory, MB"]
    return Table("Time and memory", note, head, rows, 2)


def _rate_of(part: str, clock: str) -> Callable[[Record], float | None]:
    def rate(record: Record) -> float | None:
        seconds = number((_time(record).get(part) or {}).get(clock))
        return record["raw_bytes"] / 1e6 / seconds if seconds else None

    return rate


_MB_S: dict[str, Callable[[Record], float | None]] = {
    "encode (one, cpu)": lambda record: number(_time(record).get("mb_s_encode")),
    "decode (one, cpu)": lambda record: number(_time(record).get("mb_s_decode")),
    "whole call (one, cpu)": _rate_of("whole_call", "cpu"),
    "encode (one, wall)": _rate_of("encode", "wall"),
    "decode (one, wall)": _rate_of("decode", "wall"),
    "encode (all, wall)": _rate_of("encode_all_threads", "wall"),
    "decode (all, wall)": _rate_of("decode_all_threads", "wall"),
}


def _rates(records: Iterable[Record], rate: Callable[[Record], float | None]) -> list[float]:
    return [value for record in records if (value := rate(record))]


def _time(record: Record) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record.get("time") or {}
    return found


def failure_table(results: Results) -> Table:
    """Every record without a result, with its reason."""
    rows = [[*_record_keys(record), text(record["status"]), text(record.get("reason"))] for record in results.failures]
    note = (
        "What was asked for and not measured. Failed: the codec or the run went wrong. Unsupported: it cannot take it."
    )
    return Table("Failures", note, ["image", "codec", "setting", "status", "reason"], rows, 3)


def machine_table(results: Results) -> Table:
    """Machines, versions and commits that the records come from, and codecs with versions and options."""
    found: dict[str, dict[str, int]] = {}
    for record in results.measured + results.failures:
        codec = record.get("codec") or {}
        facts = dict(record.get("machine") or {}) | {f"codec: {codec.get('name')}": _codec_text(codec)}
        for key, value in facts.items():
            counts = found.setdefault(key, {})
            counts[str(value)] = counts.get(str(value), 0) + 1
    rows = [[text(key), text(value), cell(n, "d")] for key, counts in found.items() for value, n in counts.items()]
    note = "Where the records come from. A commit that ends in -dirty had changes that were not committed."
    return Table("Machine and versions", note, ["fact", "value", "records"], rows)


def _codec_text(codec: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key} {value}" for key, value in (codec.get("options") or {}).items())
    return f"version {codec.get('version')}{'; ' if options else ''}{options}"


def _record_keys(record: Record) -> list[Cell]:
    codec = record.get("codec") or {}
    name = series_name(record) if codec.get("name") else None
    return [text(record["image"]["name"]), text(name), text(setting_text(record))]


def _size_cells(record: Record) -> list[Cell]:
    forms = {"bytes": "d", "bits_per_sample": ".4f", "ratio": ".2f"}
    return [Cell(format(record[key], form), float(record[key])) for key, form in forms.items()]
