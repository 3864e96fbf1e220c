"""The commands on files of labels of 32 and 64 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmip_gpu.cli import main
from mmip_gpu.sources import open_source

DTYPES = ("uint32", "int32", "uint64", "int64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".npy", ".nii", ".nrrd", ".mha", ".tif"])
def test_files_of_labels_go_there_and_back(dtype: str, suffix: str, tmp_path: Path) -> None:
    high = np.iinfo(dtype).max
    array = (np.arange(12 * 30 * 20).reshape(12, 30, 20) // 50 % 7 * (high // 7)).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    names = {name: str(tmp_path / name) for name in ("a.npy", "a.mmip", f"b{suffix}", "c.npy")}
    assert main(["encode", names["a.npy"], "-o", names["a.mmip"], "--labels"]) == 0
    assert main(["decode", names["a.mmip"], "-o", names[f"b{suffix}"]]) == 0
    found = open_source(names[f"b{suffix}"], labels=True).read()
    assert found.dtype == dtype
    assert np.array_equal(found.reshape(array.shape), array)
    assert main(["decode", names["a.mmip"], "-o", names["c.npy"], "--scale", "2", "--region", "1:3,2:9,0:4"]) == 0
    assert np.array_equal(np.load(names["c.npy"]), array[::2, ::2, ::2][1:3, 2:9, 0:4])


def test_the_report_and_the_measures_of_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", np.arange(4000).reshape(40, 100) // 90 * 2**40)
    assert main(["encode", str(tmp_path / "a.npy"), "-o", str(tmp_path / "a.mmip"), "--labels"]) == 0
    assert main(["info", str(tmp_path / "a.mmip")]) == 0
    assert "40 x 100 int64, axes yx, target labels" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "a.npy"), str(tmp_path / "a.mmip")]) == 0
    assert main(["decode", str(tmp_path / "a.mmip"), "-o", str(tmp_path / "b.npy"), "--stages", "2"]) == 2
    assert main(["decode", str(tmp_path / "a.mmip"), "-o", str(tmp_path / "dicom")]) == 2
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--labels"]) == 0
