"""The codec `mmip` in Zarr v3: parts of chunks by byte ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.zarr_arrays import create, damaged, textured
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.registry import register_codec
from zarr.storage import LocalStore, MemoryStore

import mmip_gpu as mmip
from mmip_gpu.container import byte_ranges
from mmip_gpu.errors import CorruptData
from mmip_gpu.transform import extent
from numcodecs_plugin import Mmip, partial_read

register_codec("mmip", Mmip)  # as its entry point does where the package is installed

DECODES_PARTS = issubclass(Mmip, ArrayBytesCodecPartialDecodeMixin)
NEEDS_PARTS = pytest.mark.skipif(not DECODES_PARTS, reason="this zarr reads no parts of chunks rightly")
SELECTIONS: list[tuple[Any, float]] = [
    (np.s_[3:5, 10:20, 30:40], 0.25),
    (np.s_[7], 0.45),
    (np.s_[-1:, -3:, -3:], 0.2),
    (np.s_[30, 3:100:5, 9], 0.45),
    (np.s_[5:5], 0.1),
    (np.s_[...], 1.01),
]


@NEEDS_PARTS
@pytest.mark.parametrize(("selection", "share"), SELECTIONS, ids=[str(s) for s, _ in SELECTIONS])
def test_a_part_reads_its_substreams_only(one_chunk: Any, pipeline: str, selection: Any, share: float) -> None:
    store, expected, size = one_chunk
    array = zarr.open_array(store, mode="r+")
    store.taken()
    assert np.array_equal(array[selection], expected[selection])
    found, requests = store.taken()
    assert found <= share * size
    assert requests <= 12


@NEEDS_PARTS
def test_selections_by_indices_read_parts(one_chunk: Any, pipeline: str) -> None:
    store, expected, size = one_chunk
    array = zarr.open_array(store, mode="r+")
    store.taken()
    rows, mask = [8, 1, 3], np.zeros(expected.shape, bool)
    mask[5, 60, 60:65] = True
    assert np.array_equal(array.oindex[rows, :, 100], expected[rows][:, :, 100])
    assert store.taken()[0] < size / 2
    assert np.array_equal(array.vindex[rows, [4, 4, 9], [90, 3, 7]], expected[rows, [4, 4, 9], [90, 3, 7]])
    assert np.array_equal(array.get_mask_selection(mask), expected[mask])


@pytest.mark.parametrize(
    "options",
    [{"max_error": 2}, {"quality": 40, "padding": 0}, {"ratio": 1.0}, {"lossless": True, "stages": 2}],
)
def test_parts_of_other_modes(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Corrections, padding masks and raw chunks; every header and head in two rounds."""
    monkeypatch.setattr(partial_read, "WHOLE", 0)
    monkeypatch.setattr(extent, "_HEAD", 16)
    monkeypatch.setattr(extent, "_HEAD_PER_SUBSTREAM", 0)
    monkeypatch.setattr(byte_ranges, "_GAP", 0)
    data = np.random.default_rng(1).integers(0, 3000, (12, 70, 70)).astype(np.uint16)
    data[:, :, 50:] = 0
    array = create(data, data.shape, Mmip(effort=1, **{"axes": "tyx", **options}), LocalStore(tmp_path))
    whole = array[...]
    for at in range(0, 70, 23):
        part = np.s_[at // 8 : at // 8 + 2, at : at + 9, 60 - at // 2 :]
        assert np.array_equal(array[part], whole[part])


@NEEDS_PARTS
def test_damage_elsewhere_in_the_chunk_is_not_met(one_chunk: Any, pipeline: str) -> None:
    store, expected, _ = one_chunk
    broken = MemoryStore(dict(store._store_dict))
    damaged(broken, "c/0/0/0", lambda data: data.__setitem__(-1, data[-1] ^ 0x55))
    array = zarr.open_array(broken, mode="r+")
    assert np.array_equal(array[:2, :8, :8], expected[:2, :8, :8])
    with pytest.raises(CorruptData, match="stage 3"):
        array[-1, -1, -1]


@NEEDS_PARTS
def test_a_chunk_replaced_between_two_requests_is_read_again(one_chunk: Any) -> None:
    store, expected, _ = one_chunk
    other = mmip.encode(textured(expected.shape), quality=3, effort=1, verify=False)

    class Replacing(MemoryStore):
        async def get(self, key, prototype, byte_range=None):
            found = await super().get(key, prototype, byte_range)
            if byte_range is not None:
                self._store_dict[key] = prototype.buffer.from_bytes(other)
            return found

    array = zarr.open_array(Replacing(dict(store._store_dict)), mode="r+")
    assert np.array_equal(array[2, :8, :8], mmip.decode(other)[2, :8, :8])


def test_less_than_a_chunk_is_taken_only_at_the_end_of_an_axis() -> None:
    volume = mmip.phantom3d((20, 40, 40))
    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=volume.shape, dtype="uint16", chunks=(16, 32, 32), compressors=None,
        serializer=Mmip(lossless=True), fill_value=0,
    )  # fmt: skip
    held = array.store._store_dict  # type: ignore[attr-defined]
    for place, part in (("0/0/0", np.s_[:16, :32, :32]), ("1/1/1", np.s_[16:, 32:, 32:]), ("0/1/0", np.s_[:9, :8, :9])):
        blob = mmip.encode(volume[part], lossless=True)
        held[f"c/{place}"] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(blob)
    assert (array[:16, :32, :32] == volume[:16, :32, :32]).all()
    assert (array[16:, 32:, 32:] == volume[16:, 32:, 32:]).all()
    assert (array[17:19, 35:, 39] == volume[17:19, 35:, 39]).all()
    for key in (np.s_[3, 33, 2], np.s_[:16, 32:, :32]):
        with pytest.raises(mmip.CorruptData, match=r"c/0/1/0: mmip: expected a chunk \(16, 32, 32\)"):
            array[key]
