"""The command line: stores and the demo."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.commands import BONE, PNG_MAGIC, load_json, run

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.quality.metrics import evaluate


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
