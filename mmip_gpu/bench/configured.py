"""Any codec of numcodecs or Zarr, from its configuration, as a `Codec` of the comparison.

Values: arrays as they are in, what Zarr stores for their chunks out, and back. Zarr itself codes: version 2 for codecs
of numcodecs, version 3 for its own. Guarantees that the bytes are those of all stored chunks, without the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Pieces, Source, Stream
from mmip_gpu.bench.rates import Dial
from mmip_gpu.bench.zarr_chunks import opened, stored, whole
from mmip_gpu.errors import InvalidArgument

__all__ = ["KINDS", "configured", "zarr_versions"]

KINDS = ("numcodecs", "zarr")
_KEYS = {"codecs", "chunks", "dtype", "lossless", "label"}
_DTYPES = (None, "float32", "int32")
_DIAL_KEYS = {"dial", "log", "integer"}
_PERCENT = 100.0


@dataclass(frozen=True)
class _Pipeline:
    """Codecs in Zarr's metadata, and how an array is cut.

    Parameters
    ----------
    zarr_format : {2, 3}
        The version of the metadata: 2 for codecs of numcodecs.
    codecs : list of dict
        Entries as in the metadata; a value ``{"dial": [worst, best]}`` is the parameter.
    chunks : tuple of int, optional
        Shape of a chunk; the array is one by default.
    dtype : str, optional
        What the samples are coded as.
    """

    zarr_format: int
    codecs: list[dict[str, Any]]
    chunks: tuple[int, ...] | None
    dtype: str | None
    threads: int

    def pieces(self, source: Source) -> Pieces:
        """The whole array."""
        return [np.ascontiguousarray(source.array, self.dtype)]

    def encode(self, piece: np.ndarray, parameter: float, _source: Source) -> Stream:
        """All chunks of an array."""
        codecs = _with_parameter(self.codecs, parameter)
        return stored(piece, codecs, self.zarr_format, self.chunks, self.threads)

    def refuses(self, source: Source) -> str | None:
        """What Zarr says against an array of this shape and dtype; None where it takes it."""
        if self.chunks and len(self.chunks) != source.array.ndim:
            return f"has chunks of {len(self.chunks)} axes, found axes {source.axes}"
        empty = np.empty(source.array.shape, self.dtype or source.array.dtype)
        try:
            opened(empty, _with_parameter(self.codecs, _PERCENT), self.zarr_format, self.chunks)
        except Exception as error:  # codecs of others raise what they like
            return f"{type(error).__name__}: {error}"
        return None


def _with_parameter(value: Any, parameter: float) -> Any:
    """The configuration with the number that the parameter, in percent from the worst to the best, stands for."""
    if isinstance(value, list):
        return [_with_parameter(one, parameter) for one in value]
    if not isinstance(value, dict):
        return value
    if "dial" not in value:
        return {key: _with_parameter(one, parameter) for key, one in value.items()}
    worst, best = value["dial"]
    share = parameter / _PERCENT
    number = worst * (best / worst) ** share if value.get("log") else worst + (best - worst) * share
    return round(number) if value.get("integer") else number


def _dials(value: Any) -> list[dict[str, Any]]:
    """All places of the parameter in a configuration."""
    if isinstance(value, dict) and "dial" in value:
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [dial for one in inner for dial in _dials(one)]


def _dial_of(codecs: list[dict[str, Any]]) -> Callable[[Source, float], Dial] | None:
    dials = _dials(codecs)
    if not dials:
        return None
    if len(dials) > 1:
        raise InvalidArgument(f"expected one parameter {{'dial': [worst, best]}}, found {len(dials)}")
    dial, ends = dials[0], dials[0]["dial"]
    numbers = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    if not numbers or ends[0] == ends[1] or set(dial) - _DIAL_KEYS or (dial.get("log") and min(ends) <= 0):
        raise InvalidArgument(f"expected {{'dial': [worst, best]}}, 'log' for positive ends, 'integer', found {dial}")
    resolution = _PERCENT / abs(ends[1] - ends[0]) if dial.get("integer") else 0.0
    return lambda _source, _db: Dial(0, _PERCENT, _PERCENT / 2, 0.5, resolution)


def configured(text: str, threads: int = 1) -> Codec:
    """A codec of numcodecs or Zarr by its configuration, or several as a pipeline.

    Parameters
    ----------
    text : str
        ``numcodecs:JSON`` or ``zarr:JSON``. The JSON is a codec as in Zarr's metadata, a list of them, or
        ``{"codecs": [..], "chunks": [..], "dtype": "float32", "lossless": true, "label": "a name"}``, of which only the
        codecs are needed; samples may be coded as float32 or int32. One number of a codec may be ``{"dial": [worst,
        best], "log": true, "integer": true}``: it is set to reach a PSNR or a size.
    threads : int
        So many chunks are coded at a time.

    Raises
    ------
    InvalidArgument
        For what is not such a configuration.

    Examples
    --------
    >>> codec = configured('numcodecs:{"id": "zstd", "level": 3}')
    >>> source = Source(np.zeros((64, 64), np.uint16))
    >>> stored = codec.encode(source.array, 0, source)
    >>> len(stored) < 50, bool((codec.decode(stored, source.array) == source.array).all())
    (True, True)
    """
    kind, asked = _asked(text)
    codecs, chunks = asked["codecs"], asked.get("chunks")
    dial = _dial_of(codecs)
    zarr_format = 2 if kind == "numcodecs" else 3
    pipeline = _Pipeline(zarr_format, codecs, tuple(chunks) if chunks else None, asked.get("dtype"), threads)
    codec = Codec(
        asked.get("label") or text,
        zarr_versions(),
        pipeline.pieces,
        pipeline.encode,
        lambda data, _: whole(data, threads),
        restore=lambda source, decoded: source.samples(decoded, False),
        lossless=bool(asked.get("lossless")),
        colours=ALL_COLOURS,
        floats=True,
        threads=threads,
        options=asked,
        missing=_checked(kind, _with_parameter(codecs, _PERCENT)),
        refuses=pipeline.refuses,
    )
    return replace(codec, dial=dial) if dial else codec


def _asked(text: str) -> tuple[str, dict[str, Any]]:
    """(kind, configuration with a list of codecs)."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise InvalidArgument(f"{text!r}: expected numcodecs:JSON or zarr:JSON")
    try:
        given = json.loads(rest)
    except ValueError as error:
        raise InvalidArgument(f"{text!r}: no JSON: {error}") from None
    asked = given if isinstance(given, dict) and "codecs" in given else {"codecs": given}
    codecs = asked["codecs"] if isinstance(asked["codecs"], list) else [asked["codecs"]]
    key = "id" if kind == "numcodecs" else "name"
    if set(asked) - _KEYS or not codecs or not all(isinstance(one, dict) and one.get(key) for one in codecs):
        raise InvalidArgument(f"{text!r}: expected codecs with {key!r}, and of {sorted(_KEYS)}, found {given!r}")
    chunks, dtype = asked.get("chunks"), asked.get("dtype")
    whole_numbers = isinstance(chunks, list) and all(isinstance(n, int) and n > 0 for n in chunks)
    if dtype not in _DTYPES or not (chunks is None or whole_numbers):
        raise InvalidArgument(
            f"{text!r}: expected chunks of whole numbers and dtype float32 or int32, found {chunks}, {dtype!r}"
        )
    return kind, asked | {"codecs": codecs}


