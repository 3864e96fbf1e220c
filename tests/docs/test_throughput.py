"""The report on throughput: made from rows, figures that show them, and a GPU only where one has run."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import measured
import pytest
import studies
from gpu.rows import COLUMNS
from helpers.drawn import is_colour, part, pixels
from helpers.places import REPOSITORY
from pages import roofline, speed_rows
from pages.figures import FIGURES, Figure
from pages.throughput import throughput_page

from mmip_gpu.quality.drawing import COLOURS

RESULTS = REPOSITORY / "benchmarks/results"
BY_NAME = {figure.name: figure for figure in FIGURES}
MOST_BYTES = 150_000


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the rows that may be changed."""
    shutil.copytree(RESULTS, tmp_path / "results", ignore=shutil.ignore_patterns("gpu_*"))
    monkeypatch.setattr(studies, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def change(path: Path, column: str, factor: float) -> None:
    """Multiply the whole column."""
    with path.open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert any(row[column] for row in rows)
    for row in rows:
        row[column] = f"{factor * float(row[column]):.6g}" if row[column] else ""
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)


# --- rows, page and figures

CHANGED = {
    "speed": ("encode_mb_s", {"rates"}),
    "scaling": ("decode_ns_voxel", {"cost"}),
    "store_rates": ("write_cpu_mb_s", {"cost", "chunks"}),
    "zarr_codecs": ("read_mb_s", set()),
    "volumes": ("encode_mb_s", set()),
    "dask_jobs": ("mb_s_worker", set()),
    "roofline": ("seconds", {"roofline"}),
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_rows_change_the_page_and_their_figures(name: str, results: Path) -> None:
    column, drawn = CHANGED[name]
    before, stamps = throughput_page(), {figure.name: figure.stamp for figure in FIGURES}
    change(results / f"{name}.csv", column, 3)
    assert throughput_page() != before
    assert {figure.name for figure in FIGURES if figure.stamp != stamps[figure.name]} == drawn
    assert {figure.name for figure in FIGURES if not figure.is_current()} == drawn


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_committed_figure_shows_its_rows(figure: Figure) -> None:
    assert figure.is_current(), "run: python benchmarks/measured.py"
    assert figure.path.stat().st_size < MOST_BYTES
    assert f"results/{figure.path.name})" in throughput_page()


def test_check_names_the_figure_that_differs(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(measured, "written", dict)
    monkeypatch.setattr(measured, "ROOT", results)
    path = BY_NAME["cost"].path
    path.unlink()
    assert measured.main(["--check"]) == 1
    assert capsys.readouterr().out == "throughput_cost.png differs from its rows\n"
    assert not path.exists()
    pytest.importorskip("matplotlib")
    assert measured.main([]) == 0
    assert capsys.readouterr().out == "throughput_cost.png written\n"
    assert measured.main(["--check"]) == 0


# --- a GPU

FACTS = {
    "device": "Synthetic GPU",
    "driver": "1.0",
    "cuda": "1.0",
    "cupy": "1.2.3",
    "commit": "abc",
    "date": "2000-01-01",
}
RATES = {"data": "volume", "dtype": "uint16", "batch": 1, "cpu_encode_gb_s": 1.5, "cpu_threads": 16}
KERNEL = {"data": "volume", "dtype": "uint16", "seconds": 0.001, "per_sample_ns": 0.01, "mb_moved": 400}


def add_gpu(folder: Path, device: str = "Synthetic GPU") -> None:
    """Rows as a run on a GPU leaves them; synthetic ones."""
    tables: dict[str, list[dict[str, Any]]] = {
        "rates": [
            RATES | {"mode": "lossless", "encode_gb_s": 61.234, "decode_gb_s": 72.345, "encode_host_gb_s": 13.579},
            RATES | {"mode": "lossless", "encode_gb_s": 50.0, "decode_gb_s": 60.0},
            RATES | {"mode": "lossy, middle rate", "decode_gb_s": 83.456},
        ],
        "kernels": [
            KERNEL | {"mode": "lossless", "kernel": "kernel_a", "gb_s": 400.0, "of_copy": 0.25, "operations_sample": 8},
            KERNEL | {"mode": "lossless", "kernel": "outside kernels"},
        ],
        "ceilings": [{"what": "copy on the device, read and written", "megabytes": 1, "gb_s": 1600.0}],
    }
    for name, rows in tables.items():
        with (folder / f"gpu_{name}.csv").open("w", newline="") as f:
            writer = csv.DictWriter(f, [*COLUMNS[name], *FACTS, "cpu"])
            writer.writeheader()
            writer.writerows(row | FACTS | {"cpu": "a CPU", "device": device} for row in rows)


def line_of(page: str, start: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_without_rows_of_a_gpu_the_page_says_so(results: Path) -> None:
    page = throughput_page()
    assert " ".join(page.split()).count(speed_rows.NO_GPU) == 1
    assert line_of(page, "encode, lossless, 3 stages")[3:] == ["not measured"] * 3
    assert line_of(page, "A GPU")[1:3] == ["not measured"] * 2
    assert "no GPU has run them" in page
    assert not [bar for bar in speed_rows.rate_bars() if "GPU" in bar["name"] and (bar["encode"] or bar["decode"])]
    assert roofline.gpu_points() == {}


def test_rows_of_a_gpu_fill_its_columns(results: Path) -> None:
    bars = [bar for bar in speed_rows.rate_bars() if "GPU" not in bar["name"]]
    add_gpu(results)
    page = throughput_page()
    assert speed_rows.NO_GPU not in " ".join(page.split())
    assert "Synthetic GPU beside a CPU" in " ".join(page.split())
    assert line_of(page, "encode, lossless, 3 stages")[3:] == ["61234", "13579", "1500"]
    assert line_of(page, "decode, effort 1")[3:] == ["83456", "not measured", "not measured"]
    assert line_of(page, "encode, effort 2")[3:] == ["not measured"] * 3
    assert line_of(page, "A GPU")[1:3] == ["61234", "72345 to 83456"]
    assert line_of(page, "kernel_a") == ["kernel_a", "lossless", "400", "25 %"]
    assert [bar for bar in speed_rows.rate_bars() if "GPU" not in bar["name"]] == bars
    (point,) = roofline.gpu_points()["points"]
    assert point == ["kernel_a", "lossless", pytest.approx(2.0), pytest.approx(800.0)]


def test_a_rehearsal_on_a_cpu_is_no_gpu(results: Path) -> None:
    before = throughput_page()
    add_gpu(results, "none: kernels run on the CPU")
    assert throughput_page() == before


def test_the_command_for_a_gpu_starts() -> None:
    environment, _, command = speed_rows.GPU_COMMAND.partition(" python ")
    name, _, value = environment.partition("=")
    there = {key: text for key, text in os.environ.items() if key != "PYTHONSAFEPATH"} | {name: value}
    done = subprocess.run(
        [sys.executable, *command.split(), "--help"], cwd=REPOSITORY, env=there, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- what bounds a kernel


def kernel_line(page: str, kernel: str) -> str:
    return " ".join(re.split(r"\n- |\n\n", page[page.index(f"- **{kernel}**") :])[0].split())


def test_a_kernel_near_a_roof_is_bound_by_it(results: Path) -> None:
    path = results / "roofline.csv"
    assert "Bound by waiting" in kernel_line(throughput_page(), "unpack later")
    with path.open(newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        if row["what"] in ("unpack later", "synthesize"):
            row["seconds"] = str(float(row["seconds"]) / 30)
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    page = throughput_page()
    assert kernel_line(page, "unpack later").endswith("Bound by memory.")
    assert kernel_line(page, "synthesize").endswith("Bound by memory and arithmetic.")


# --- pixels


def test_every_curve_of_cost_is_drawn_and_dearer_is_higher(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    curves = {name: {1: cost, 64: cost, 4096: cost} for name, cost in (("a", 100.0), ("b", 10.0), ("c", 3.0))}
    BY_NAME["cost"].draw(curves, tmp_path / "a.png")
    chart = part(pixels(tmp_path / "a.png"), (0, 0.8), (0.1, 1))
    rows = [is_colour(chart, colour).nonzero()[0] for colour in COLOURS[:3]]
    assert all(row.size > 500 for row in rows)
    assert rows[0].mean() < rows[1].mean() < rows[2].mean()


def test_the_roofline_has_its_roofs_and_kernels(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = {
        "volume": "x",
        "ceilings": {1: [20.0, 100.0], 2: [30.0, 200.0]},
        "points": [["analyze", "low", 1.0, 1.0, "at least"], ["synthesize", "high", 10.0, 50.0, "all"]],
        "bytes": [["analyze", "low", 1.0], ["synthesize", "high", 5.0]],
        "gpu": {},
    }
    BY_NAME["roofline"].draw(found, tmp_path / "a.png")
    drawn = pixels(tmp_path / "a.png")
    left = part(drawn, (0.05, 0.6), (0.06, 0.48))
    low, high = (is_colour(part(drawn, (0.05, 0.9), (0.06, 0.28)), COLOURS[0]), is_colour(left, COLOURS[1]))
    assert high.sum() > 1.3 * low.sum() > 0  # filled, and hollow
    assert low.nonzero()[0].mean() > high.nonzero()[0].mean()
    assert is_colour(left, "#595959").sum() > 500  # roofs
    right = part(drawn, (0.05, 0.9), (0.58, 1))
    assert is_colour(right, COLOURS[0]).any()
    assert is_colour(right, COLOURS[1]).any()


def test_a_gpu_has_a_panel_of_its_own(results: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    roof = BY_NAME["roofline"]
    roof.draw(roof.data(), tmp_path / "cpu.png")
    add_gpu(results)
    roof.draw(roof.data(), tmp_path / "gpu.png")
    without, having = (pixels(tmp_path / f"{name}.png") for name in ("cpu", "gpu"))
    assert having.shape[1] > 1.3 * without.shape[1]
    assert is_colour(part(having, (0.1, 0.85), (0.75, 1)), COLOURS[0]).any()
