"""mmip evaluate with more metrics: what is asked for, by name or all, for images, stores, regions and colour."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.commands import BONE, load_json, run

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.quality.metrics import evaluate

USUAL = {"rmse", "psnr_16bit", "psnr_range", "max_error", "ssim"}
ALL = ("mse", "mae", "ms_ssim", "haarpsi", "vsi")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    np.save(folder / "plane.npy", mmip_gpu.phantom2d(176))
    run("encode", folder / "plane.npy", "-o", folder / "plane.mmip", "--quality", 40, "--stages", 2)
    np.save(folder / "volume.npy", mmip_gpu.phantom3d((5, 48, 64)))
    run("compress", folder / "volume.npy", folder / "volume.zarr", "--quality", 40)
    return folder


def measured(folder, *arguments):
    run("evaluate", *arguments, "--json", folder / "e.json")
    return load_json(folder / "e.json")["stages"]


def test_all_metrics_of_stages_and_of_a_region(here, capsys):
    rows = measured(here, here / "plane.npy", here / "plane.mmip", "--roi", BONE, "--all-metrics")
    assert len(rows) == 2
    original = np.load(here / "plane.npy")
    for stage, row in enumerate(rows, start=1):
        decoded = mmip_gpu.decode((here / "plane.mmip").read_bytes(), stages=stage)
        expected = evaluate(original, decoded, BONE, metrics=ALL)
        inside = expected.pop("roi")
        assert set(expected) == USUAL | set(ALL)
        assert {key: row[key] for key in expected} == pytest.approx(expected)
        assert row["roi"] == pytest.approx(inside)
        assert 0 < row["vsi"] <= 1
    assert rows[0]["haarpsi"] < rows[1]["haarpsi"]
    heading = next(line for line in capsys.readouterr().out.splitlines() if "HaarPSI" in line)
    assert heading.split()[-5:] == ["MSE", "MAE", "MS-SSIM", "HaarPSI", "VSI"]


def test_a_list_adds_what_it_names(here):
    (row, *_) = measured(here, here / "plane.npy", here / "plane.mmip", "--metrics", "mae, vsi")
    assert set(row) == USUAL | {"mae", "vsi", "stage", "bytes", "bits_per_sample", "ratio"}
    (plain, *_) = measured(here, here / "plane.npy", here / "plane.mmip")
    assert {key: row[key] for key in plain} == plain


def test_volumes_in_pieces(here, monkeypatch):
    monkeypatch.setattr("mmip_gpu.quality.plane_blocks.BLOCK_BYTES", 20000)
    original = np.load(here / "volume.npy")
    row = measured(here, here / "volume.npy", here / "volume.zarr", "--roi", BONE, "--all-metrics")[-1]
    expected = evaluate(original, mmip_gpu.open_zarr(here / "volume.zarr")[...], BONE, metrics=ALL)
    inside = expected.pop("roi")
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert row["roi"] == pytest.approx(inside)
    assert row["ms_ssim"] is None  # below 161 samples a side


def test_colour(here):
    rng = np.random.default_rng(0)
    image = np.cumsum(rng.integers(0, 3, (40, 50, 3)), axis=1).astype(np.uint8)
    decoded = image ^ rng.integers(0, 4, image.shape).astype(np.uint8)
    np.save(here / "rgb.npy", image)
    np.save(here / "decoded.npy", decoded)
    arguments = (here / "rgb.npy", here / "decoded.npy", "--axes", "yxc", "--metrics", "haarpsi,vsi,mse")
    (row,) = measured(here, *arguments)
    expected = evaluate(image, decoded, axes="yxc", metrics=("haarpsi", "vsi", "mse"))
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert expected["mse"] == pytest.approx(expected["rmse"] ** 2)


@pytest.mark.parametrize("listed", ["lpips", "mae,", "", "mae vsi"])
def test_names_that_are_not_known(here, listed, capsys):
    assert main(["evaluate", "phantom", str(here / "plane.mmip"), "--metrics", listed]) == 2
    assert "expected a list of names of mse, mae, ms_ssim, haarpsi, vsi" in capsys.readouterr().err


def test_a_list_and_all(here, capsys):
    assert main(["evaluate", "phantom", str(here / "plane.mmip"), "--metrics", "mae", "--all-metrics"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_the_function_refuses_names_too():
    plane = np.zeros((8, 8))
    for names in (["lpips"], "mae", ["mae", None]):
        with pytest.raises(mmip_gpu.errors.InvalidArgument, match="metrics: expected a list of names of mse"):
            evaluate(plane, plane, metrics=names)
    assert evaluate(plane, plane, metrics=["vsi", "mae"])["vsi"] is None
    assert evaluate(plane[:0], plane[:0], metrics=["mae"]) == dict.fromkeys([*USUAL, "mae"])
