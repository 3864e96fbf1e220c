"""What is lost is said once, recorded in the store, and printed as one line."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run

import mmip_gpu
from mmip_gpu.errors import MetadataWarning
from mmip_gpu.sources import open_npy as plain_npy
from mmip_gpu.sources import open_source, reopen_source
from mmip_gpu.sources.lost import warn_lost, with_lost
from mmip_gpu.store.group.metadata import metadata_problem


@pytest.fixture
def lossy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .npy file whose reader says that two things are lost."""

    def open_npy(path: Path) -> Any:
        opened = plain_npy(path)
        return replace(opened, metadata=with_lost(opened.metadata, "colour of channel 2", "time step"))

    monkeypatch.setattr("mmip_gpu.sources.open_npy", open_npy)
    np.save(tmp_path / "a.npy", np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    return tmp_path / "a.npy"


def test_opening_warns_once_and_reopening_never(lossy_file: Path) -> None:
    with pytest.warns(MetadataWarning, match=r"a\.npy: not kept: colour of channel 2; time step") as said:
        source = open_source(lossy_file)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reopen_source(lossy_file).metadata["lost"] == source.metadata["lost"]
        assert open_source(source) is source


def test_a_store_and_its_copies_record_it(lossy_file: Path, tmp_path: Path) -> None:
    with pytest.warns(MetadataWarning) as said:
        report = mmip_gpu.write_zarr(lossy_file, tmp_path / "a.zarr", quality=10, progress=False)
    assert len(said) == 1
    assert report["lost"] == ["colour of channel 2", "time step"]
    volume = mmip_gpu.open_zarr(tmp_path / "a.zarr")
    assert volume.metadata["lost"] == report["lost"]
    again = mmip_gpu.write_zarr(volume, tmp_path / "b.zarr", lossless=True, stages=3, progress=False)
    assert again["lost"] == report["lost"]
    assert (
        mmip_gpu.write_zarr(np.zeros((8, 8), np.uint8), tmp_path / "c.zarr", quality=10, progress=False)["lost"] == []
    )


def test_the_command_prints_one_line(
    lossy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*warning: Any, **_: Any) -> None:  # as Python does where nothing records warnings
        sys.stderr.write(warnings.formatwarning(*warning[:4]))

    monkeypatch.setattr(warnings, "showwarning", show)
    run("compress", lossy_file, tmp_path / "a.zarr", "--lossless")
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("mmip: warning")]
    assert lines == ["mmip: warning: a.npy: not kept: colour of channel 2; time step"]
    run("info", tmp_path / "a.zarr")
    assert "not kept of the source: time step" in capsys.readouterr().out


def test_texts_are_recorded_once_and_nothing_is_no_warning() -> None:
    assert with_lost({"lost": ["a"]}, "b", "a") == {"lost": ["a", "b"]}
    assert with_lost({"kind": "npy"}) == {"kind": "npy"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_lost("x", [])


@pytest.mark.parametrize("lost", ["text", [1], {"a": 1}])
def test_a_record_of_another_form_is_damage(lost: Any) -> None:
    assert metadata_problem({"lost": lost}) == f"lost={lost!r}"
