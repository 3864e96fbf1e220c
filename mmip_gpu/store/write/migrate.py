"""Arrays of Zarr v2 with the codec `mmip` or `mmip.soft` become arrays of Zarr v3: metadata only, no chunk is touched.

Values: a path, URL or store with arrays of Zarr v2 in; ``zarr.json`` beside their metadata out. Guarantees that nothing
is written unless all arrays can be migrated, and that until the end readers of Zarr v2 see what they saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numcodecs
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.signatures import public

if TYPE_CHECKING:
    from zarr.storage import StoreLike, StorePath

__all__ = ["migrate_zarr"]

_CODECS = ("mmip", "mmip.soft")

_OLD = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
_DIMENSIONS = "_ARRAY_DIMENSIONS"  # attribute of xarray


@public()
def migrate_zarr(path: StoreLike, *, remove_old: bool = False) -> list[str]:
    """Give arrays of Zarr v2 with the codec `mmip` or `mmip.soft` metadata of Zarr v3; the chunks stay as they are.

    Parameters
    ----------
    path : path or zarr StoreLike
        An array, or a group of arrays all of which have one of these codecs.
    remove_old : bool
        The metadata of Zarr v2 are deleted afterwards. Otherwise both stay, and Zarr takes those of v3.

    Returns
    -------
    list of str
        Names of the arrays.

    Raises
    ------
    InvalidArgument
        An array has another compressor, or filters.
    MissingResource
        The codec is not registered: the plug-in is not installed.
    StoreError
        There is nothing of Zarr v2.

    Examples
    --------
    >>> import mmip_gpu, numcodecs, zarr
    >>> store, codec = {}, numcodecs.get_codec({"id": "mmip", "quality": 10})
    >>> image = mmip_gpu.phantom2d(64)
    >>> old = zarr.create_array(store, data=image, chunks=(32, 32), compressors=codec, zarr_format=2)
    >>> len(migrate_zarr(store)), zarr.open_array(store, zarr_format=3).metadata.zarr_format
    (1, 3)
    """
    try:
        node = zarr.open(path, mode="r+", zarr_format=2)
    except (FileNotFoundError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: expected an array or a group of Zarr v2: {error}") from error
    members = [] if isinstance(node, zarr.Array) else [member for _, member in node.members(None)]
    arrays = [member for member in [*members, node] if isinstance(member, zarr.Array)]
    documents = [(array.store_path, _array_document(array)) for array in arrays]
    for group in [member for member in [*members, node] if isinstance(member, zarr.Group)]:  # the root last
        document = {"zarr_format": 3, "node_type": "group", "attributes": dict(group.attrs)}
        documents.append((group.store_path, document))
    for place, document in documents:
        data = json.dumps(document, indent=2).encode()
        sync((place / "zarr.json").set(default_buffer_prototype().buffer.from_bytes(data)))
    for place, _ in documents if remove_old else []:
        for name in _OLD:
            sync((place / name).delete())
    return [array.store_path.path for array in arrays]


def _array_document(array: zarr.Array[Any]) -> dict[str, Any]:
    """Metadata of Zarr v3 for an array of Zarr v2.

    Zarr v2 gave chunks in Fortran order to the codec as they lie in memory, which is transposed.
    """
    old = _stored(array.store_path)
    compressor = old.get("compressor") or {}
    if compressor.get("id") not in _CODECS or old.get("filters"):
        found = f"compressor {compressor.get('id')!r}, filters {old.get('filters')!r}"
        expected = f"the compressor {' or '.join(map(repr, _CODECS))} alone"
        raise InvalidArgument(
            f"{array.store_path}: expected {expected}, found {found}; mmip compress codes other arrays anew"
        )
    try:
        codec = numcodecs.get_codec(compressor)
    except ValueError as error:
        raise MissingResource(f"{array.store_path}: {error}; install mmip-gpu") from None
    options, codecs = codec.to_json(), []
    if old["order"] == "F" and array.ndim > 1:
        options["axes"] = codec.transposed_axes(array.shape)
        codecs.append({"name": "transpose", "configuration": {"order": list(reversed(range(array.ndim)))}})
    attributes = dict(array.attrs)
    names = attributes.pop(_DIMENSIONS, None)
    keys = {"name": "v2", "configuration": {"separator": old.get("dimension_separator", ".")}}
    grid = {"name": "regular", "configuration": {"chunk_shape": old["chunks"]}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": old["shape"],
        "data_type": array.dtype.name,
        "chunk_grid": grid,
        "chunk_key_encoding": keys,
        "fill_value": old["fill_value"] or 0,
        "codecs": [*codecs, {"name": compressor["id"], "configuration": options}],
        "attributes": attributes,
    } | ({"dimension_names": names} if names else {})


def _stored(place: StorePath) -> Mapping[str, Any]:
    """The file ``.zarray``."""
    data = sync((place / ".zarray").get(default_buffer_prototype()))
    found: Mapping[str, Any] = json.loads(data.to_bytes() if data is not None else b"{}")
    return found
