"""Evaluation: what a codebook reaches on test images, as the original prints it, and what it leaves out.

Values: images and a codebook in, an Evaluation out. Every container is decoded and compared. A ratio is that of the
bytes of the samples, 1 or 2 each, to those of the whole container; the corpus ratio is that of all bytes together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import soft_uses
from mmip_gpu.container.codec import Limits, Wanted
from mmip_gpu.container.reader import open_container
from mmip_gpu.raw import decode_raw
from mmip_gpu.soft.codebook import Codebook
from mmip_gpu.soft.coding import CODEC, TILE_LOG2, encode
from mmip_gpu.soft.images import Image, ImageSet

__all__ = ["Evaluation", "ImageResult", "evaluate"]


@dataclass(frozen=True)
class ImageResult:
    """One test image: bytes of its samples and of its container, and the error of the round trip."""

    name: str
    raw_bytes: int
    coded_bytes: int
    rmse: float

    @property
    def ratio(self) -> float:
        """Bytes of the samples over bytes of the container."""
        return self.raw_bytes / self.coded_bytes


@dataclass(frozen=True)
class Evaluation:
    """Results of test images, and what the shapes of all of them take, in bits."""

    images: tuple[ImageResult, ...]
    shapes: int = 0
    location_bits: int = 0
    codeword_bits: int = 0
    layer_bits: int = field(default=0)

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Ratio of each image."""
        return np.array([image.ratio for image in self.images])

    @property
    def corpus_ratio(self) -> float:
        """Bytes of all samples over bytes of all containers."""
        return sum(image.raw_bytes for image in self.images) / sum(image.coded_bytes for image in self.images)

    @property
    def indicator(self) -> float | None:
        """Compressible indicator: coding by shapes pays while a location takes fewer bits, on the average.

        The bits of the shape layer as it is, less those of the codewords, for each shape; None without shapes.
        """
        return (self.layer_bits - self.codeword_bits) / self.shapes if self.shapes else None

    @property
    def bits_per_location(self) -> float | None:
        """Bits that a location takes, on the average; None without shapes."""
        return self.location_bits / self.shapes if self.shapes else None

    def joined(self, other: Evaluation) -> Evaluation:
        """Results of both, as of the folds of one set."""
        return Evaluation(
            self.images + other.images,
            self.shapes + other.shapes,
            self.location_bits + other.location_bits,
            self.codeword_bits + other.codeword_bits,
            self.layer_bits + other.layer_bits,
        )

    def summary(self) -> dict[str, Any]:
        """What the original prints, and the corpus ratio; JSON-safe."""
        ratios = self.ratios
        return {
            "images": len(self.images),
            "mean": float(ratios.mean()),
            "minimum": float(ratios.min()),
            "maximum": float(ratios.max()),
            "variance": float(ratios.var()),
            "corpus_ratio": self.corpus_ratio,
            "rmse": float(np.mean([image.rmse for image in self.images])),
            "shapes": self.shapes,
            "indicator": self.indicator,
            "bits_per_location": self.bits_per_location,
        }

    @classmethod
    def of(cls, image: Image, codebook: Codebook, threads: int | None = None) -> Self:
        """Result of one image."""
        blob = encode(image.samples, codebook, axes=image.layout.axes, threads=threads)
        header, read_part = open_container(blob)
        decode = CODEC.decode if header.fields.kind == 4 else decode_raw
        decoded = decode(header, read_part, Wanted(), Limits(max_bytes=header.raw_bytes))
        error = float(np.sqrt(np.mean((decoded.astype(np.float64) - image.samples) ** 2)))
        size = image.samples.size * (1 if codebook.bits == 8 else 2)
        uses = np.array(soft_uses(image.planes, codebook.core, TILE_LOG2)).sum(axis=0)
        return cls((ImageResult(image.name, size, len(blob), error),), *map(int, uses))


def evaluate(
    images: Iterable[Any] | ImageSet, codebook: Codebook, *, axes: str | None = None, threads: int | None = None
) -> Evaluation:
    """Code test images by a codebook, decode them, and sum up.

    Examples
    --------
    >>> import mmip_gpu
    >>> from mmip_gpu.soft import train_codebook
    >>> found = evaluate([mmip_gpu.phantom2d(64)], train_codebook([mmip_gpu.phantom2d(64)]))
    >>> found.summary()["rmse"], found.corpus_ratio > 1
    (0.0, True)
    """
    whole = Evaluation(())
    for image in images if isinstance(images, ImageSet) else ImageSet(images, axes):
        whole = whole.joined(Evaluation.of(image, codebook, threads))
    return whole
