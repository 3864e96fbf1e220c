"""The study of regions of interest: stages one by one, with and without a region, and qualities of the region.

Values: images with masks in; rows (dict) out, and of them seed.csv, seed.md and two figures for each image and mask.
Guarantees that every number is of a container that was decoded, and that the peak of a PSNR is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.equal_bytes import coded_to_bytes
from mmip_gpu.bench.images import BenchImage, file_safe
from mmip_gpu.bench.report.study_tables import markdown_table
from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.plot_charts import plot_rate
from mmip_gpu.quality.plot_regions import plot_roi
from mmip_gpu.sources import Source
from mmip_gpu.volume.roi import Roi, roi_classes

__all__ = ["image_with_region", "seed_images", "seed_report", "seed_rows", "write_seed_study"]

Row = dict[str, Any]
THRESHOLD = 9000
FACTORS = (0.25, 0.5, 1, 2, 4, 8)  # quality of the region over that of the rest; its step is a quarter at 1
_MOST_QUALITY = 440
_WIDE = 1000  # a range of samples that the quality of the phantoms is for
_SHARED = ("micro_stardist2d", "micro_stardist3d", "em_isbi_train-05", "fluo_dsb2018_256-02", "he_dsb2018-03")
_COLUMNS = {
    "bytes": "d",
    "bits_per_sample": ".4f",
    "rmse": ".4g",
    "psnr_16bit": ".2f",
    "psnr_16bit_roi": ".2f",
    "psnr_16bit_outside": ".2f",
    "psnr_range": ".2f",
    "psnr_range_roi": ".2f",
    "max_error_roi": "g",
}
_TABLES = {
    "stages": "The three stages: no region, its mask, and the threshold 9000 where that marks a part",
    "equal bytes": "Without the region at the bytes that it takes: what the region costs the rest",
    "sweep": "Rising qualities of the region at one quality of the rest",
}


@dataclass(frozen=True, eq=False)
class _Case:
    """An image with one of its masks."""

    image: BenchImage
    mask_name: str
    mask: NDArray[np.bool_]

    @property
    def quality(self) -> int:
        """The first choice for samples of this range."""
        return 10 if self.image.peak > _WIDE else 40

    @property
    def rules(self) -> dict[str, Any]:
        """Regions by name: none, the mask, and the threshold where it marks a part of the image."""
        found: dict[str, Any] = {"off": None, f"mask {self.mask_name}": self.mask}
        marked = self.image.array >= THRESHOLD
        is_rule = marked.any() and not marked.all() and "c" not in self.image.axes
        return found | ({f"threshold:{THRESHOLD}": f"threshold:{THRESHOLD}"} if is_rule else {})

    @property
    def facts(self) -> Row:
        """Its part of a row."""
        shape = "x".join(map(str, self.image.array.shape))
        return {"image": self.image.name, "shape": shape, "dtype": str(self.image.array.dtype), "mask": self.mask_name}

    def coded(self, **options: Any) -> bytes:
        """A container."""
        blob: bytes = mmip.encode(self.image.array, axes=self.image.axes, **options)
        return blob

    def errors(self, decoded: NDArray[Any], size: int) -> Row:
        """The rate, and errors of the whole image, inside of the region and outside."""
        array, axes = self.image.array, self.image.axes
        whole = evaluate(array, decoded, self.mask, axes=axes, structural=False)
        outside = evaluate(array, decoded, ~self.mask, axes=axes, structural=False)["roi"]
        return {
            "bytes": size,
            "bits_per_sample": 8 * size / array.size,
            "rmse": whole["rmse"],
            "psnr_16bit": whole["psnr_16bit"],
            "psnr_16bit_roi": whole["roi"]["psnr_16bit"],
            "psnr_16bit_outside": outside["psnr_16bit"],
            "psnr_range": whole["psnr_range"],
            "psnr_range_roi": whole["roi"]["psnr_range"],
            "max_error_roi": whole["roi"]["max_error"],
            "roi_share": whole["roi"]["share"],
        }


def seed_images(texts: Sequence[str] = (), beside: Path | None = None) -> list[BenchImage]:
    """Return the images of the study that have a mask.

    Parameters
    ----------
    texts : sequence of str
        As `mmip_gpu.bench.datasets.select_images` takes them; a mask of IMAGE.npy is IMAGE.mask.npy beside it. By
        default the 2D and the 3D phantom, and five of the developers' images where they are at hand.
    beside : pathlib.Path, optional
        Where shared/data is looked for.

    Raises
    ------
    InvalidArgument
        Where none of them has a mask.
    """
    found = _with_masks(texts or ["phantoms:phantom[23]d"], beside)
    if not texts:
        with suppress(MissingResource):  # who has no real images has the phantoms
            found += _with_masks([f"shared:{name}" for name in _SHARED], beside)
    if not found:
        raise InvalidArgument("the study needs a region: expected IMAGE.mask.npy beside IMAGE.npy, found no mask")
    return found


def image_with_region(source: Source, roi: Roi | None, axes: str) -> BenchImage:
    """Return the image of a source with a region as its only mask.

    Raises
    ------
    InvalidArgument
        For a region without a sample, or axes or a mask that do not fit.
    """
    array = np.ascontiguousarray(source.read())
    classes = roi_classes(roi, array, axes)
    if classes is None or not classes.any():
        raise InvalidArgument(f"{source.name}: expected a region with samples, found none: name another with mask=")
    name = "mask" if isinstance(roi, np.ndarray) else str(roi)
    return BenchImage(
        file_safe(Path(source.name).stem), array, axes, 8 * array.dtype.itemsize, masks={file_safe(name): classes > 0}
    )


def _with_masks(texts: Sequence[str], beside: Path | None) -> list[BenchImage]:
    images = select_images(texts, beside)
    return [image for image in images if isinstance(image, BenchImage) and any(m.any() for m in image.masks.values())]


def seed_rows(images: Iterable[BenchImage]) -> Iterator[Row]:
    """Yield the rows of the study: of the tables "stages", "equal bytes" and "sweep", for every image and mask."""
    for case in _cases(images):
        for row in (*_stage_rows(case), *_sweep_rows(case)):
            yield case.facts | row | {"data": case.image.checksum}


def _cases(images: Iterable[BenchImage]) -> Iterator[_Case]:
    for image in images:
        for name, mask in image.masks.items():
            if mask.any():
                yield _Case(image, name, mask)


def _stage_rows(case: _Case) -> Iterator[Row]:
    """Three stages for every region, and without one the last stage at the bytes that the mask takes."""
    for name, roi in case.rules.items():
        blob = case.coded(quality=case.quality, roi=roi)
        for stage, part in enumerate(mmip.inspect(blob)["stages"], start=1):
            facts = {"table": "stages", "roi": name, "quality": case.quality, "roi_quality": "", "stage": stage}
            yield facts | case.errors(mmip.decode(blob, stages=stage), part["bytes_to_here"])
        if roi is case.mask:
            plain = coded_to_bytes(case.image.array, len(blob), case.image.axes)
            for title, found in ((name, blob), ("off", plain)):
                facts = {"table": "equal bytes", "roi": title, "quality": case.quality if found is blob else ""}
                yield facts | {"roi_quality": "", "stage": stage} | case.errors(mmip.decode(found), len(found))


def _sweep_rows(case: _Case) -> Iterator[Row]:
    """The last stage at rising qualities of the region, up to no loss in it."""
    qualities = [case.quality * factor for factor in FACTORS if case.quality * factor <= _MOST_QUALITY]
    for quality in (*qualities, "lossless"):
        blob = case.coded(quality=case.quality, roi=case.mask, roi_quality=quality)
        facts = {"table": "sweep", "roi": f"mask {case.mask_name}", "quality": case.quality, "roi_quality": quality}
        yield facts | {"stage": len(mmip.inspect(blob)["stages"])} | case.errors(mmip.decode(blob), len(blob))


def write_seed_study(folder: Path, images: Sequence[BenchImage]) -> list[Path]:
    """Run the study; write seed.csv, seed.md, and two figures for each image and mask into a folder.

    Returns
    -------
    list of pathlib.Path
        What was written.
    """
    from mmip_gpu.bench.rows import write_rows

    folder.mkdir(parents=True, exist_ok=True)
    rows = list(seed_rows(images))
    figures = [path for case in _cases(images) for path in _figures(case, rows, folder)]
    page = folder / "seed.md"
    page.write_text(seed_report(rows, [path.name for path in figures]), encoding="utf-8")
    return [write_rows(folder / "seed.csv", rows), page, *figures]


def seed_report(rows: Sequence[Row], figures: Sequence[str] = ()) -> str:
    """Return the study in Markdown."""
    parts = [
        "# Regions of interest\n",
        "PSNR in dB: psnr_16bit has the peak 65535, psnr_range the range of the image; roi and outside: of the samples "
        "in the region and of the others. bytes: all that is stored up to the stage.\n",
    ]
    for table, text in _TABLES.items():
        names = ["image", "mask", "roi", *(["quality", "roi_quality"] if table == "sweep" else ["stage"])]
        lines = [
            [*(str(row[name]) for name in names), *(_text(row[column], form) for column, form in _COLUMNS.items())]
            for row in rows
            if row["table"] == table
        ]
        parts += [f"## {text}\n", markdown_table([*names, *_COLUMNS], lines, keys=len(names))]
    return "\n".join([*parts, *(f"![{name}]({name})\n" for name in figures)])


def _text(value: Any, form: str) -> str:
    return "exact" if value == float("inf") else format(value, form)


def _figures(case: _Case, rows: Sequence[Row], folder: Path) -> list[Path]:
    """The image with and without its region at equal bytes, and PSNR over the rate of the sweep."""
    image, axes, name = case.image.array, case.image.axes, f"{case.image.name}_{case.mask_name}.png"
    blob = case.coded(quality=case.quality, roi=case.mask)
    plain = coded_to_bytes(image, len(blob), axes)
    decoded = {title: (mmip.decode(b), len(b)) for title, b in (("with region", blob), ("without", plain))}
    plot_roi(image, decoded, folder / f"roi_{name}", case.mask, axes=axes, name=case.image.name)
    points = [row for row in rows if row["table"] == "sweep" and case.facts.items() <= row.items()]
    curves = [
        {"codec": title, "bits_per_sample": row["bits_per_sample"], "psnr": row[key]}
        for title, key in (("inside of the region", "psnr_range_roi"), ("whole image", "psnr_range"))
        for row in points
    ]
    plot_rate(curves, folder / f"sweep_{name}", peak=f"peak {case.image.peak:g}, the range of {case.image.name}")
    return [folder / f"roi_{name}", folder / f"sweep_{name}"]
