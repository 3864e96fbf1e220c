"""Which codecs of an array lose something: ours and those of the registries that are known to.

Values in: a Zarr array, or a Dask or xarray array that is made of some. Values out: entries of a history of loss.
Implements no section of FORMAT.md; configurations are those of numcodecs, imagecodecs, zarrs and of our plug-in.
Guarantees that no samples are read. A codec that is not known is taken for one that loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from mmip_gpu.sources.history import METHOD

__all__ = ["codec_history"]

_MOST_TASKS: Final = 4  # of a layer that are looked at: an array stands in a layer of its own
_WRAPPED: Final = ("array", "_array", "value", "data", "variable")  # where wrappers of xarray and Dask hold theirs

Config = Mapping[str, Any]


def _always(config: Config) -> bool:
    return not config.get("lossless")


def _by_level(config: Config) -> bool:
    return bool(config.get("level")) or config.get("reversible") is False


def _by_flag(config: Config) -> bool:
    return config.get("lossless") is False


def _by_mode(config: Config) -> bool:
    is_exact = str(config.get("mode")).lower() in ("none", "0", "5", "r", "reversible")
    return not is_exact or bool(config.get("level"))


def _is_narrower(config: Config) -> bool:
    return not np.can_cast(config.get("decode_dtype", "f8"), config.get("encode_dtype", "f4"), "safe")


_LOSES: Final[dict[str, Callable[[Config], bool]]] = {
    **dict.fromkeys(("quantize", "bitround", "fixedscaleoffset", "sz3", "sperr", "jetraw", "float24"), _always),
    **dict.fromkeys(("bfloat16", "jpeg", "jpegxs", "heif", "ultrahdr", "rgbe", "pixarlog", "dds"), _always),
    **dict.fromkeys(("jpeg2k", "htj2k", "jpegxr", "jpegls", "lerc"), _by_level),
    **dict.fromkeys(("jpegxl", "webp"), _by_flag),
    **dict.fromkeys(("zfp", "zfpy"), _by_mode),
    "astype": _is_narrower,
    "avif": lambda config: (config.get("level") or 100) < 100,
    "mmip": lambda config: not config.get("lossless") and config.get("max_error") != 0,
}


def codec_history(array: Any) -> list[dict[str, Any]]:
    """Give an entry for every codec that loses, and the history of lazy arrays of our stores.

    Examples
    --------
    >>> import zarr
    >>> from zarr.codecs.numcodecs import Quantize
    >>> array = zarr.create_array({}, shape=(8,), dtype="f4", filters=[Quantize(digits=2, dtype="f4")])
    >>> codec_history(array)
    [{'lossy': True, 'method': 'QUANTIZE', 'ratio': None}]
    """
    found: list[dict[str, Any]] = []
    for part in _held(array):
        known = getattr(part, "loss_history", None)
        entries = list(known) if known is not None else [_entry(name) for name in _lossy_names(_codecs(part))]
        found += [entry for entry in entries if entry not in found]
    return found


def _entry(name: str) -> dict[str, Any]:
    return {"lossy": True, "method": METHOD if name == "mmip" else name.upper(), "ratio": None}


def _held(array: Any) -> Iterator[Any]:
    """Go through an array, what it wraps, and the arrays that the graph of Dask begins with."""
    seen = 0
    while array is not None and seen < 16:
        if hasattr(array, "__dask_graph__") and not hasattr(array, "encoding"):
            for layer in getattr(array.__dask_graph__(), "layers", {}).values():
                for value in _constants(layer):
                    yield from _held(value)
            return
        yield array
        array = next((getattr(array, name) for name in _WRAPPED if _has(array, name)), None)
        seen += 1


def _has(array: Any, name: str) -> bool:
    is_zarr = type(array).__module__.startswith("zarr.") or isinstance(array, np.ndarray)
    return not is_zarr and hasattr(array, name)


def _constants(layer: Any) -> list[Any]:
    """Give the arrays that stand in a layer, its tasks apart; materializes nothing."""
    if hasattr(layer, "indices"):
        return [value for value, index in layer.indices if index is None]
    mapping = getattr(layer, "mapping", layer)
    return list(islice(mapping.values(), _MOST_TASKS)) if isinstance(mapping, Mapping) else []


def _codecs(array: Any) -> Any:
    """Give the codecs of a Zarr array, or those that xarray remembers."""
    metadata, encoding = getattr(array, "metadata", None), getattr(array, "encoding", None)
    if type(array).__module__.startswith("zarr.") and metadata is not None:
        stated = metadata.to_dict()
        return [stated.get(key) for key in ("codecs", "filters", "compressor")]
    if isinstance(encoding, Mapping):
        return [encoding.get(key) for key in ("serializer", "compressors", "filters", "compressor")]
    return None


def _lossy_names(codecs: Any) -> Iterator[str]:
    """Find codecs that lose in a configuration of any depth, such as that of shards."""
    for name in ("to_dict", "get_config"):
        if not isinstance(codecs, type) and hasattr(codecs, name):
            codecs = getattr(codecs, name)()
            break
    if isinstance(codecs, Mapping):
        config = codecs.get("configuration", codecs)
        name = str(codecs.get("name") or codecs.get("id")).rpartition(".")[2].removeprefix("imagecodecs_")
        if name in _LOSES and isinstance(config, Mapping) and _LOSES[name](config):
            yield name
        codecs = list(codecs.values())
    if isinstance(codecs, Sequence) and not isinstance(codecs, str | bytes):
        for codec in codecs:
            yield from _lossy_names(codec)
