"""The command line: the seed's walk, stores, the demo, and every error as one line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.cli.parser import build_parser
from mmip_gpu.cli.values import region
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.plane_blocks import row_blocks
from mmip_gpu.quality.stage_errors import evaluate_stages
from mmip_gpu.sources import open_source

PHANTOM_SHA = "ff46b79b4f2840f8ae00f0d8ecc9965bed6a7ea40116da5fef360d70fae7ce6f"
BONE = "threshold:9000"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
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
)


def run(*arguments):
    """Run a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def load_json(path):
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return json.loads(Path(path).read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The seed's walk: phantom, ROI on and off at quality 10, the three stages."""
    folder = tmp_path_factory.mktemp("walk")
    image, on, off = (
        folder / "data/phantom_512.npy",
        folder / "results/q10.mmip",
        folder / "results/no_roi.mmip",
    )
    run("phantom", "-o", image)
    run("encode", image, "-o", on, "--quality", 10, "--roi", BONE)
    run("encode", image, "-o", off, "--quality", 10, "--no-roi")
    for stage in (1, 2, 3):
        run("decode", on, "-o", folder / f"results/s{stage}.npy", "--stages", stage)
    run("decode", off, "-o", folder / "results/no_roi_s3.npy", "--stages", 3)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small volume as .npy and as a store of several chunks."""
    folder = tmp_path_factory.mktemp("store")
    run("phantom", "--volume", "40x64x48", "-o", folder / "volume.npy")
    options = (
        "--quality",
        10,
        "--roi",
        BONE,
        "--chunks",
        "16,32,32",
        "--json",
        folder / "report.json",
        "--check",
    )
    run("compress", folder / "volume.npy", folder / "volume.zarr", *options)
    return folder


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


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "options"),
        [
            (["--lossless"], {"lossless": True, "stages": 3}),
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


class TestPieces:
    def test_evaluation_in_pieces_is_that_of_the_whole(self, monkeypatch):
        monkeypatch.setattr("mmip_gpu.quality.plane_blocks.BLOCK_BYTES", 7000)
        original = mmip_gpu.phantom3d((11, 24, 40))
        decoded = original ^ np.random.default_rng(0).integers(0, 99, original.shape).astype(np.uint16)
        for roi in (BONE, original > 3000, "otsu"):
            image = Decoded("x", None, [500], lambda _: decoded, chunk_rows=2)
            report = evaluate_stages(open_source(original), image, roi)
            expected = evaluate(original, decoded, roi)
            inside, (row,) = expected.pop("roi"), report["stages"]
            assert {key: row[key] for key in expected} == pytest.approx(expected)
            assert row["roi"] == pytest.approx(inside)

    def test_pieces_cover_the_array(self, monkeypatch):
        monkeypatch.setattr("mmip_gpu.quality.plane_blocks.BLOCK_BYTES", 100)
        covered = np.zeros((23, 5), int)
        for part in row_blocks(covered.shape, 2, step=4):
            covered[part] += 1
            assert part[0].start % 4 == 0
        assert (covered == 1).all()
        assert row_blocks((0, 5), 2) == []


class TestStore:
    def test_report_and_info(self, store, capsys):
        report = load_json(store / "report.json")
        run("info", store / "volume.zarr", "--json")
        found = json.loads(capsys.readouterr().out)
        assert found["shape"] == [40, 64, 48]
        assert found["stages"] == report["stages"]
        run("info", store / "volume.zarr")
        assert "target quality 10" in capsys.readouterr().out

    def test_extract(self, store):
        run("extract", store / "volume.zarr", "-o", store / "all.npy")
        assert np.array_equal(np.load(store / "all.npy"), mmip_gpu.open_zarr(store / "volume.zarr")[...])
        run(
            "extract",
            store / "volume.zarr",
            "-o",
            store / "part.npy",
            "--stages",
            2,
            "--region",
            "5:31,:,8:40",
        )
        whole = mmip_gpu.open_zarr(store / "volume.zarr", stages=2)[...]
        assert np.array_equal(np.load(store / "part.npy"), whole[5:31, :, 8:40])
        run("extract", store / "volume.zarr", "-o", store / "small.npy", "--stages", 1, "--scale", 8)
        assert np.load(store / "small.npy").shape == mmip_gpu.open_zarr(store / "volume.zarr", scale=8).shape

    def test_evaluate(self, store):
        run("evaluate", store / "volume.npy", store / "volume.zarr", "--roi", BONE, "--json", store / "e.json")
        rows = load_json(store / "e.json")["stages"]
        assert [row["stage"] for row in rows] == [1, 2, 3]
        assert rows[0]["bytes"] < rows[1]["bytes"] < rows[2]["bytes"]
        assert rows[0]["psnr_range"] < rows[1]["psnr_range"] < rows[2]["psnr_range"]
        expected = evaluate(np.load(store / "volume.npy"), mmip_gpu.open_zarr(store / "volume.zarr")[...], BONE)
        assert rows[2]["roi"] == pytest.approx(expected["roi"])

    def test_plot(self, store):
        pytest.importorskip("matplotlib")
        run(
            "plot",
            "progressive",
            store / "volume.npy",
            store / "volume.zarr",
            "-o",
            store / "f.png",
            "--roi",
            BONE,
        )
        assert (store / "f.png").read_bytes().startswith(PNG_MAGIC)

    def test_existing_store_is_kept(self, store, capsys):
        arguments = ["compress", str(store / "volume.npy"), str(store / "volume.zarr"), "--psnr", "50"]
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("mmip: StoreError: ")

    def test_unfinished_store(self, tmp_path, capsys):
        command = ["compress", "phantom3d:16x32x32", str(tmp_path / "a.zarr"), "--psnr", "50"]
        run(*command)
        marks = tmp_path / "a.zarr/zarr.json"
        document = json.loads(marks.read_text())
        document["attributes"]["mmip"] |= {"state": "writing", "report": None}
        marks.write_text(json.dumps(document))
        run("info", tmp_path / "a.zarr")
        assert "not complete" in capsys.readouterr().out
        assert main(["evaluate", "phantom3d:16x32x32", str(tmp_path / "a.zarr")]) == 2
        assert capsys.readouterr().err.startswith("mmip: StoreError: ")
        run(*command)
        run("evaluate", "phantom3d:16x32x32", tmp_path / "a.zarr")

    def test_check_finds_a_difference(self, store, monkeypatch, tmp_path, capsys):
        other = np.load(store / "volume.npy")
        other[20, 30, 20] ^= 1 << 12

        class Altered:
            def __init__(self, volume):
                self.shape, self.dtype, self.chunks, self.report = (
                    volume.shape,
                    volume.dtype,
                    volume.chunks,
                    volume.report,
                )

            def __getitem__(self, key):
                return other[key]

        opened = mmip_gpu.open_zarr
        monkeypatch.setattr(mmip_gpu, "open_zarr", lambda *a, **k: Altered(opened(*a, **k)), raising=False)
        code = main(["compress", str(store / "volume.npy"), str(tmp_path / "a.zarr"), "--lossless", "--check"])
        assert code == 1
        assert capsys.readouterr().err.startswith("mmip: VerificationError: ")

    def test_demo(self, tmp_path, capsys):
        pytest.importorskip("matplotlib")
        for _ in range(2):  # again over what is there
            run("demo", "phantom3d:16x64x64", "--out", tmp_path / "demo")
        lines = capsys.readouterr().out.splitlines()
        assert lines[-3:-1] == [
            f"store:    {tmp_path}/demo/volume.zarr",
            f"picture:  {tmp_path}/demo/progressive.png",
        ]
        assert (tmp_path / "demo/progressive.png").read_bytes().startswith(PNG_MAGIC)
        evaluation = load_json(tmp_path / "demo/evaluation.json")
        assert evaluation["roi"] == BONE
        assert len(evaluation["stages"]) == 3

    def test_demo_of_a_file(self, tmp_path):
        np.save(tmp_path / "a.npy", mmip_gpu.phantom2d(64))
        run("demo", tmp_path / "a.npy", "--out", tmp_path / "demo", "--qstep", "100")
        coarse = load_json(tmp_path / "demo/evaluation.json")
        run("demo", tmp_path / "a.npy", "--out", tmp_path / "demo")
        evaluation = load_json(tmp_path / "demo/evaluation.json")
        assert evaluation["stages"][-1]["psnr_range"] != coarse["stages"][-1]["psnr_range"]
        assert evaluation["roi"] is None
        assert 50 <= evaluation["stages"][-1]["psnr_range"] < 54  # flat parts jump from one palette to the next


class TestErrors:
    @pytest.fixture
    def here(self, walk, tmp_path, monkeypatch):
        """The current folder, with good and bad files."""
        monkeypatch.chdir(tmp_path)
        blob = (walk / "results/q10.mmip").read_bytes()
        Path("good.mmip").write_bytes(blob)
        Path("bad.mmip").write_bytes(blob[:30] + bytes([blob[30] ^ 1]) + blob[31:])
        Path("cut.mmip").write_bytes(blob[:-100])
        Path("notes.txt").write_text("no image")
        Path("bad.npy").write_text("no array")
        np.save("s.npy", np.zeros((8, 9), np.uint8))
        return tmp_path

    @pytest.mark.parametrize(
        ("arguments", "kind", "text"),
        [
            ("", "InvalidArgument", "COMMAND"),
            ("nothing", "InvalidArgument", "nothing"),
            ("encode missing.npy -o a.mmip --quality 10", "StoreError", "missing.npy does not exist"),
            ("encode phantom -o a.mmip", "InvalidArgument", "--quality --psnr --max-error --ratio --lossless"),
            ("encode phantom -o a.mmip --quality 10 --psnr 50", "InvalidArgument", "not allowed with"),
            ("encode phantom -o a.mmip --quality 0", "InvalidArgument", "quality"),
            ("encode phantom -o a.mmip --quality x", "InvalidArgument", "--quality"),
            ("encode phantom -o a.mmip --quality 10 --stages 9", "InvalidArgument", "stages=9"),
            ("encode phantom -o a.mmip --quality 10 --roi bone", "InvalidArgument", "threshold:VALUE"),
            ("encode phantom -o a.mmip --quality 10 --roi gone.npy", "StoreError", "gone.npy"),
            ("encode phantom -o a.mmip --quality 10 --roi s.npy", "InvalidArgument", "mask of shape"),
            ("encode phantom -o a.mmip --quality 10 --roi bad.npy", "StoreError", "bad.npy"),
            ("encode phantom -o a.mmip --quality 10 --roi-quality x", "InvalidArgument", "lossless"),
            ("encode phantom -o a.mmip --quality 10 --axes xyz", "InvalidArgument", "axes"),
            ("encode phantom -o a.npy --quality 10", "InvalidArgument", ".mmip"),
            ("encode phantom3d:axb -o a.mmip --quality 10", "InvalidArgument", "phantom3d:ZxYxX"),
            ("encode notes.txt -o a.mmip --quality 10", "InvalidArgument", ".txt"),
            ("decode good.mmip -o a.npy --stages 4", "InvalidArgument", "at most 3"),
            ("decode good.mmip -o a.npy --region 0:9", "InvalidArgument", "region"),
            ("decode good.mmip -o a.npy --region 0-9,4", "InvalidArgument", "start:stop"),
            ("decode good.mmip -o a.npy --scale 3", "InvalidArgument", "scale"),
            ("decode good.mmip -o a.png", "InvalidArgument", ".npy, .nii"),
            ("decode good.mmip -o s.npy", "StoreError", "--overwrite"),
            ("decode good.mmip -o a.nii --template s.npy", "InvalidArgument", "template"),
            ("decode good.mmip -o a.nii --template gone.nii", "StoreError", "gone.nii"),
            ("extract gone.zarr -o a.gif", "InvalidArgument", ".ome.tif"),
            ("decode bad.mmip -o a.npy", "CorruptData", ""),
            ("decode cut.mmip -o a.npy", "TruncatedData", ""),
            ("decode gone.mmip -o a.npy", "StoreError", "gone.mmip does not exist"),
            ("decode . -o a.npy", "InvalidArgument", "folder"),
            ("decode good.mmip -o notes.txt/a.npy", "StoreError", ""),
            ("info bad.mmip", "CorruptData", ""),
            ("evaluate s.npy notes.txt", "InvalidArgument", ".mmip"),
            ("evaluate s.npy good.mmip", "InvalidArgument", "one shape"),
            ("evaluate s.npy s.npy --axes zyx", "InvalidArgument", "axes"),
            ("evaluate phantom good.mmip --bytes 9", "InvalidArgument", "--bytes"),
            ("evaluate s.npy gone.npy", "StoreError", "gone.npy"),
            ("extract gone.zarr -o a.npy", "StoreError", "gone.zarr"),
            ("plot", "InvalidArgument", "FIGURE"),
            ("plot rate notes.txt -o a.png", "InvalidArgument", "mmip evaluate --json"),
            ("plot rate gone.json -o a.png", "StoreError", "gone.json"),
            ("plot progressive phantom good.mmip -o a.xyz", "InvalidArgument", "'xyz'"),
            ("phantom --size 0 -o a.npy", "InvalidArgument", "size"),
            ("phantom --volume 4x4 -o a.npy", "InvalidArgument", "ZxYxX"),
        ],
    )
    def test_one_line(self, arguments, kind, text, here, capsys):
        before = sorted(here.iterdir())
        assert main(arguments.split()) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"mmip: {kind}: ")
        assert captured.err.count("\n") == 1
        assert text in captured.err
        assert sorted(here.iterdir()) == before

    @pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (MemoryError(), 2), (OSError("full"), 2)])
    def test_what_may_happen_on_the_way(self, error, code, monkeypatch, tmp_path, capsys):
        def fail(*_, **__):
            raise error

        monkeypatch.setitem(vars(mmip_gpu), "write_zarr", fail)
        assert main(["compress", "phantom", str(tmp_path / "a.zarr"), "--quality", "10"]) == code
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert code != 130 or "resume" in message


class TestProcess:
    def call(self, *arguments, **options):
        environment = os.environ | {"PYTHONPATH": str(Path(mmip_gpu.__file__).parents[1])}
        command = [sys.executable, "-m", "mmip_gpu", *map(str, arguments)]
        return subprocess.Popen(command, env=environment, text=True, stdout=-1, stderr=-1, **options)

    def test_exit_code_and_streams(self, tmp_path):
        with self.call("phantom", "--size", 16, "-o", tmp_path / "a.npy") as process:
            out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        assert out.startswith(str(tmp_path))
        with self.call("decode", tmp_path / "a.npy", "-o", tmp_path / "b.npy") as process:
            out, err = process.communicate()
        assert (process.returncode, out) == (2, "")
        assert err.startswith("mmip: CorruptData: ")
        assert "Traceback" not in err

    def test_closed_pipe(self, walk):
        with self.call("info", "--json", walk / "results/q10.mmip") as process:
            process.stdout.close()
            assert (process.wait(), process.stderr.read()) == (0, "")

    def test_interrupt(self, tmp_path):
        def listen():  # a parent in the background may ignore the signal, which a child inherits
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        arguments = ("phantom", "--volume", "100000x512x512", "-o", tmp_path / "a.npy")
        with self.call(*arguments, preexec_fn=listen) as process:
            while not list(tmp_path.iterdir()):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert "run the same command again" in process.stderr.read()
        assert not list(tmp_path.iterdir())

    def test_help_imports_no_heavy_package(self):
        code = (
            "import sys\nfrom mmip_gpu.cli import main\n"
            "try: main(['--help'])\nexcept SystemExit: pass\n"
            "print([m for m in ('zarr', 'skimage', 'matplotlib', 'tqdm', 'pydicom') if m in sys.modules])"
        )
        environment = os.environ | {"PYTHONPATH": str(Path(mmip_gpu.__file__).parents[1])}
        found = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert found.stdout.endswith("[]\n")
