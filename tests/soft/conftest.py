"""What tests of soft compression share: images of one kind, and a codebook of them."""

from __future__ import annotations

import numpy as np
import pytest

from mmip_gpu.soft import Codebook, train_codebook


def cells(seed: int, shape: tuple[int, int] = (70, 90)) -> np.ndarray:
    """Discs of a colour on another, with noise: sparse strong residuals, as blood smears have them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full((*shape, 3), (200, 190, 180), np.int64)
    for _ in range(6):
        centre, radius = rng.integers(0, shape), rng.integers(5, 14)
        image[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.integers(60, 190, 3)
    return (image + rng.integers(-2, 3, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    return [cells(seed) for seed in range(4)]


@pytest.fixture(scope="session")
def colour_book(images: list[np.ndarray]) -> Codebook:
    return train_codebook(images[:3], axes="yxc")
