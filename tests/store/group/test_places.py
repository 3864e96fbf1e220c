"""Places of stores: what is there already, what cannot be written, what a full disk leaves."""

from __future__ import annotations

from typing import Any

import pytest
import zarr
from helpers.stores import SMALL, VOLUME, FullStore
from zarr.storage import LocalStore, MemoryStore, StorePath, WrapperStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import Source


def test_another_job_in_the_same_place(tmp_path):
    where = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME, where, **SMALL)
    for source, change in (
        (VOLUME, {"quality": 30}),
        (VOLUME, {"roi": "threshold:5"}),
        (VOLUME, {"chunks": (16, 32, 64)}),
        (VOLUME + 1, {}),
        (VOLUME[1:], {}),
    ):
        with pytest.raises(StoreError, match=r"expected .*found"):
            mmip.write_zarr(source, where, **(SMALL | change))
    with pytest.raises(StoreError, match=r"is here \(target: expected quality 20.*, found quality 30.*\)"):
        mmip.write_zarr(VOLUME, where, **(SMALL | {"quality": 30}))
    with pytest.raises(StoreError, match="resume=True"):
        mmip.write_zarr(VOLUME, where, resume=False, **SMALL)
    kept = where / "notes.txt"
    kept.write_text("mine")
    report = mmip.write_zarr(VOLUME[1:], where, overwrite=True, **(SMALL | {"stages": 2}))
    assert report["complete"]
    assert mmip.open_zarr(where).shape == (19, 50, 70)
    assert not (where / "stage_3").exists()
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_left_alone(tmp_path, overwrite):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.txt").write_text("1")
    zarr.create_array(tmp_path / "array.zarr", data=VOLUME)
    zarr.create_group(tmp_path / "group.zarr", attributes={"a": 1})
    (tmp_path / "file").write_text("2")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    for name in ("photos", "array.zarr", "group.zarr", "file", "bad.zarr"):
        with pytest.raises(StoreError, match=name):
            mmip.write_zarr(VOLUME, tmp_path / name, overwrite=overwrite, **SMALL)
        with pytest.raises(StoreError, match=name):
            mmip.open_zarr(tmp_path / name)
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


def test_places_that_are_not_there(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        mmip.open_zarr(tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()
    with pytest.raises(StoreError):
        mmip.open_zarr(MemoryStore())
    with pytest.raises(InvalidArgument):
        mmip.open_zarr(7)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="found nothing"):
        mmip.open_zarr(tmp_path / "empty")
    assert mmip.write_zarr(VOLUME, tmp_path / "empty", **SMALL)["complete"]


def test_a_store_is_not_written_from_itself(tmp_path):
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.write_zarr(mmip.open_zarr(tmp_path / "a.zarr"), tmp_path / "a.zarr", overwrite=True, **SMALL)
    assert mmip.open_zarr(tmp_path / "a.zarr").report["complete"]


def test_kinds_of_places(tmp_path):
    inner: dict[str, Any] = {}
    memory = MemoryStore()
    for place in (
        str(tmp_path / "s"),
        tmp_path / "p",
        inner,
        memory,
        StorePath(memory, "deep/er"),
        LocalStore(tmp_path / "l"),
    ):
        mmip.write_zarr(VOLUME, place, **SMALL)
        assert mmip.open_zarr(place)[2:4].shape == (2, 50, 70)


def test_a_full_disk(tmp_path):
    full = FullStore(LocalStore(tmp_path / "a.zarr"))
    with pytest.raises(StoreError, match=r"chunk \(0, .*cannot be written.*No space left") as caught:
        mmip.write_zarr(VOLUME, full, **SMALL)
    assert isinstance(caught.value, OSError)
    assert not mmip.open_zarr(tmp_path / "a.zarr").report["complete"]
    assert mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)["complete"]


class OneFails(WrapperStore[Any]):
    """A store that cannot hold one stage of one chunk."""

    async def set(self, key: str, value: Any, **options: Any) -> None:
        if key == "stage_2/c/0/0/0/1/0":
            raise OSError("a bad block")
        await super().set(key, value, **options)


def test_stages_are_written_together_and_no_record_follows_one_that_failed(tmp_path):
    with pytest.raises(StoreError, match=r"chunk \(0, 0, 0, 1\), stage_2 cannot be written: a bad block"):
        mmip.write_zarr(VOLUME, OneFails(LocalStore(tmp_path / "a.zarr")), **(SMALL | {"threads": 1}))
    assert (tmp_path / "a.zarr/stage_3/c/0/0/0/1/0").exists()  # those beside it ended before the error
    assert not (tmp_path / "a.zarr/chunk/c/0/0/0/1/0").exists()
    assert mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)["complete"]


def test_read_only_places(store, tmp_path):
    with pytest.raises(StoreError, match="read-only"):
        mmip.write_zarr(VOLUME, MemoryStore(read_only=True), **SMALL)
    frozen = store.with_read_only(True)
    assert mmip.open_zarr(frozen)[0].shape == (50, 70)
    with pytest.raises(StoreError, match="read-only"):
        mmip.write_zarr(VOLUME, frozen, overwrite=True, **SMALL)


def test_a_source_that_fails(tmp_path):
    def broken(region: Any) -> Any:
        if region[2].start >= 32:
            raise ValueError("a bad sector")
        return VOLUME[region]

    source = Source(VOLUME.shape, VOLUME.dtype, "zyx", {}, "disk", "f", broken)
    with pytest.raises(StoreError, match="a bad sector"):
        mmip.write_zarr(source, tmp_path / "a.zarr", cell_depth=8, **SMALL)
