"""The command line: the seed's walk over one image, in numbers and pictures."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from helpers.commands import BONE, PNG_MAGIC, load_json, run

import mmip_gpu
from mmip_gpu.quality.metrics import evaluate

PHANTOM_SHA = "ff46b79b4f2840f8ae00f0d8ecc9965bed6a7ea40116da5fef360d70fae7ce6f"


class TestWalk:
    def test_phantom_is_the_seeds(self, walk):
        image = np.load(walk / "data/phantom_512.npy")
        assert image.dtype == np.uint16
        assert hashlib.sha256(image.tobytes()).hexdigest() == PHANTOM_SHA

    def test_stages_are_those_of_the_library(self, walk):
        blob = (walk / "results/q10.mmip").read_bytes()
        for stage in (1, 2, 3):
            decoded = np.load(walk / f"results/s{stage}.npy")
            assert np.array_equal(decoded, mmip_gpu.decode(blob, stages=stage))

    def test_beats_the_seed(self, walk):
        run(
            "evaluate",
            walk / "data/phantom_512.npy",
            walk / "results/q10.mmip",
            "--roi",
            BONE,
            "--json",
            walk / "on.json",
        )
        run(
            "evaluate",
            walk / "data/phantom_512.npy",
            walk / "results/no_roi.mmip",
            "--roi",
            BONE,
            "--json",
            walk / "off.json",
        )
        on, off = (load_json(walk / name)["stages"] for name in ("on.json", "off.json"))
        seed = zip((4481, 20379, 88707), (40.89, 47.94, 75.43), (33.39, 40.49, 86.13), strict=True)
        for row, (size, psnr, roi_psnr) in zip(on, seed, strict=True):
            assert row["bytes"] < size
            assert row["psnr_16bit"] > psnr
            assert row["roi"]["psnr_16bit"] > roi_psnr
        assert off[-1]["bytes"] < 77844
        assert off[-1]["psnr_16bit"] > 75.05
        assert on[-1]["roi"]["psnr_16bit"] > off[-1]["roi"]["psnr_16bit"] + 6

    def test_evaluation_of_npy_and_container_agree(self, walk, capsys):
        image, size = walk / "data/phantom_512.npy", (walk / "results/q10.mmip").stat().st_size
        run(
            "evaluate",
            image,
            walk / "results/s3.npy",
            "--roi",
            BONE,
            "--bytes",
            size,
            "--json",
            walk / "s3.json",
        )
        assert "inside the ROI threshold:9000: 6.77 %" in capsys.readouterr().out
        run("evaluate", image, walk / "results/q10.mmip", "--roi", BONE, "--json", walk / "all.json")
        row = load_json(walk / "s3.json")["stages"][0]
        assert row | {"stage": 3} == load_json(walk / "all.json")["stages"][2]
        expected = evaluate(np.load(image), np.load(walk / "results/s3.npy"), BONE)
        roi = expected.pop("roi")
        assert {key: row[key] for key in expected} == pytest.approx(expected)
        assert row["roi"] == pytest.approx(roi)
        assert row["ratio"] == pytest.approx(2 * 512 * 512 / size)

    def test_without_scikit_image(self, walk, monkeypatch, capsys):
        monkeypatch.setattr("mmip_gpu.cli.evaluation.find_spec", lambda _: None)
        run("evaluate", walk / "data/phantom_512.npy", walk / "results/s3.npy", "--json", walk / "plain.json")
        assert "no SSIM" in capsys.readouterr().err
        row = load_json(walk / "plain.json")["stages"][0]
        assert row["ssim"] is None
        assert row["psnr_16bit"] > 75.43

    def test_mask_file_is_the_rule(self, walk):
        image = np.load(walk / "data/phantom_512.npy")
        np.save(walk / "mask.npy", image >= 9000)
        run(
            "encode",
            walk / "data/phantom_512.npy",
            "-o",
            walk / "m.mmip",
            "--quality",
            10,
            "--roi",
            walk / "mask.npy",
        )
        assert (walk / "m.mmip").read_bytes() == (walk / "results/q10.mmip").read_bytes()

    def test_plot(self, walk):
        figure = walk / "figures/progressive.png"
        pytest.importorskip("matplotlib")
        run(
            "plot",
            "progressive",
            walk / "data/phantom_512.npy",
            walk / "results/q10.mmip",
            "-o",
            figure,
            "--roi",
            BONE,
        )
        assert figure.read_bytes().startswith(PNG_MAGIC)

    def test_rate(self, walk):
        pytest.importorskip("matplotlib")
        for name in ("q10", "no_roi"):
            decoded, results = walk / f"results/{name}.mmip", walk / f"{name}.json"
            run("evaluate", walk / "data/phantom_512.npy", decoded, "--roi", BONE, "--json", results)
        run("plot", "rate", walk / "q10.json", walk / "no_roi.json", "-o", walk / "rate.png")
        assert (walk / "rate.png").read_bytes().startswith(PNG_MAGIC)

    def test_info(self, walk, capsys):
        run("info", walk / "results/q10.mmip")
        assert "target quality 10" in capsys.readouterr().out
        run("info", walk / "results/q10.mmip", "--json")
        report = json.loads(capsys.readouterr().out)
        assert report["shape"] == [512, 512]
        assert report["stages"][-1]["bytes_to_here"] == (walk / "results/q10.mmip").stat().st_size

    def test_region_and_scale(self, walk):
        blob = (walk / "results/q10.mmip").read_bytes()
        run(
            "decode",
            walk / "results/q10.mmip",
            "-o",
            walk / "part.npy",
            "--region",
            "8:72,:100",
            "--scale",
            2,
        )
        assert np.array_equal(np.load(walk / "part.npy"), mmip_gpu.decode(blob, scale=2)[8:72, :100])
