"""The study of regions of interest: rows are of containers that were decoded, and say what a region gains and costs."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from helpers.drawn import is_colour, pixels

import mmip_gpu
from mmip_gpu.bench.equal_bytes import coded_to_bytes
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.seed_study import image_with_region, seed_images, seed_report, seed_rows
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.drawing import ROI_COLOUR
from mmip_gpu.quality.metrics import psnr
from mmip_gpu.sources import open_source


@pytest.fixture(scope="module")
def image():
    array = mmip_gpu.phantom2d(96)
    return BenchImage("phantom", array, "yx", 16, masks={"bone": mmip_gpu.phantom_roi(array)})


@pytest.fixture(scope="module")
def rows(image):
    return list(seed_rows([image]))


def of(rows, table, **facts):
    return [row for row in rows if row["table"] == table and facts.items() <= row.items()]


def test_stages_are_those_of_the_container(rows, image):
    blob = mmip_gpu.encode(image.array, quality=10, roi="threshold:9000")
    found = of(rows, "stages", roi="threshold:9000")
    assert [row["bytes"] for row in found] == [part["bytes_to_here"] for part in mmip_gpu.inspect(blob)["stages"]]
    mask = image.masks["bone"]
    for row, stage in zip(found, (1, 2, 3), strict=True):
        decoded = mmip_gpu.decode(blob, stages=stage)
        assert row["psnr_16bit"] == pytest.approx(psnr(image.array, decoded, 65535))
        assert row["psnr_16bit_roi"] == pytest.approx(psnr(image.array[mask], decoded[mask], 65535))
        assert row["psnr_16bit_outside"] == pytest.approx(psnr(image.array[~mask], decoded[~mask], 65535))
        assert row["psnr_range"] == pytest.approx(psnr(image.array, decoded, image.peak))
        assert row["bits_per_sample"] == 8 * row["bytes"] / 96**2


def test_a_mask_is_what_its_rule_is(rows):
    named, ruled = (of(rows, "stages", roi=name) for name in ("mask bone", "threshold:9000"))
    assert [row | {"roi": ""} for row in named] == [row | {"roi": ""} for row in ruled]


def test_a_region_gains_inside_and_costs_bytes(rows):
    (on,), (off,) = of(rows, "stages", roi="mask bone", stage=3), of(rows, "stages", roi="off", stage=3)
    assert on["psnr_16bit_roi"] > off["psnr_16bit_roi"] + 6
    assert on["bytes"] > off["bytes"]
    equal_on, equal_off = of(rows, "equal bytes")
    assert equal_off["bytes"] == pytest.approx(equal_on["bytes"], rel=0.01)
    assert equal_off["psnr_16bit_outside"] > equal_on["psnr_16bit_outside"]
    assert equal_off["psnr_16bit_roi"] < equal_on["psnr_16bit_roi"]


def test_the_quality_of_the_region_rises_to_no_loss(rows):
    sweep = of(rows, "sweep")
    assert [row["roi_quality"] for row in sweep] == [2.5, 5, 10, 20, 40, 80, "lossless"]
    inside = [row["psnr_range_roi"] for row in sweep]
    assert inside == sorted(inside)
    assert inside[-1] == math.inf
    assert sweep[-1]["max_error_roi"] == 0
    assert sweep[0]["bytes"] < sweep[-1]["bytes"]


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "quality"),
    [((16, 40, 40), "zyx", np.uint16, 10), ((40, 40, 3), "yxc", np.uint8, 40), ((40, 48), "yx", np.int16, 40)],
)
def test_every_kind_of_image(shape, axes, dtype, quality):
    array = np.random.default_rng(0).normal(60, 9, shape).astype(dtype)
    if dtype == np.uint16:
        array = mmip_gpu.phantom3d(shape)
    mask = np.zeros([size for size, letter in zip(shape, axes, strict=True) if letter != "c"], bool)
    mask[..., 8:24, 8:24] = True
    rows = list(seed_rows([BenchImage("a", array, axes, 8, masks={"square": mask, "none": ~mask & mask})]))
    assert {row["mask"] for row in rows} == {"square"}
    assert {row["quality"] for row in of(rows, "stages")} == {quality}
    assert len(of(rows, "stages", roi="mask square")) == 3
    assert bool(of(rows, "stages", roi="threshold:9000")) == (dtype == np.uint16)


@pytest.mark.parametrize("size", [500, 2000, 9000])
def test_bytes_are_met(size):
    volume = mmip_gpu.phantom3d((8, 64, 64))
    blob = coded_to_bytes(volume, size, "zyx")
    assert len(blob) == pytest.approx(size, rel=0.02)
    assert mmip_gpu.decode(blob).shape == volume.shape


def test_images_of_the_study(tmp_path, monkeypatch):
    monkeypatch.delenv("MMIP_DATA", raising=False)
    names = [image.name for image in seed_images(beside=tmp_path)]
    assert names == ["phantom2d", "phantom3d"]
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.uint8))
    with pytest.raises(InvalidArgument, match="found no mask"):
        seed_images([str(tmp_path / "a.npy")])
    with pytest.raises(InvalidArgument, match="expected a region with samples"):
        image_with_region(open_source(str(tmp_path / "a.npy")), "threshold:9000", "yx")


def test_the_command_writes_rows_tables_and_figures(tmp_path, image, capsys):
    np.save(tmp_path / "slice.npy", image.array)
    np.save(tmp_path / "mask.npy", image.masks["bone"])
    out = tmp_path / "seed"
    arguments = ["bench", "seed", str(tmp_path / "slice.npy"), "--mask", str(tmp_path / "mask.npy"), "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    paths = json.loads(capsys.readouterr().out)["paths"]
    assert sorted(path.name for path in out.iterdir()) == sorted(path.rpartition("/")[2] for path in paths)
    with (out / "seed.csv").open(newline="") as f:
        found = list(csv.DictReader(f))
    assert {row["table"] for row in found} == {"stages", "equal bytes", "sweep"}
    assert {row["data"] for row in found} == {image.checksum}
    assert all(row["commit"] and row["cpu"] for row in found)
    assert is_colour(pixels(out / "roi_slice_mask.png"), ROI_COLOUR).sum() > 100
    page = (out / "seed.md").read_text()
    assert "![roi_slice_mask.png](roi_slice_mask.png)" in page
    assert "exact" in page
    assert seed_report(list(seed_rows([image]))).count("\n| phantom | bone |") == page.count("\n| slice | mask |")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mask", "mask.npy"], "--mask and --axes are of INPUT"),
        (["phantom", "--mask", "threshold:60000"], "found none"),
        (["none.npy"], "none.npy"),
    ],
)
def test_the_command_refuses(arguments, words, tmp_path, capsys):
    assert main(["bench", "seed", *arguments, "--out", str(tmp_path / "seed")]) != 0
    assert words in capsys.readouterr().err
    assert not (tmp_path / "seed").exists()
