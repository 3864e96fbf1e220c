"""Sources by name or path: phantoms, paths that cannot be opened, default axes."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import REPOSITORY
from helpers.source_checks import check_common

from mmip_gpu import sources
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import default_axes, open_source, source
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d

SHARED = REPOSITORY.resolve().parent / "shared" / "data"

# --- phantoms


@pytest.mark.parametrize("name", ["phantom", "phantom2d"])
def test_phantom2d_by_name(name: str) -> None:
    opened = open_source(name)
    check_common(opened)
    np.testing.assert_array_equal(opened.read(), phantom2d(), strict=True)


def test_phantom3d_by_name_and_as_array() -> None:
    assert open_source("phantom3d").shape == (256, 512, 512)
    by_name, as_array = open_source("phantom3d:6x20x30"), open_source(Phantom3D((6, 20, 30)))
    assert by_name.fingerprint == as_array.fingerprint
    assert by_name.metadata["kind"] == "phantom3d"
    np.testing.assert_array_equal(by_name.read(), phantom3d((6, 20, 30)), strict=True)
    check_common(by_name)


@pytest.mark.parametrize("name", ["phantom3d:", "phantom3d:4x4", "phantom3d:4x4x-4", "phantom3d:0x4x4"])
def test_impossible_phantom_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="phantom"):
        open_source(name)


def test_paths_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_source(tmp_path / "absent.npy")
    (tmp_path / "picture.gif").write_bytes(b"GIF89a")
    with pytest.raises(InvalidArgument, match=r"extension '.gif'.*NIfTI.*DICOM.*TIFF.*Zarr"):
        open_source(tmp_path / "picture.gif")
    (tmp_path / "nothing").write_bytes(b"")
    with pytest.raises(InvalidArgument, match="no extension"):
        open_source(tmp_path / "nothing")
    with pytest.raises(StoreError):
        open_source("x" * 5000)


@pytest.mark.parametrize("name", ["mr_ge_knee.npy", "em_isbi_train.npy"])
def test_shared_data_opens(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared data are not on this machine")
    opened = open_source(path)
    check_common(opened)
    np.testing.assert_array_equal(opened.read(), np.load(path))


# --- the rest


def test_default_axes() -> None:
    assert [default_axes(ndim) for ndim in range(1, 6)] == ["x", "yx", "zyx", "tzyx", "tczyx"]
    for ndim in (0, 7):
        with pytest.raises(InvalidArgument, match="1 to 5 axes"):
            default_axes(ndim)


@pytest.mark.parametrize("module", [sources, source])
def test_docstring_examples_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
