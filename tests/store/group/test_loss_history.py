"""The record of loss: of every chunk, of the store, and of all that was lost before it was written."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu._core import crc32c
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError
from mmip_gpu.sources import Source, open_source
from mmip_gpu.sources.history import loss_history
from mmip_gpu.store.group.chunk_header import ORIGIN_BYTES

VOLUME = mmip.phantom3d((20, 50, 70))
SMALL = {"chunks": (16, 32, 32), "threads": 1}


def spaced(**metadata: Any) -> Source:
    known = {"spacing": [2.0, 0.5, 0.25], "slope": 1.0, "intercept": 0.0} | metadata
    return Source(VOLUME.shape, VOLUME.dtype, "zyx", known, "ct", "ct", lambda region: VOLUME[region])


def run(line: str) -> None:
    assert main(shlex.split(line)) == 0


# --- what a store says of itself


def test_the_record_of_an_array_and_of_its_chunks():
    mask = np.zeros(VOLUME.shape, np.uint8)
    mask[:, :32, :32] = 1
    store = MemoryStore()
    report = mmip.write_zarr(VOLUME, store, psnr=50, roi=mask, **SMALL)
    volume = mmip.open_zarr(store)
    assert report == volume.report | {"seconds": report["seconds"]}
    assert report["software"] == f"mmip_gpu {mmip.__version__}"
    assert report["format_version"] == 1
    assert report["loss"]["requested"] == 50 <= report["loss"]["reached"] == report["loss"]["psnr"]
    assert report["roi_share"] == pytest.approx(mask.mean())
    assert report["lossy"]
    assert report["history"] == []
    total, image = 0, volume[...].astype(np.int64)
    for part in volume._grid.overlaps(tuple(slice(0, n) for n in VOLUME.shape)):
        record, samples = volume.record(part.coordinates), VOLUME[part.target]
        crc = crc32c(np.ascontiguousarray(samples).tobytes())
        total += crc32c(struct.pack("<4QI", *part.coordinates, crc))
        error = np.abs(image[part.target] - samples)
        assert record["source_crc"] == f"{crc:08x}"
        assert record["roi_share"] == mask[part.target].mean()
        assert record["loss"]["mode"] == "psnr"
        assert record["loss"]["max_error"] == error.max()
        assert record["loss"]["reached"] == record["loss"]["psnr"]
        assert record["ratio"] == pytest.approx(samples.nbytes / record["bytes"])
    assert report["source_checksum"] == f"{total:016x}"


@pytest.mark.parametrize(
    ("options", "reached"),
    [({"max_error": 4}, "max_error"), ({"ratio": 6}, "ratio"), ({"lossless": True}, 0), ({"quality": 20}, None)],
    ids=str,
)
def test_what_was_reached(options, reached):
    report = mmip.write_zarr(VOLUME, MemoryStore(), stages=3, **options, **SMALL)
    expected = {"max_error": report["loss"]["max_error"], "ratio": report["ratio"]}.get(reached, reached)
    assert report["loss"]["reached"] == expected
    container = mmip.inspect(mmip.encode(VOLUME, stages=3, **options))
    expected = {"max_error": container["loss"]["max_error"], "ratio": container["ratio"]}.get(reached, reached)
    assert container["loss"]["reached"] == expected


def test_the_checksum_is_that_of_the_samples_alone():
    first = mmip.write_zarr(VOLUME, MemoryStore(), quality=10, **SMALL)
    again = mmip.write_zarr(np.asfortranarray(VOLUME).astype(">u2"), MemoryStore(), lossless=True, stages=2, **SMALL)
    other = mmip.write_zarr(VOLUME + 1, MemoryStore(), quality=10, **SMALL)
    swapped = VOLUME.copy()
    swapped[:, :32, :32], swapped[:, :32, 32:64] = VOLUME[:, :32, 32:64], VOLUME[:, :32, :32]
    moved = mmip.write_zarr(swapped, MemoryStore(), quality=10, **SMALL)
    assert first["source_checksum"] == again["source_checksum"]
    assert len({found["source_checksum"] for found in (first, other, moved)}) == 3


def test_channels_and_empty_arrays():
    colour = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    report = mmip.write_zarr(colour, MemoryStore(), axes="yxc", quality=10, roi=np.ones((40, 40), bool))
    assert report["roi_share"] == 1
    empty = mmip.write_zarr(VOLUME[:0], MemoryStore(), quality=10)
    assert (empty["roi_share"], empty["source_checksum"]) == (0, "0" * 16)


@pytest.mark.parametrize("at", range(-ORIGIN_BYTES, 0, 3))
def test_a_damaged_record_is_noticed(at):
    store = MemoryStore()
    mmip.write_zarr(VOLUME, store, quality=10, **SMALL)
    key = "chunk/c/0/0/0/0/0"
    data = bytearray(store._store_dict[key].to_bytes())
    data[at] ^= 4
    store._store_dict[key] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(bytes(data))
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
        mmip.open_zarr(store)[0, 0, 0]


# --- once lossy, always lossy


def test_a_lossy_store_stays_lossy_when_it_is_coded_again(tmp_path):
    mmip.write_zarr(spaced(), tmp_path / "a.zarr", quality=10, **SMALL)
    for name, source in {"array": mmip.open_zarr(tmp_path / "a.zarr"), "path": tmp_path / "a.zarr"}.items():
        report = mmip.write_zarr(source, tmp_path / name, lossless=True, stages=2, **SMALL)
        assert report["loss"]["lossless"]
        assert report["lossy"]
        (entry,) = report["history"]
        assert (entry["lossy"], entry["method"], entry["stages"]) == (True, "MMIP", [3, 3])
        assert entry["loss"]["mode"] == "quality"
        assert mmip.open_zarr(tmp_path / name).metadata["scale"] == [2.0, 0.5, 0.25]
        assert (mmip.open_zarr(tmp_path / name)[...] == mmip.open_zarr(tmp_path / "a.zarr")[...]).all()
    mmip.write_zarr(mmip.open_zarr(tmp_path / "path"), tmp_path / "again", max_error=2, **SMALL)
    history = mmip.open_zarr(tmp_path / "again").loss_history
    assert [entry["lossy"] for entry in history] == [True, False, True]
    assert [entry["loss"]["mode"] for entry in history] == ["quality", "lossless", "max_error"]


def test_an_exact_store_is_lossy_where_it_is_read_in_part(tmp_path):
    mmip.write_zarr(spaced(), tmp_path / "a", lossless=True, stages=3, cell_depth=8, **SMALL)
    exact = mmip.write_zarr(mmip.open_zarr(tmp_path / "a"), MemoryStore(), lossless=True, stages=2)
    assert not exact["lossy"]
    assert [entry["lossy"] for entry in exact["history"]] == [False]
    for options in ({"stages": 1}, {"scale": 2}):
        part = mmip.write_zarr(
            mmip.open_zarr(tmp_path / "a", **options), tmp_path / str(options), lossless=True, stages=2
        )
        assert part["lossy"]
        assert part["history"][0]["scale"] == options.get("scale", 1)
    assert mmip.open_zarr(tmp_path / str({"scale": 2})).metadata["scale"] == [4.0, 1.0, 0.5]


def test_what_files_say_comes_first():
    store = MemoryStore()
    lossy = {"lossy": True, "lossy_methods": ["ISO_10918_1"], "lossy_ratios": [9.0]}
    report = mmip.write_zarr(spaced(**lossy), store, lossless=True, stages=2, **SMALL)
    assert report["lossy"]
    assert report["history"] == [{"lossy": True, "method": "ISO_10918_1", "ratio": 9.0}]
    assert loss_history({"lossy": True}) == [{"lossy": True, "method": None, "ratio": None}]
    assert loss_history({}) == loss_history({"history": "damaged"}) == []


def test_an_exported_pyramid_carries_it(tmp_path):
    mmip.write_zarr(spaced(), tmp_path / "a.zarr", quality=10, **SMALL)
    mmip.export_ome_zarr(tmp_path / "a.zarr", tmp_path / "b.ome.zarr")
    report = mmip.write_zarr(tmp_path / "b.ome.zarr/0", MemoryStore(), lossless=True, stages=2)
    assert report["lossy"]
    assert report["history"][0]["loss"]["mode"] == "quality"


def test_unfinished_stores_and_the_store_itself_are_no_sources(tmp_path):
    mmip.write_zarr(spaced(), tmp_path / "a.zarr", quality=10, **SMALL)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.write_zarr(tmp_path / "a.zarr", tmp_path / "a.zarr", quality=10, overwrite=True)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    group.update_attributes({"mmip": dict(group.attrs["mmip"]) | {"state": "writing"}})
    with pytest.raises(StoreError, match="not ended"):
        mmip.write_zarr(tmp_path / "a.zarr", tmp_path / "b.zarr", quality=10)


def test_dicom_of_a_store_coded_twice(tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", VOLUME)
    run("compress a.npy a.zarr --psnr 45")
    run("compress a.zarr b.zarr --lossless")
    run("compress b.zarr c.zarr --psnr 40")
    ratios = [mmip.open_zarr(name).report["ratio"] for name in ("a.zarr", "c.zarr")]
    for name, expected in (("b", ratios[:1]), ("c", ratios)):
        run(f"extract {name}.zarr -o {name}")
        dataset = pydicom.dcmread(next(Path(name).iterdir()))
        assert dataset[0x0028, 0x2110].value == "01"
        found = dataset[0x0028, 0x2112].value
        assert [float(r) for r in (found if len(expected) > 1 else [found])] == pytest.approx(expected, rel=1e-4)
        methods = dataset[0x0028, 0x2114].value
        assert list([methods] if isinstance(methods, str) else methods) == ["MMIP"] * len(expected)
    run("extract c.zarr -o again --template b")
    assert len(pydicom.dcmread(next(Path("again").iterdir()))[0x0028, 0x2114].value) == 2
    assert open_source("again").metadata["lossy"]
