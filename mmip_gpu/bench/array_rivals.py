"""Compressors of arrays: Blosc, zstd, pcodec and zfp without loss, and the Zarr pipelines of nd-image-codecs.

Values: whole arrays of a Source as they are in, streams out, and back. The pipelines code one chunk in Zarr. Guarantees
exact results but for zfp to an accuracy.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import imagecodecs as ic
import numpy as np

from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Pieces, Source, Stream
from mmip_gpu.bench.configured import zarr_versions
from mmip_gpu.bench.rivals import zfp_dial
from mmip_gpu.bench.zarr_chunks import opened, stored, whole

__all__ = ["array_rivals", "lossless_array_rivals"]

_PACKAGE = "nd-image-codecs"


def _as_is(_source: Source, decoded: np.ndarray) -> np.ndarray:
    return decoded


def _array_of(data: Stream, piece: np.ndarray) -> np.ndarray:
    return np.frombuffer(data, piece.dtype).reshape(piece.shape)


def _blosc(threads: int, piece: np.ndarray, _parameter: float, _source: Source) -> Stream:
    options: dict[str, Any] = {"compressor": "zstd", "shuffle": "bitshuffle", "typesize": piece.dtype.itemsize}
    return ic.blosc_encode(piece.tobytes(), level=9, numthreads=threads, **options)


def lossless_array_rivals(threads: int = 1) -> list[Codec]:
    """Compressors without loss."""
    codec = partial(Codec, restore=_as_is, lossless=True, colours=ALL_COLOURS, floats=True)
    return [
        codec(
            "Blosc zstd 9, bitshuffle",
            ic.blosc_version(),
            Source.whole,
            partial(_blosc, threads),
            lambda data, piece: _array_of(ic.blosc_decode(data, numthreads=threads), piece),
            threads=threads,
        ),
        codec(
            "zstd 19",
            ic.zstd_version(),
            Source.whole,
            lambda piece, _p, _source: ic.zstd_encode(piece.tobytes(), level=19),
            lambda data, piece: _array_of(ic.zstd_decode(data), piece),
        ),
        codec(
            "pcodec 8",
            ic.pcodec_version(),
            Source.whole,
            lambda piece, _p, _source: ic.pcodec_encode(piece, level=8),
            lambda data, piece: ic.pcodec_decode(data, shape=piece.shape, dtype=piece.dtype),
        ),
        codec(
            "zfp reversible",
            ic.zfp_version(),
            lambda source: source.floats() if source.is_float else [source.array.astype(np.int32)],
            lambda piece, _p, _source: ic.zfp_encode(piece, mode=ic.ZFP.MODE.REVERSIBLE),
            lambda data, _: ic.zfp_decode(data),
            restore=lambda source, decoded: source.samples(decoded, False),
        ),
        _pipeline("nd-lift-ht", threads, lossless=True),
        _pipeline("nd-delta", threads, lossless=True),
        _pipeline("nd-zfp", threads, lossless=True, floats=True),
    ]


def array_rivals(threads: int = 1) -> list[Codec]:
    """The lossy ones: zfp of float32 in a pipeline of nd-image-codecs, whose HTJ2K has no parameter of quality."""
    return [_pipeline("nd-zfp", threads, floats=True, dial=zfp_dial)]


def _pipeline(family: str, threads: int, lossless: bool = False, **more: Any) -> Codec:
    """A pipeline of nd-image-codecs as its builder makes it, on the whole array; time is coded as depth."""

    def pieces(source: Source) -> Pieces:
        return [np.ascontiguousarray(source.array, None if lossless else np.float32)]

    def series(source: Source, parameter: float) -> list[dict[str, Any]]:
        from nd_image_codecs import codec_series

        kind = pieces(source)[0].dtype.name
        found: list[dict[str, Any]] = codec_series(
            list(source.axes.replace("t", "z")), list(source.array.shape), kind, family
        )
        if not lossless:
            found[-1]["configuration"] = {"mode": "fixed_accuracy", "tolerance": 2.0**-parameter}
        return found

    def refuses(source: Source) -> str | None:
        try:
            opened(pieces(source)[0], series(source, 0), 3)
        except Exception as error:  # what does not suit its codecs
            return f"{type(error).__name__}: {error}"
        return None

    found, missing = _installed()
    return Codec(
        f"{family}{'' if lossless else ' accuracy'}",
        found,
        pieces,
        lambda piece, p, source: stored(piece, series(source, p), 3, threads=threads),
        lambda data, _: whole(data, threads),
        restore=lambda source, decoded: source.samples(decoded, False),
        lossless=lossless,
        colours=ALL_COLOURS,
        missing=missing,
        refuses=refuses,
        **more,
    )


def _installed() -> tuple[str, str | None]:
    """(version, what has to be installed)."""
    try:
        return f"{_PACKAGE} {version(_PACKAGE)}, {zarr_versions()}", None
    except PackageNotFoundError:
        return "none", f"needs {_PACKAGE}: pip install {_PACKAGE}"
