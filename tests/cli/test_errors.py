"""The command line: every error is one line, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmip_gpu
from mmip_gpu.cli import main


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
            ("encode phantom -o a.mmip --quality 10 --stages 9", "InvalidArgument", "--stages 9"),
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
