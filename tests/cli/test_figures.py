"""The figures behind mmip plot: what is drawn is what the files hold, and what cannot be drawn is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers import bench_records as made
from helpers.commands import BONE, run
from helpers.drawn import is_colour, part, pixels

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.quality.drawing import COLOURS, ROI_COLOUR

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    image = mmip_gpu.phantom2d(128)
    np.save(folder / "image.npy", image)
    np.save(folder / "decoded.npy", image + 3)
    (folder / "roi.mmip").write_bytes(mmip_gpu.encode(image, quality=10, roi=BONE))
    (folder / "plain.mmip").write_bytes(mmip_gpu.encode(image, quality=10))
    volume = mmip_gpu.phantom3d((8, 64, 64))
    np.save(folder / "volume.npy", volume)
    mmip_gpu.write_zarr(volume, folder / "volume.zarr", quality=10, roi=BONE)
    made.write(folder / "run", made.results())
    return folder


def texts(path) -> str:
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text()))


def test_roi_is_compared_at_the_same_bytes(folder, tmp_path):
    figure = tmp_path / "roi.svg"
    run("plot", "roi", folder / "image.npy", folder / "roi.mmip", "--roi", BONE, "-o", figure)
    with_region, without = (int(size.replace(",", "")) for size in re.findall(r": ([\d,]+) bytes", texts(figure)))
    assert with_region == (folder / "roi.mmip").stat().st_size
    assert without == pytest.approx(with_region, rel=0.01)
    inside, plain = map(float, re.findall(r"region ([\d.]+) dB", texts(figure)))
    assert inside > plain + 5


def test_roi_of_a_store_and_of_a_given_file(folder, tmp_path):
    run("plot", "roi", folder / "volume.npy", folder / "volume.zarr", "--roi", BONE, "-o", tmp_path / "a.png")
    assert is_colour(pixels(tmp_path / "a.png"), ROI_COLOUR).sum() > 300
    files = [folder / name for name in ("image.npy", "roi.mmip", "plain.mmip")]
    run("plot", "roi", *files, "--roi", BONE, "-o", tmp_path / "b.svg")
    assert f"without: {(folder / 'plain.mmip').stat().st_size:,} bytes" in texts(tmp_path / "b.svg")


def test_errors_of_several_files(folder, tmp_path):
    names = ("roi.mmip", "plain.mmip", "decoded.npy")
    run("plot", "error", folder / "image.npy", *(folder / name for name in names), "-o", tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert all(name in shown for name in ("image.npy", *names))
    assert f"{(folder / 'roi.mmip').stat().st_size:,} bytes, " in shown
    assert "at most 3" in shown
    run("plot", "error", folder / "image.npy", folder / "decoded.npy", "-o", tmp_path / "b.png")
    drawn = part(pixels(tmp_path / "b.png"), (0.6, 0.8), (0.6, 0.9)) @ (1, 0, -1)
    assert drawn.min() > 50  # everywhere 3 above the original


def test_scores_of_a_run(folder, tmp_path):
    run("plot", "downstream", folder / "run", "-o", tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert all(
        words in shown
        for words in ("Dice of nuclei against the ground truth", "EM", "fluorescence", *list(made.CODECS)[:2])
    )
    run("plot", "downstream", folder / "run", "--against", "original", "--task", "nuclei", "-o", tmp_path / "b.png")
    drawn = pixels(tmp_path / "b.png")
    assert all(is_colour(drawn, colour).sum() > 100 for colour in COLOURS[:3])


def test_rates_of_a_run_and_of_bench(folder, tmp_path):
    run("plot", "throughput", folder / "run", "-o", tmp_path / "a.svg")
    assert all(words in texts(tmp_path / "a.svg") for words in ("0.41", "0.82", made.ANCHOR))
    rows = [{"coded with": "effort 1", "runs on": "CPU", "encode MB/s": 123.0, "decode MB/s": 456.0}]
    (tmp_path / "bench.json").write_text(json.dumps({"rows": rows}))
    run("plot", "throughput", tmp_path / "bench.json", folder / "run", "-o", tmp_path / "b.svg")
    assert all(words in texts(tmp_path / "b.svg") for words in ("effort 1, CPU", "123", "456", "0.41"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("roi", "image.npy", "roi.mmip", "--roi", "threshold:60000"), "expected a region with samples"),
        (("roi", "image.npy", "decoded.npy", "--roi", BONE), "which says how large it is"),
        (("roi", "volume.npy", "roi.mmip", "--roi", BONE), "the array has 3"),
        (("error", "image.npy", "volume.zarr"), "expected 2 letters"),
        (("error", "image.npy", "none.mmip"), "does not exist"),
        (("downstream", "."), "holds no records.jsonl"),
        (("downstream", "run", "--task", "membranes"), "--task of what was scored there (nuclei)"),
        (("downstream", "run", "--score", "pq"), "no record has the score PQ"),
        (("throughput", "none.json"), "does not exist"),
        (("throughput", "image.npy"), "what mmip bench --json writes"),
        (("throughput", "run/records.jsonl"), "what mmip bench --json writes"),
    ],
)
def test_refusals(arguments, words, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["plot", *arguments, "-o", str(tmp_path / "a.png")]) != 0
    assert words in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_bench_json_of_another_form(tmp_path, capsys):
    (tmp_path / "a.json").write_text('{"rows": [{"codec": "a"}]}')
    assert main(["plot", "throughput", str(tmp_path / "a.json"), "-o", str(tmp_path / "a.png")]) != 0
    assert "expected what mmip bench --json writes" in capsys.readouterr().err