def zarr_versions() -> str:
    """Versions of what codes."""
    import numcodecs
    import zarr

    return f"zarr {zarr.__version__}, numcodecs {numcodecs.__version__}"


def _checked(kind: str, codecs: list[dict[str, Any]]) -> str | None:
    """What has to be installed for them, or None.

    Raises
    ------
    InvalidArgument
        For a configuration that its codec does not take.
    """
    try:
        for one in codecs:
            _class_of(kind, one)
    except Exception as error:  # of another kind in each version of them
        return f"{kind} has no such codec here: {error}; install the package that brings it"
    for one in codecs:
        try:
            _made(kind, one)
        except Exception as error:  # codecs of others raise what they like
            raise InvalidArgument(f"{kind} codec {one}: {type(error).__name__}: {error}") from error
    return None


def _made(kind: str, codec: dict[str, Any]) -> Any:
    if kind == "zarr":
        return _class_of(kind, codec).from_dict(codec)
    import numcodecs

    return numcodecs.get_codec(dict(codec))


def _class_of(kind: str, codec: Mapping[str, Any]) -> Any:
    """The class of a codec; those of imagecodecs are registered, which it does not do by itself."""
    if kind == "zarr":
        from zarr.registry import get_codec_class

        return get_codec_class(codec["name"])
    import imagecodecs.numcodecs
    import numcodecs.registry

    imagecodecs.numcodecs.register_codecs(verbose=False)
    name = codec["id"]
    if name not in numcodecs.registry.codec_registry:
        numcodecs.register_codec(numcodecs.registry.entries[name].load(), name)
    return numcodecs.registry.codec_registry[name]
