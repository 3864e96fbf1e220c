"""measured.md as a whole, in the order of its sections."""

from __future__ import annotations

from pages.baselines import points_section, regions_of_containers_section
from pages.bits import bits_section, images_table, near_lossless_section
from pages.builds import against_section, install_section
from pages.capabilities import TITLE, capabilities_section
from pages.jpegorigin import jpegorigin_section
from pages.labels import labels_section
from pages.lossless import lossless_section
from pages.sections import SECTIONS
from pages.segmentation import downstream_section, segmenters_section
from pages.soft import soft_section
from pages.speed import hurting_section, profile_section, rates_section, scaling_section, speed_section
from pages.store_targets import store_targets_section
from pages.stores import (
    dask_jobs_section,
    store_rates_section,
    viewers_section,
    volumes_section,
    zarr_codecs_section,
)
from pages.targets import bounds_section, phantom_section, regions_section
from pages.text import anchor, bullets, paragraph
from pages.video import video_section
from pages.whole import whole_section
from pages.whole_calls import calls_section

MAKERS = {
    "bits": bits_section,
    "video": video_section,
    "points": points_section,
    "region_bytes": regions_of_containers_section,
    "rates": rates_section,
    "whole": whole_section,
    "speed": speed_section,
    "calls": calls_section,
    "profile": profile_section,
    "lossless": lossless_section,
    "near_lossless": near_lossless_section,
    "jpegorigin": jpegorigin_section,
    "soft": soft_section,
    "labels": labels_section,
    "volumes": volumes_section,
    "phantom": phantom_section,
    "regions": regions_section,
    "zarr_codecs": zarr_codecs_section,
    "dask_jobs": dask_jobs_section,
    "scaling": scaling_section,
    "downstream": downstream_section,
    "segmenters": segmenters_section,
    "store_rates": store_rates_section,
    "store_targets": store_targets_section,
    "viewers": viewers_section,
    "bounds": bounds_section,
    "against": against_section,
    "install": install_section,
    "hurting": hurting_section,
}


def measured_page() -> str:
    """The text of measured.md."""
    contents = [section.title for section in SECTIONS.values()] + [TITLE]
    parts = [
        "# What was measured\n",
        paragraph(
            "`python benchmarks/measured.py` writes this page, and the figures of README.md, cluster.md,",
            "progressive.md and of the plug-in's README, from the rows in",
            "[benchmarks/results](../../benchmarks/results). Whoever has new rows runs it; nobody types a figure. A",
            "test compares pages and rows. Each section names the command that measures its rows, and where they were",
            "measured: a commit that ends in `-dirty` had changes that were not committed yet. The machine has two",
            "cores that other work shares. **No GPU has run any of this**: there are no rows of one yet",
            "([GPU_NOTES.md](../../benchmarks/GPU_NOTES.md)). [throughput.md](throughput.md) puts the studies of speed",
            "together.",
        ),
        bullets(*(f"[{title}](#{anchor(title)})" for title in contents)),
        "## Test images\n",
        paragraph(
            "Our built-in codes were trained on other images (`benchmarks/split.json`), but for four: the cine MR, the",
            "time lapse, the chip and the tooth became test images after that training, so figures on them are of",
            "images that the codes know. Which variants of the format to keep was decided on test images: expect a",
            "little less on images of your own. Stacks give one slice, large volumes their middle slices, projections",
            "their sinograms where they have few rows. No image comes with this repository: `MMIP_DATA` names the",
            "folder that holds them. The phantoms are made by the package.",
        ),
        images_table(),
    ]
    return "\n".join([*parts, *(make() for make in MAKERS.values()), capabilities_section()])
