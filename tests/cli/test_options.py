"""The command line: options reach the library, help and version are complete."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.commands import load_json, run

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.cli.parser import build_parser
from mmip_gpu.cli.values import region

COMMANDS = (
    "phantom",
    "encode",
    "decode",
    "compress",
    "extract",
    "verify",
    "repair",
    "info",
    "evaluate",
    "plot",
    "bench",
    "demo",
    "doctor",
)


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "options"),
        [
            (["--lossless"], {"lossless": True}),
            (["--lossless", "--stages", "2", "--threads", "1"], {"lossless": True, "stages": 2}),
            (
                ["--psnr", "45", "--no-verify", "--cell-depth", "8"],
                {"psnr": 45, "verify": False, "cell_depth": 8},
            ),
            (["--quality", "5", "--padding", "3200"], {"quality": 5, "padding": 3200}),
            (["--quality", "5", "--padding", "none"], {"quality": 5, "padding": None}),
            (["--quality", "5", "--padding", "auto"], {"quality": 5}),
            (
                ["--quality", "5", "--roi", "otsu", "--roi-quality", "lossless"],
                {"quality": 5, "roi": "otsu", "roi_quality": "lossless"},
            ),
        ],
    )
    def test_encode_passes_them(self, arguments, options, tmp_path):
        out = tmp_path / "a.mmip"
        run("encode", "phantom3d:9x33x40", "-o", out, *arguments)
        assert out.read_bytes() == mmip_gpu.encode(mmip_gpu.phantom3d((9, 33, 40)), **options)

    def test_info_names_the_padding(self, tmp_path, capsys):
        image = np.full((40, 48), -2000, np.int16)
        image[8:32, 8:40] = np.arange(32)
        np.save(tmp_path / "ct.npy", image)
        run("encode", tmp_path / "ct.npy", "-o", tmp_path / "ct.mmip", "--psnr", "50", "--padding", "-2000")
        run("compress", tmp_path / "ct.npy", tmp_path / "ct.zarr", "--psnr", "50", "--padding", "-2000", "--check")
        for name in ("ct.mmip", "ct.zarr"):
            capsys.readouterr()
            run("info", tmp_path / name)
            assert "padding -2000" in capsys.readouterr().out

    def test_padding_that_is_no_number(self, capsys):
        assert main(["encode", "phantom", "-o", "a.mmip", "--quality", "5", "--padding", "edge"]) != 0
        assert "auto or none" in capsys.readouterr().err

    def test_lossless_colour(self, tmp_path):
        image = np.random.default_rng(0).integers(0, 9, (20, 30, 3)).astype(np.uint8)
        np.save(tmp_path / "rgb.npy", image)
        run("encode", tmp_path / "rgb.npy", "-o", tmp_path / "rgb.mmip", "--lossless", "--axes", "yxc")
        run("decode", tmp_path / "rgb.mmip", "-o", tmp_path / "back.npy")
        run(
            "evaluate",
            tmp_path / "rgb.npy",
            tmp_path / "rgb.mmip",
            "--json",
            tmp_path / "e.json",
            "--roi",
            "threshold:8",
        )
        assert np.array_equal(np.load(tmp_path / "back.npy"), image)
        last = load_json(tmp_path / "e.json")["stages"][-1]
        assert last["psnr_16bit"] is None
        assert (last["rmse"], last["roi"]["max_error"], last["ssim"]) == (0, 0, pytest.approx(1))

    def test_incompressible_image_has_one_stage(self, tmp_path, capsys):
        np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 1 << 16, (40, 40)).astype(np.uint16))
        run("encode", tmp_path / "noise.npy", "-o", tmp_path / "noise.mmip", "--lossless")
        run("info", tmp_path / "noise.mmip")
        run("evaluate", tmp_path / "noise.npy", tmp_path / "noise.mmip")
        assert "reached: lossless" in capsys.readouterr().out

    def test_volume_phantom(self, tmp_path):
        run("phantom", "--volume", "5x20x30", "-o", tmp_path / "v.npy")
        assert np.array_equal(np.load(tmp_path / "v.npy"), mmip_gpu.phantom3d((5, 20, 30)))

    def test_region_text(self):
        assert region("0:32,:5,7:") == (slice(0, 32), slice(None, 5), slice(7, None))

    def test_help_of_every_command(self, capsys):
        for arguments in ([], *([name] for name in COMMANDS), ["plot", "progressive"], ["plot", "rate"]):
            with pytest.raises(SystemExit, match="0"):
                main([*arguments, "--help"])
            text = capsys.readouterr().out
            assert "usage: mmip" in text
            assert arguments or all(f"\n    {name} " in text for name in COMMANDS)

    def test_version(self, capsys):
        with pytest.raises(SystemExit, match="0"):
            main(["--version"])
        assert capsys.readouterr().out == f"mmip {mmip_gpu.__version__}\n"

    def test_examples_of_the_help_parse(self, capsys):
        for name in COMMANDS:
            with pytest.raises(SystemExit):
                main([name, "--help"])
            example = capsys.readouterr().out.split("example:\n")[1].split()
            assert build_parser().parse_args(example[1:]).run
