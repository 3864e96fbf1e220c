"""The sections of measured.md: title, row file and command of each; images by the names that readers know."""

from __future__ import annotations

from dataclasses import dataclass

from studies import read_rows

from mmip_gpu.bench.measure import Row
from pages.text import anchor, paragraph


@dataclass(frozen=True)
class Section:
    """A section: its title, its file of rows, the script that measures them."""

    title: str
    rows: str
    script: str

    @property
    def command(self) -> str:
        """What measures the rows."""
        return f"python benchmarks/{self.script}"

    def measured(self) -> str:
        """The command, the rows, and where they were measured."""
        rows = read_rows(self.rows)
        where = f"commit {_named(rows, 'commit')}, {_named(rows, 'date')}, {_named(rows, 'cpu')}"
        file = f"[{self.rows}.csv](../../benchmarks/results/{self.rows}.csv)"
        return f"`{self.command}` measures these: {len(rows)} rows, {file}; {where}."


SECTIONS = {
    "bits": Section("Bits at equal PSNR", "rivals", "rivals.py"),
    "video": Section("Against video codecs", "rivals", "rivals.py"),
    "points": Section("Effort 3 against a commit before", "points", "points.py"),
    "region_bytes": Section("Bytes and time of a region", "region_bytes", "region_bytes.py"),
    "rates": Section("Rates at equal PSNR", "rivals", "rivals.py"),
    "whole": Section("Every codec on every kind of image", "whole", "whole_run.py --out FOLDER"),
    "speed": Section("Speed on one core and on two", "speed", "speed.py"),
    "calls": Section("What a target costs", "whole_calls", "speed.py --calls"),
    "profile": Section("Where the time goes", "profile", "speed.py"),
    "lossless": Section("Lossless", "lossless", "lossless.py --out FOLDER"),
    "near_lossless": Section("Largest error bounded", "near_lossless", "near_lossless.py"),
    "jpegorigin": Section("Images that were JPEG files", "jpegorigin", "jpegorigin.py"),
    "soft": Section("Codebooks of images of one kind", "soft", "soft.py"),
    "labels": Section("Segmentations", "labels", "labels.py"),
    "volumes": Section("Whole volumes into a store", "volumes", "volumes.py"),
    "phantom": Section("Against the system before this one", "phantom", "phantom.py"),
    "regions": Section("Regions of interest", "seed", "seed_study.py"),
    "zarr_codecs": Section("Inside Zarr", "zarr_codecs", "zarr_codecs.py"),
    "dask_jobs": Section("On a Dask cluster", "dask_jobs", "dask_jobs.py"),
    "scaling": Section("Time and memory by size", "scaling", "scaling.py"),
    "downstream": Section("Segmentation after compression", "downstream_falls", "downstream.py --out FOLDER"),
    "segmenters": Section("Segmenters", "segmenters", "segmenters.py --weights FOLDER"),
    "store_rates": Section("Stores by size, chunks and threads", "store_rates", "store_rates.py"),
    "store_targets": Section("What a PSNR costs in a store", "store_targets", "store_targets.py"),
    "viewers": Section("Viewers and other readers", "viewers", "viewers.py"),
    "bounds": Section("Whether targets are met", "bounds", "bounds.py"),
    "against": Section("Against the build before", "against", "speed.py --against PYTHON --megabytes 2"),
    "install": Section("Time of an install", "install", "install_time.py --against CHECKOUT"),
    "hurting": Section("Images that are made to be slow", "hurting", "hurting.py"),
}
ROOFLINE = Section("Roofline", "roofline", "roofline.py")  # of throughput.md

IMAGES = {
    "em_isbi_train": "EM",
    "micro_bbbc034_aics": "fluorescence",
    "nema_ct1": "CT slice",
    "nema_mr1": "MR slice",
    "nema_mr3": "MR slice 3",
    "nema_nm1": "nuclear medicine",
    "nema_rg3": "chest X-ray",
    "ct_picker_shoulder": "shoulder CT",
    "mr_ge_knee": "knee MR",
    "mr_cardiac_cine_u8": "cardiac cine MR",
    "ct_ge_head_4mm": "head CT",
    "ct_ge_head_4mm, air": "head CT, padding as air",
    "micro_membrane_time": "membranes, time lapse",
    "xray_chip_projections": "chip, X-ray views",
    "xray_tooth_projections": "tooth, sinograms",
    "mr_uih_t1_brain": "brain MR",
    "mr_uih_t1_brain, 22 times": "brain MR, 22 times",
    "niivue_chris_t1": "T1 head",
    "niivue_ct_avm": "CT angiogram",
    "micro_stardist2d": "nuclei",
    "micro_stardist3d": "nuclei, volume",
    "em_isbi_train-05": "EM, membranes",
    "fluo_dsb2018_256-02": "nuclei, fluorescence",
    "he_dsb2018-03": "H&E, nuclei",
    "fundus_drive": "RGB fundus",
    "micro_hela_rgb16": "RGB HeLa cells",
    "nema_us1": "RGB ultrasound",
    "nema_vl1": "RGB endoscopy",
    "nema_vl6": "RGB stained tissue",
    "phantom2d": "phantom, 2D",
    "phantom3d": "phantom, 3D",
}


def rows_of(section: str) -> list[Row]:
    """The rows that a section is made from."""
    return read_rows(SECTIONS[section].rows)


def link(section: str, text: str, page: str = "") -> str:
    """A link to a section of measured.md, from that page itself or from one that knows it as `page`."""
    return f"[{text}]({page}#{anchor(SECTIONS[section].title)})"


def _named(rows: list[Row], column: str) -> str:
    return ", ".join(dict.fromkeys(row[column] for row in rows))


def heading(section: str) -> str:
    """Title, then the command, the rows, and where they were measured."""
    found = SECTIONS[section]
    return f"## {found.title}\n\n" + paragraph(found.measured())
