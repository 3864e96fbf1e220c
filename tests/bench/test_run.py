"""A run of the benchmark: every failure a record, nothing twice, and what was killed goes on to the same records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from helpers import bad_codecs
from helpers.bad_codecs import Crashes, Plain, text_of

from mmip_gpu.bench.datasets import ImageSet, select_images
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.records import RECORDS, read_records, steady
from mmip_gpu.bench.run import Run, run
from mmip_gpu.bench.synthetic import phantoms
from mmip_gpu.errors import InvalidArgument, StoreError

SMALL = np.random.default_rng(0).integers(0, 200, (24, 32)).astype(np.uint8)
RGB = np.random.default_rng(1).integers(0, 200, (24, 32, 3)).astype(np.uint8)
FEW = Run(codecs=["mmip effort 1", "JPEG-LS*"], targets=["psnr:30", "lossless"], seconds=0.0)
COMMAND = [
    sys.executable, "-m", "mmip_gpu", "bench", "run", "--images", "images", "--codecs",
    "mmip effort 1", "JPEG 2000*", "--targets", "bits:1,2", "psnr:35", "lossless", "--threads", "1", "--out",
]  # fmt: skip


def images(*arrays):
    named = [BenchImage(f"image{n}", array, "yxc" if array.ndim == 3 else "yx", 8) for n, array in enumerate(arrays)]
    return ImageSet([lambda: iter(named)])


def test_a_record_for_every_image_codec_and_setting(tmp_path):
    records = run(tmp_path, images(SMALL, RGB), FEW)
    assert records == read_records(tmp_path)
    assert [(r["image"]["name"], r["codec"]["name"], r["colour"], r["setting"]["target"]) for r in records] == [
        ("image0", "mmip effort 1", "gray", "psnr"),
        ("image0", "JPEG-LS (CharLS) lossless", "gray", "lossless"),
        ("image1", "mmip effort 1", "joint", "psnr"),
        ("image1", "JPEG-LS (CharLS) lossless", records[3]["colour"], "lossless"),
    ]
    assert {r["status"] for r in records} == {"ok"}
    assert all(r["bytes"] > 0 and r["metrics"]["psnr_range"] is not None for r in records)
    assert set(records[0]["machine"]) == {"cpu", "cores", "commit", "date", "python", "numpy", "imagecodecs"}


def test_a_second_run_adds_nothing_and_more_targets_add_theirs(tmp_path):
    run(tmp_path, images(SMALL), FEW)
    before = (tmp_path / RECORDS).read_bytes()
    run(tmp_path, images(SMALL), FEW)
    assert (tmp_path / RECORDS).read_bytes() == before
    more = Run(codecs=["mmip effort 1"], targets=["psnr:30,35"], seconds=0.0)
    assert len(run(tmp_path, images(SMALL), more)) == 3
    assert (tmp_path / RECORDS).read_bytes().startswith(before)


def test_other_data_is_refused_before_anything_is_measured(tmp_path):
    run(tmp_path, images(SMALL), FEW)
    before = (tmp_path / RECORDS).read_bytes()
    first, other = (next(iter(images(array))).checksum for array in (SMALL, SMALL + 1))
    with pytest.raises(StoreError, match=rf"checksum {first}, this run has image0 with checksum {other}"):
        run(tmp_path, images(SMALL + 1), FEW)
    assert (tmp_path / RECORDS).read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"codecs": ["no codec"]}, "no codec fits"),
        ({"targets": ["size:3"]}, "expected bits"),
        ({"tasks": ["cells"]}, "no task 'cells': expected nuclei, membranes, stars:FOLDER"),
        ({"tasks": ["stars"]}, "no task 'stars'"),
        ({"codecs": ["JPEG-LS*"], "targets": ["bits:1"]}, "no codec is for these targets"),
        ({"workers": 0}, "workers=0: expected"),
        ({"time_limit": 0.0}, "time_limit=0.0, threads=1, workers=1: expected seconds"),
    ],
)
def test_what_is_asked_wrongly(changed, said, tmp_path):
    with pytest.raises(InvalidArgument, match=said):
        run(tmp_path / "none", images(SMALL), Run(**changed))
    assert not (tmp_path / "none").exists()


def test_images_that_cannot_be_used_have_records(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "good.npy", SMALL)
    (folder / "torn.npy").write_bytes(b"\x93NUMPY")
    np.save(folder / "odd.npy", SMALL)
    np.save(folder / "odd.mask.npy", SMALL[:5])
    (tmp_path / "empty").mkdir()
    found = select_images([str(folder), str(tmp_path / "empty")])
    records = run(tmp_path / "out", found, FEW)
    failed = {r["image"]["name"]: r["reason"] for r in records if r["status"] == "failed"}
    assert set(failed) == {"torn", "odd", "empty"}
    assert "empty folder" in failed["empty"]
    assert "found (5, 32)" in failed["odd"]
    assert len(run(tmp_path / "out", found, FEW)) == len(records) == 5


def test_crashing_and_missing_codecs_have_records(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    bad_codecs.install(tmp_path)
    absent = 'numcodecs:{"codecs": [{"id": "no_such"}], "label": "absent", "lossless": true}'
    wanted = Run(codecs=[text_of(Crashes), absent, text_of(Plain)], targets=["lossless"], seconds=0.0)
    found = run(tmp_path / "out", images(SMALL), wanted)
    assert [(r["codec"]["name"], r["status"]) for r in found] == [
        ("bad_crashes", "failed"), ("absent", "unsupported"), ("bad_plain", "ok")
    ]  # fmt: skip
    assert "SIGSEGV" in found[0]["reason"]
    assert "no_such" in found[1]["reason"]


def test_pictures_of_one_image_of_a_kind(tmp_path):
    run(tmp_path, images(SMALL, SMALL + 1), FEW)
    assert (tmp_path / "pictures" / "image0.png").exists()
    assert not (tmp_path / "pictures" / "image1.png").exists()
    run(tmp_path / "none", images(SMALL), Run(**(vars(FEW) | {"pictures": False})))
    assert not (tmp_path / "none" / "pictures").exists()


def count(folder):
    path = folder / RECORDS
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def membranes(tmp_path):
    """A folder with an image of membranes and its ground truth."""
    (tmp_path / "images").mkdir()
    image = next(image for image in phantoms(64, 2) if image.task == "membranes")
    np.save(tmp_path / "images" / "section.npy", image.array)
    np.save(tmp_path / "images" / "section.labels.npy", image.labels.astype(np.uint8))


def started(folder):
    return subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder.parent)


def wait_for(folder, records, process):
    while count(folder) < records:
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
def test_a_run_that_is_killed_twice_goes_on_to_the_same_records(tmp_path, membranes):
    for records in (2, 4):
        with started(tmp_path / "killed") as process:
            wait_for(tmp_path / "killed", records, process)
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive
    with (tmp_path / "killed" / RECORDS).open("ab") as file:
        file.write(b'{"version": 1, "key": "torn')
    for name in ("killed", "whole"):
        with started(tmp_path / name) as process:
            assert process.wait() == 0, process.stderr.read()
    killed, whole = (list(map(steady, read_records(tmp_path / name))) for name in ("killed", "whole"))
    assert len(whole) == 7
    assert all(record["tasks"]["membranes"]["truth"] for record in whole)
    assert json.dumps(killed) == json.dumps(whole)


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(tmp_path, membranes):
    with started(tmp_path / "out") as process:
        wait_for(tmp_path / "out", 1, process)
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 130
        assert b"interrupted: run the same command again: finished records are kept" in process.stderr.read()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert read_records(tmp_path / "out")
