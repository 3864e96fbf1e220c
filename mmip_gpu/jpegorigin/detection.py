"""Whether an image was a JPEG file before: what its pixels tell.

Values: uint8 images in, a JpegOrigin out, or None. Implements no section of FORMAT.md; kind 5 uses the same search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmip_gpu._core import jpeg_find, jpeg_probe
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public

__all__ = ["JpegOrigin", "is_jpeg_origin"]

_SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0")


@dataclass(frozen=True)
class JpegOrigin:
    """What pixels tell of the JPEG file that they were.

    Parameters
    ----------
    recovered : float
        Share of the pixels that the coefficients which were found give back exactly; 0 where none were found.
    sampling : str, optional
        ``"grey"``, ``"4:4:4"``, ``"4:2:2"``, ``"4:2:0"`` or ``"4:4:0"``.
    offset : tuple of int, optional
        Rows and columns that were cut off before the image, modulo the grid of the file.
    qualities : tuple of int, optional
        Quality of the tables (as IJG's library counts) of luma, and of chroma for colour; 0 where none gives the table.
    """

    recovered: float
    sampling: str | None = None
    offset: tuple[int, int] | None = None
    qualities: tuple[int, ...] | None = None


@public()
def is_jpeg_origin(image: Any, *, threads: int = 1) -> JpegOrigin | None:
    """Tell whether an image went through JPEG before, or None where nothing shows it.

    Parameters
    ----------
    image : array of uint8
        Grey (Y, X) or RGB (Y, X, 3), as a decoder with the defaults of libjpeg-turbo gives it; it may be a crop.
    threads : int
        Threads of the search.

    Returns
    -------
    JpegOrigin or None
        None is no proof: the highest qualities, other decoders and what was scaled afterwards leave no trace.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> mmip.is_jpeg_origin((mmip.phantom2d(64) >> 8).astype("uint8")) is None
    True
    """
    pixels = np.ascontiguousarray(image)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise InvalidArgument(f"image: expected uint8 (Y, X) or (Y, X, 3), found {pixels.dtype} {pixels.shape}")
    if pixels.size == 0:
        return None
    pixels = pixels.reshape(1, *pixels.shape[:2], -1)
    decoded, *_ = jpeg_probe(pixels)
    fit = jpeg_find(pixels, 0, threads)
    if fit is None:
        return JpegOrigin(0.0) if decoded else None
    form, wrong = fit
    recovered = 1 - wrong / (pixels.shape[1] * pixels.shape[2])
    if recovered < _LEAST_RECOVERED and not decoded:
        return None
    return JpegOrigin(recovered, *_described(form, pixels.shape[3]))


_LEAST_RECOVERED = 0.5


def _described(form: bytes, components: int) -> tuple[str, tuple[int, int], tuple[int, ...]]:
    """Sampling, offset and qualities of a form (FORMAT.md section 8.10)."""
    sampling = _SAMPLINGS[form[0] & 3] if components == 3 else "grey"
    qualities, at = [form[2]], 3 if form[2] else 3 + 64
    if components == 3:
        qualities.append(form[at])
    return sampling, (form[0] >> 2, form[1]), tuple(qualities)
