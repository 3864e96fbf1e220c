"""The staged benchmark: standard images, electron microscopy, histology, and image types that no codec was made for.

Values: a results folder and users' copies of the named sets in; records of the run and a page, stages.md, out. A stage
is a selection of images for bench/run.py, and tables of its records. Where the user gives no copy of a set, images
that are at hand stand in for it, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mmip_gpu.bench.datasets import DATASETS, Found, ImageSet, select_images
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.intervals import bootstrap
from mmip_gpu.bench.records import Record
from mmip_gpu.bench.report.tables import MISSING, Cell, Table, interval_cell, text
from mmip_gpu.bench.run import Run, run, tasks_by_labels
from mmip_gpu.bench.tasks import task_named
from mmip_gpu.errors import InvalidArgument, MissingResource

__all__ = ["PAGE", "STAGES", "Stage", "run_stages", "stage_images"]

PAGE = "stages.md"
_SEED = 0
_SCORES = ("dice", "ap50", "boundary_f1", "contour_distance")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Parameters
    ----------
    number : int
        From 1.
    title : str
        What it is about.
    sets : tuple of str
        The data sets that it is meant for.
    stand_ins : mapping of str to str
        Images of the developers' folder, by pattern, and the set that each stands for.
    phantoms : mapping of str to str
        Phantoms where that folder is not there, likewise.
    task : str, optional
        What images are segmented for, also those without ground truth.
    """

    number: int
    title: str
    sets: tuple[str, ...]
    stand_ins: Mapping[str, str]
    phantoms: Mapping[str, str]
    task: str | None = None


STAGES = (
    Stage(
        1,
        "Standard images, grey and RGB of 16 bits",
        ("imagecompression-gray16", "imagecompression-rgb16"),
        {"micro_bbbc034_aics": "imagecompression-gray16", "micro_hela_rgb16": "imagecompression-rgb16"},
        {"phantom2d": "imagecompression-gray16", "phantom_rgb16": "imagecompression-rgb16"},
    ),
    Stage(
        2,
        "Electron microscopy: metrics, membranes and their contours",
        ("EMPIAR-12592",),
        {"em_isbi_train-*": "EMPIAR-12592"},
        {"phantom_membranes": "EMPIAR-12592"},
        "membranes",
    ),
    Stage(
        3,
        "Histology in RGB: metrics, nuclei and their contours",
        ("TG-GATEs",),
        {"he_dsb2018-*": "TG-GATEs"},
        {"phantom_histology": "TG-GATEs"},
        "nuclei",
    ),
    Stage(
        4,
        "Unseen types: MR, grey, and bright field, RGB",
        ("bioimage-mr", "bioimage-brightfield"),
        {"mr_uih_t1_brain": "bioimage-mr", "nema_vl6": "bioimage-brightfield"},
        {"phantom_u8": "bioimage-mr", "phantom_rgb16": "bioimage-brightfield"},
    ),
)


def run_stages(folder: Path, own: Sequence[str], wanted: Run, *, phantoms: str | None = None) -> list[Record]:
    """Measure what is not measured yet, and write the page.

    Parameters
    ----------
    folder : pathlib.Path
        As of `mmip_gpu.bench.run.run`.
    own : sequence of str
        Users' copies of named sets, "NAME=FOLDER".
    wanted : Run
        Codecs, targets and tasks.
    phantoms : str, optional
        "phantoms" or "quick": these stand in, even where the developers' images are at hand.

    Returns
    -------
    list of dict
        All records of the folder.

    Raises
    ------
    InvalidArgument
        For a set that belongs to no stage.
    """
    _check_own(own)
    records: list[Record] = []
    parts = ["# The staged benchmark\n"]
    for stage, images in [(stage, stage_images(stage, own, phantoms)) for stage in STAGES]:
        records = run(folder, images, wanted)
        found = [image for image in images if isinstance(image, BenchImage)]
        names = {image.checksum for image in found}
        own_records = [record for record in records if record["image"]["checksum"] in names]
        parts.append(_stage_part(stage, found, own_records, tasks_by_labels(wanted.tasks)))
    (folder / PAGE).write_text("\n".join(parts), encoding="utf-8")
    return records


def _check_own(own: Sequence[str]) -> None:
    known = [name for stage in STAGES for name in stage.sets]
    for given in own:
        if given.partition("=")[0] not in known or "=" not in given:
            raise InvalidArgument(f"{given}: expected NAME=FOLDER with a NAME of {', '.join(known)}")


def stage_images(stage: Stage, own: Sequence[str] = (), phantoms: str | None = None) -> ImageSet:
    """Return the images of a stage: users' copies, and stand-ins for the sets of which there is none.

    Examples
    --------
    >>> [(image.name, image.stand_in) for image in stage_images(STAGES[1], phantoms="quick")]
    [('phantom_membranes_192', 'EMPIAR-12592')]
    """
    given = [copy for copy in own if copy.partition("=")[0] in stage.sets]
    lacking = [name for name in stage.sets if name not in {copy.partition("=")[0] for copy in given}]
    loaders = [partial(_marked, select_images([copy]), stage.task, None) for copy in given]
    stand_ins = _stand_ins(stage, phantoms)
    loaders += [partial(_marked, images, stage.task, name) for name, images in stand_ins if name in lacking]
    return ImageSet(loaders)


