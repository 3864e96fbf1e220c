"""Where the GPU studies find real images and leave rows; needs no package, as on a machine with nothing but CuPy."""

from __future__ import annotations

from pathlib import Path

from mmip_gpu.bench import machine

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"


def data_folder() -> Path | None:
    """Folder of the real images: $MMIP_DATA, or ../shared/data beside the checkout; None where neither exists."""
    return machine.data_folder(HERE.parent.parent)
