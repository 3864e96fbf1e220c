"""The Zarr codec `mmip.stage`: configurations, arrays and bytes that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from mmip_gpu.errors import CorruptData, InvalidArgument
from numcodecs_plugin import StageCodec

GOOD: dict[str, Any] = {
    "stage": 1,
    "cell_depth": 1,
    "tile_log2": [0, 4, 4],
    "cuts": [0, 9, 63],
    "steps": [[2560], [640]],
}


@pytest.mark.parametrize(
    "change",
    [
        {"stage": 0},
        {"stage": 5},
        {"stage": True},
        {"stage": "1"},
        {"cell_depth": 2},
        {"cell_depth": [1]},
        {"tile_log2": [0, 1, 4]},
        {"tile_log2": [0, 4]},
        {"tile_log2": [-1, 4, 4]},
        {"tile_log2": [4, 4, 5]},
        {"tile_log2": "044"},
        {"cuts": [0, 63, 63]},
        {"cuts": [1, 63]},
        {"cuts": [0, 9, 511]},
        {"cuts": [0]},
        {"cuts": [0, 9.5, 63]},
        {"cuts": [*range(17), 63]},
        {"steps": []},
        {"steps": [[63]]},
        {"steps": [[2**24 + 1]]},
        {"steps": [[256, 256]]},
        {"steps": [[256], [256, 256, 256]]},
        {"steps": [[256]] * 9},
        {"steps": None},
        {"padding": 1},
        {"padding": None},
        {"stage": 2, "padding": True},
        {"steps": [[256, 256, 256]], "padding": True},
    ],
    ids=str,
)
def test_configurations_out_of_range(change):
    data = {"name": "mmip.stage", "configuration": GOOD | change}
    with pytest.raises(InvalidArgument, match=rf"^mmip\.stage: .*({'|'.join(change)}).*: expected "):
        StageCodec.from_dict(data)


def test_an_option_that_there_is_not():
    with pytest.raises(InvalidArgument, match=r"^mmip\.stage: unknown option 'step'; did you mean 'steps'\?"):
        StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD | {"step": 1}})


def test_configurations_of_another_form():
    assert StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD}).columns == 2
    assert StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD | {"padding": True}}).columns == 4
    later = {k: v for k, v in GOOD.items() if k != "steps"} | {"stage": 2}
    assert StageCodec.from_dict({"name": "mmip.stage", "configuration": later}).columns == 10
    for data in (
        {"name": "mmip", "configuration": GOOD},
        {"name": "mmip.stage"},
        {"name": "mmip.stage", "configuration": [1]},
        {"name": "mmip.stage", "configuration": {k: v for k, v in GOOD.items() if k != "cuts"}},
    ):
        with pytest.raises(InvalidArgument):
            StageCodec.from_dict(data)


@pytest.mark.parametrize(
    ("shape", "chunks", "dtype"),
    [((1, 1, 8, 8, 2), (1, 1, 8, 8, 1), "int32"), ((1, 1, 8, 8, 3), (1, 1, 8, 8, 3), "int32"),
     ((1, 8, 8, 2), (1, 8, 8, 2), "int32"), ((1, 1, 8, 8, 2), (1, 1, 8, 8, 2), "int16")],
)  # fmt: skip
def test_arrays_that_the_codec_cannot_hold(shape, chunks, dtype):
    codec = StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD})
    with pytest.raises(InvalidArgument):
        zarr.create_array(
            MemoryStore(), shape=shape, chunks=chunks, dtype=dtype, fill_value=-1, serializer=codec,
            compressors=None, filters=None,
        )  # fmt: skip


def damage_class(array):
    array[0, 0, 0, 0, 0] = 7


def damage_dc(array):
    array[0, 0, 0, 0, 1] = 2**26


def damage_hole(array):
    array[0, 0, 1, 1] = -1


def damage_padding(array):
    array[0, 1, 0, 0, 1] = 5


@pytest.mark.parametrize("damage", [damage_class, damage_dc, damage_hole, damage_padding])
def test_arrays_that_no_chunk_decodes_to(damage):
    codec = StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD})
    array = np.full((1, 2, 4, 4, 2), -1, np.int32)
    array[:, :1] = 0
    assert codec.encode_array(array) is not None
    damage(array)
    with pytest.raises(InvalidArgument):
        codec.encode_array(array)
    with pytest.raises(InvalidArgument):
        codec.encode_array(array.astype(np.int64))
    with pytest.raises(InvalidArgument):
        codec.encode_array(array[..., :1])


@pytest.mark.parametrize(
    "start",
    ["00010404", "01010405", "ffffffff7f010404", "ffffffffffffffffff7f", "8100010404", "80", "", "01010404"],
)
def test_hostile_prefixes(start):
    codec = StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD})
    with pytest.raises(CorruptData):
        codec.decode_bytes(bytes.fromhex(start), (1, 1, 4, 4, 2))


def test_planes_that_do_not_hold_all_components():
    codec = StageCodec(1, 1, (0, 4, 4), (0, 63), ((256, 256, 256),))
    with pytest.raises(CorruptData, match="components"):
        codec.decode_bytes(bytes([1, 1, 4, 4]) + bytes(20), (3, 1, 4, 4, 2))