def _stand_ins(stage: Stage, phantoms: str | None) -> list[tuple[str, ImageSet]]:
    """Names of sets, and what stands in for each."""
    if phantoms is None:
        try:
            return [(name, select_images([f"shared:{pattern}"])) for pattern, name in stage.stand_ins.items()]
        except MissingResource:
            phantoms = "phantoms"
    return [(name, select_images([f"{phantoms}:{pattern}"])) for pattern, name in stage.phantoms.items()]


def _marked(images: ImageSet, task: str | None, name: str | None) -> Iterator[Found]:
    """Yield images with the task of the stage, and the name of the set that they stand for."""
    for image in images:
        yield replace(image, task=task, stand_in=name) if isinstance(image, BenchImage) else image


def _stage_part(
    stage: Stage, images: Sequence[BenchImage], records: Sequence[Record], tasks: Mapping[str, Sequence[str]]
) -> str:
    """Return the part of the page of a stage."""
    lines = [f"## Stage {stage.number}: {stage.title}\n"]
    for name in stage.sets:
        own = sum(image.dataset == name for image in images)
        stood_in = [image.name for image in images if image.stand_in == name]
        if own:
            lines.append(f"- {name}: {own} images of the set.")
        else:
            lines.append(f"- {name} is not here ({DATASETS[name].where}). **Stand-ins**: {', '.join(stood_in)}.")
    names = list(dict.fromkeys(task for image in images for task in tasks.get(image.task or "", ())))
    failures = [f"- {r['image']['name']}, {r['codec']['name']}: {r['reason']}" for r in records if r["status"] != "ok"]
    tables = [_metrics_table(records), *(_task_table(name, images, records) for name in names)]
    parts = ["\n".join(lines) + "\n", *(table.markdown() for table in tables)]
    return "\n".join([*parts, *(["### Not measured\n", "\n".join(failures) + "\n"] if failures else [])])


def _by_codec(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records that were measured, by codec and setting."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record["status"] == "ok":
            setting = record["setting"]
            asked = setting["target"] if setting["value"] is None else f"{setting['target']} {setting['value']:g}"
            colour = "" if record["colour"] in ("gray", "joint") else f", {record['colour']}"
            found.setdefault((record["codec"]["name"] + colour, asked), []).append(record)
    return found


def _mean(values: Sequence[Any], form: str) -> Cell:
    """Return the mean with its interval of what is a number; exact where all are infinite."""
    known = [float(value) for value in values if value is not None]
    finite = [value for value in known if abs(value) != float("inf")]
    if not finite:
        return Cell("exact", float("inf")) if known else MISSING
    return interval_cell(bootstrap(finite, _SEED), form)


def _metrics_table(records: Sequence[Record]) -> Table:
    head = ["codec", "asked for", "images", "bits/sample", "PSNR (data range)", "SSIM", "MS-SSIM"]
    rows = []
    for (codec, asked), found in _by_codec(records).items():
        metrics = [[record["metrics"].get(name) for record in found] for name in ("psnr_range", "ssim", "ms_ssim")]
        cells = [_mean(values, form) for values, form in zip(metrics, (".2f", ".4f", ".4f"), strict=True)]
        bits = _mean([record["bits_per_sample"] for record in found], ".3f")
        rows.append([text(codec), text(asked), text(len(found)), bits, *cells])
    return Table("Metrics", "Means over images with 95 % intervals.", head, rows, 2)


def _task_table(name: str, images: Sequence[BenchImage], records: Sequence[Record]) -> Table:
    """Scores of a task before and after, against the truth and against what is found on the original."""
    task = task_named(name)
    head = [
        "codec",
        "asked for",
        "bits/sample",
        *(f"{score}, {kind}" for kind in ("truth", "original") for score in _SCORES),
    ]
    before = [task.score(image, image.array) for image in images if image.task and image.labels is not None]
    rows = [[text("uncompressed"), MISSING, MISSING, *_score_cells(before)]] if before else []
    for (codec, asked), found in _by_codec(records).items():
        scored = [record["tasks"][name] for record in found if record["tasks"].get(name)]
        if scored:
            bits = _mean([record["bits_per_sample"] for record in found], ".3f")
            rows.append([text(codec), text(asked), bits, *_score_cells(scored)])
    note = f"Segmented by {task.segmenter}, before and after: against ground truth, and against that of the original."
    return Table(f"Segmentation: {name}", note, head, rows, 2)


def _score_cells(scored: Sequence[Mapping[str, Any]]) -> list[Cell]:
    return [
        _mean([(scores[kind] or {}).get(score) for scores in scored], ".3f")
        for kind in ("truth", "original")
        for score in _SCORES
    ]
