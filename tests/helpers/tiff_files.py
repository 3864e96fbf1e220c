"""TIFF files for tests of sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from mmip_gpu.sources import Source, open_source


def ramp(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return (np.arange(np.prod(shape)) * 11 % 60000).astype(dtype).reshape(shape)


def write(path: Path, array: np.ndarray, **options: Any) -> Source:
    tifffile.imwrite(path, array, **options)
    return open_source(path)
