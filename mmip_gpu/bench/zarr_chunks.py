"""Arrays coded by Zarr in memory: what it stores for their chunks, and back.

Values: an array and the codecs of Zarr's metadata in, the stored chunks out. Version 2 is for codecs of numcodecs,
version 3 for Zarr's own. Guarantees that every chunk is stored, and that the metadata is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Codecs", "StoredChunks", "opened", "stored", "whole"]

Codecs = Sequence[Mapping[str, Any]]
_DOCUMENTS = {2: ".zarray", 3: "zarr.json"}
_ATTRIBUTES = ".zattrs"


class StoredChunks(bytes):
    """The stored chunks of an array one after the other; beside them their keys and lengths, and the metadata."""

    lengths: tuple[tuple[str, int], ...]
    document: bytes
    zarr_format: int

    @classmethod
    def of(cls, held: Mapping[str, Any], zarr_format: int) -> StoredChunks:
        """What a store holds, buffers by their keys."""
        documents = (_DOCUMENTS[zarr_format], _ATTRIBUTES)
        chunks = {key: data.to_bytes() for key, data in held.items() if key not in documents}
        joined = cls(b"".join(chunks.values()))
        joined.lengths = tuple((key, len(data)) for key, data in chunks.items())
        joined.document, joined.zarr_format = held[documents[0]].to_bytes(), zarr_format
        return joined

    def parts(self) -> dict[str, bytes]:
        """The chunks by their keys."""
        found, at = {}, 0
        for key, length in self.lengths:
            found[key] = bytes(self[at : at + length])
            at += length
        return found


def opened(
    array: np.ndarray, codecs: Codecs, zarr_format: int, chunks: Sequence[int] | None = None
) -> tuple[Any, dict[str, Any]]:
    """(an array of Zarr with this shape and dtype, what its store holds); nothing of the samples is in it yet."""
    shape, cut = list(array.shape), list(chunks or array.shape)
    document: dict[str, Any] = {"zarr_format": zarr_format, "shape": shape, "fill_value": 0}
    if zarr_format == 2:
        filters = list(codecs[:-1]) or None
        document |= {
            "chunks": cut,
            "dtype": array.dtype.str,
            "order": "C",
            "filters": filters,
            "compressor": codecs[-1],
        }
    else:
        keys = {"name": "default", "configuration": {"separator": "/"}}
        grid = {"name": "regular", "configuration": {"chunk_shape": cut}}
        document |= {"node_type": "array", "data_type": array.dtype.name, "attributes": {}}
        document |= {"chunk_grid": grid, "chunk_key_encoding": keys, "codecs": _with_bytes(codecs)}
    return _array_in({_DOCUMENTS[zarr_format]: json.dumps(document).encode()}, zarr_format)


def _array_in(contents: Mapping[str, bytes], zarr_format: Any) -> tuple[Any, dict[str, Any]]:
    import zarr
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore

    held: dict[str, Any] = {key: cpu.Buffer.from_bytes(data) for key, data in contents.items()}
    return zarr.open_array(MemoryStore(held), mode="r+", zarr_format=zarr_format), held


def stored(
    array: np.ndarray, codecs: Codecs, zarr_format: int, chunks: Sequence[int] | None = None, threads: int = 1
) -> StoredChunks:
    """All chunks of an array, so many coded at a time.

    Examples
    --------
    >>> found = stored(np.zeros((64, 64), np.uint16), [{"id": "zstd", "level": 3}], 2, (32, 64))
    >>> [key for key, _ in found.lengths], bool(whole(found).any())
    (['0.0', '1.0'], False)
    """
    with _running(threads):
        target, held = opened(array, codecs, zarr_format, chunks)
        target[...] = array
    return StoredChunks.of(held, zarr_format)


def whole(data: StoredChunks, threads: int = 1) -> np.ndarray:
    """The array of the chunks."""
    with _running(threads):
        source, _ = _array_in({_DOCUMENTS[data.zarr_format]: data.document} | data.parts(), data.zarr_format)
        return np.asarray(source[...])


def _running(threads: int) -> Any:
    """Zarr told to store chunks of zeros too, and how many to code at a time."""
    import zarr
    from numcodecs import blosc

    blosc.set_nthreads(threads)
    limits = {"async.concurrency": threads, "threading.max_workers": threads}
    return zarr.config.set({"array.write_empty_chunks": True} | limits)


def _with_bytes(codecs: Codecs) -> list[Mapping[str, Any]]:
    """The codecs with the plain bytes between arrays and bytes where no other codec makes them."""
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec
    from zarr.registry import get_codec_class

    kinds = [get_codec_class(codec["name"]) for codec in codecs]
    if any(issubclass(kind, ArrayBytesCodec) for kind in kinds):
        return list(codecs)
    arrays = sum(issubclass(kind, ArrayArrayCodec) for kind in kinds)
    return [*codecs[:arrays], {"name": "bytes", "configuration": {"endian": "little"}}, *codecs[arrays:]]
