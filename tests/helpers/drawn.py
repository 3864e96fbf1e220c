"""Pictures that were drawn, as pixels: where colours are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np


def pixels(path: Path) -> np.ndarray:
    """Red, green and blue of a picture, as signed integers."""
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def is_colour(image: np.ndarray, colour: str, tolerance: int = 40) -> np.ndarray:
    """Where a picture has a colour, such as "#0072b2"."""
    wanted = [int(part, 16) for part in re.findall("..", colour.lstrip("#"))]
    return np.abs(image - np.array(wanted)).max(axis=2) <= tolerance


def part(image: np.ndarray, rows: tuple[float, float], columns: tuple[float, float]) -> np.ndarray:
    """A part of a picture, by fractions of its height and width."""
    height, width = image.shape[:2]
    return image[int(rows[0] * height) : int(rows[1] * height), int(columns[0] * width) : int(columns[1] * width)]
