"""The commands behind bench: run and report; what else stands there is a file, as before."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from helpers.commands import run

from mmip_gpu.bench.records import read_records
from mmip_gpu.cli import main
from mmip_gpu.cli.parser import build_parser

FEW = ["--codecs", "mmip effort 1", "PNG*", "--targets", "psnr:30", "lossless", "--threads", "1"]


@pytest.fixture
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("small.npy", np.random.default_rng(0).integers(0, 200, (32, 40)).astype(np.uint8))
    return "small.npy"


def test_run_and_report(image, tmp_path, capsys):
    run("bench", "run", "--images", image, *FEW, "--out", "results")
    assert "results: 2 records: 2 ok, 0 unsupported, 0 failed" in capsys.readouterr().out
    assert [record["image"]["name"] for record in read_records(tmp_path / "results")] == ["small", "small"]
    run("bench", "run", "--images", image, *FEW, "--out", "results", "--json")
    assert json.loads(capsys.readouterr().out) == {"folder": "results", "ok": 2}
    run("bench", "report", "results")
    paths = capsys.readouterr().out.split()
    assert paths == ["results/report.md", "results/report.html"]
    assert "PNG lossless" in (tmp_path / "results" / "report.html").read_text()


@pytest.mark.parametrize("word", ["run", "report", "stages", "seed"])
def test_a_file_of_that_name_is_given_by_its_folder(word, image, tmp_path, capsys):
    (tmp_path / image).rename(word)
    text = f"./{word}"
    assert build_parser().parse_args(["bench", text]).input == text
    assert build_parser().parse_args(["bench", text]).run == "bench_command:bench"
    assert build_parser().parse_args(["bench", "--device", "cpu", word]).input == word  # no first word
    assert main(["bench", word]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("bench run --images small.npy", "--out"),
        ("bench run --imags small.npy --out r", "unknown option --imags; did you mean --images?"),
        ("bench run --images smal.npy --out r", "no data set and no file 'smal.npy'"),
        ("bench run --images small.npy --codecs nothing --out r", "no codec fits 'nothing'"),
        ("bench run --images small.npy --targets bits --out r", "expected bits:0.5,1"),
        ("bench run --images small.npy --tasks cells --out r", "no task 'cells'"),
        ("bench run --images small.npy --time-limit 0 --out r", "--time-limit 0.0"),
        ("bench run --images small.npy --out no/r", "mkdir -p"),
        ("bench report no_results", "holds no records.jsonl"),
        ("bench --quick", "expected mmip bench --quick --out DIR"),
        ("bench small.npy --out r", "expected mmip bench --quick --out DIR"),
        ("bench small.npy --quick --out r", "without INPUT"),
    ],
)
def test_what_is_asked_wrongly(arguments, said, image, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert main(arguments.split()) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_other_data_in_the_folder(image, tmp_path, capsys):
    run("bench", "run", "--images", image, *FEW, "--out", "results", "--quiet")
    np.save(image, np.zeros((32, 40), np.uint8))
    assert main(["bench", "run", "--images", image, *FEW, "--out", "results"]) == 2
    assert "this run has small with checksum" in capsys.readouterr().err


def test_without_the_extra(image, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("mmip_gpu.bench")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert main(["bench", "run", "--images", image, "--out", "results"]) == 2
    assert "needs imagecodecs: pip install 'mmip-gpu[bench]'" in capsys.readouterr().err


def test_help_of_the_words(capsys):
    for word in ("run", "report", "stages", "seed"):
        with pytest.raises(SystemExit, match="0"):
            main(["bench", word, "--help"])
        assert f"usage: mmip bench {word}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["bench", "--help"])
    assert "mmip bench run ..: compare codecs" in capsys.readouterr().out
    run("completion", "bash")
    assert '"bench run"*) words="' in capsys.readouterr().out


@pytest.mark.slow
def test_a_quick_run_has_every_metric_and_task(image, tmp_path):
    run("bench", "run", "--quick", "--codecs", "mmip effort 1", "PNG*", "--out", "results", "--quiet")
    run("bench", "report", "results", "--quiet")
    records = read_records(tmp_path / "results")
    assert len(records) >= 30
    assert {record["status"] for record in records} == {"ok"}
    measured = {name for record in records for name, value in record["metrics"].items() if value is not None}
    assert measured >= {"mse", "rmse", "mae", "max_error", "psnr_range", "psnr_dtype", "ssim", "ms_ssim", "haarpsi"}
    assert {task for record in records for task in record["tasks"]} == {"nuclei", "membranes"}
    page = (tmp_path / "results" / "report.html").read_text()
    assert all(record["image"]["name"] in page for record in records)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 'src="http' not in page
