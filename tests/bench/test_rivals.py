"""The comparison with rivals: codecs, rows that are kept, tables, memory, pictures."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import near_lossless
import numpy as np
import pytest
import rivals
import studies
import viewers

import mmip_gpu as mmip
from mmip_gpu.bench import adapters, measure, ours, pictures
from mmip_gpu.bench import rivals as codecs
from mmip_gpu.bench.bounded import bounded_codecs
from mmip_gpu.bench.report import study_figure as curves
from mmip_gpu.bench.report import study_tables as report

# --- codecs and rows


@pytest.fixture
def small() -> pictures.Picture:
    return pictures.Picture("small", mmip.phantom3d((8, 32, 48)).astype(np.int16) - 500, (50.0, 60.0), False)


def all_codecs() -> list[adapters.Codec]:
    return [*ours.ours(), *codecs.rivals()]


@pytest.mark.parametrize("codec", all_codecs(), ids=lambda c: c.name)
def test_every_codec_is_brought_to_its_targets(codec: adapters.Codec, small: pictures.Picture) -> None:
    for row, target in zip(rivals.measured_rows(codec, small), small.targets, strict=True):
        assert row["target_db"] == target
        assert row["below_db"] < target <= row["above_db"]
        assert 0 < row["bits_per_sample"] <= max(row["below_bits"], row["above_bits"])
        assert row["encode_mb_s"] > 0
        assert row["decode_mb_s"] > 0


@pytest.mark.parametrize("codec", [*ours.ours_lossless(), *codecs.lossless_rivals()], ids=lambda c: c.name)
def test_lossless_codecs_are_exact(codec: adapters.Codec, small: pictures.Picture) -> None:
    trial = measure.round_trip(codec, adapters.Source(small.array), 0)
    assert math.isinf(trial.point.psnr_db)
    assert trial.point.bits == pytest.approx(8 * sum(map(len, trial.streams)) / small.array.size)


@pytest.mark.parametrize(("name", "way"), [("mmip effort 1", "joint"), ("JPEG 2000", "joint"), ("SPERR", "separate")])
def test_colour_images_are_coded_as_a_codec_can(name: str, way: str) -> None:
    channels = [mmip.phantom2d(48) // 2, mmip.phantom2d(48).T // 3, mmip.phantom2d(48) // 4]
    picture = pictures.Picture("colour", np.stack(channels, -1), (50.0,), True, "yxc")
    codec = next(codec for codec in all_codecs() if codec.name.startswith(name))
    [row] = rivals.measured_rows(codec, picture)
    assert (row["group"], row["colour"], row["shape"]) == ("colour", way, "48x48x3")
    assert row["below_db"] < 50 <= row["above_db"]


def test_colour_images_are_apart(tmp_path: Any) -> None:
    (tmp_path / "split.json").write_text('{"test": ["nema_mr1", "nema_rg3"], "test_colour": ["fundus_drive"]}')
    np.save(tmp_path / "nema_mr1.npy", np.ones((8, 9), np.uint16))
    np.save(tmp_path / "fundus_drive.npy", np.ones((4, 8, 9, 3), np.uint8))
    grey = pictures.pictures(tmp_path / "split.json", tmp_path)
    assert [picture.name for picture in grey] == ["nema_mr1", "phantom2d", "phantom3d"]
    found = pictures.pictures(tmp_path / "split.json", tmp_path, colour=True)
    assert [(p.name, p.group, p.array.shape) for p in found[:2]] == [
        ("nema_mr1", "2D", (8, 9)),
        ("fundus_drive", "colour", (8, 9, 3)),
    ]
    assert [p.name for p in pictures.pictures(tmp_path / "split.json", None, colour=True)] == ["phantom2d", "phantom3d"]


def test_every_effort_is_a_codec_of_its_own() -> None:
    names = ["mmip effort 1", "mmip effort 2", "mmip effort 3", "mmip effort 3, two stages"]
    assert [codec.name for codec in ours.ours()] == names
    exact = [codec.name for codec in ours.ours_lossless() if codec.name != "mmip small"]
    assert exact == [*(f"mmip fast effort {effort}" for effort in (1, 2, 3)), "mmip 3 stages"]


def test_the_figure_is_small(tmp_path: Any) -> None:
    rows = [row | {"image": f"image {i}"} for i in range(16) for row in ROWS]
    rows += [row | {"codec": codec.name} for codec in all_codecs() for row in ROWS[:2]]
    curves.draw(rows, tmp_path / "curves.png")
    data = (tmp_path / "curves.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 300_000


def test_psnr_of_a_trial_is_that_of_the_decoded_array(small: pictures.Picture) -> None:
    codec = ours.ours()[0]
    source = adapters.Source(small.array)
    trial = measure.round_trip(codec, source, 50)
    decoded = mmip.decode(trial.streams[0]).astype(float)
    mse = np.mean((small.array - decoded) ** 2)
    assert trial.point.psnr_db == pytest.approx(10 * math.log10(float(np.ptp(small.array)) ** 2 / mse))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_sources_return_to_their_dtype(dtype: str) -> None:
    info = np.iinfo(dtype)
    source = adapters.Source(np.linspace(info.min, info.max, 60).astype(dtype).reshape(3, 4, 5))
    planes = np.stack(source.planes())
    assert planes.min() == 0
    np.testing.assert_array_equal(source.samples(planes, True), source.array, strict=True)
    np.testing.assert_array_equal(source.samples(source.floats()[0], False), source.array, strict=True)
    narrow = np.stack(source.three_channels(12))[..., 1]
    assert narrow.max() < 4096
    restored = source.samples(narrow, True, source.narrowing(12)).astype(int)
    assert np.abs(restored - source.array).max() <= 0.5 / source.narrowing(12) + 0.5


def test_rows_are_kept_by_checksum_and_version(
    small: pictures.Picture, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "RESULTS", tmp_path)
    codec = codecs.rivals()[0]
    rows = rivals.measured_rows(codec, small)
    studies.write_rows("rivals", [{"commit": "before"} | row for row in rows])
    kept = studies.kept_rows("rivals", rivals.row_key)
    again = rivals.rows_of(codec, small, kept)
    assert [row["commit"] for row in again] == ["before"] * 2
    assert [row["bits_per_sample"] for row in again] == pytest.approx(
        [row["bits_per_sample"] for row in rows], rel=1e-4
    )
    other = pictures.Picture("small", small.array + 1, small.targets, False)
    assert "commit" not in rivals.rows_of(codec, other, kept)[0]


# --- tables


def result(image: str, group: str, codec: str, target: float, bits: float | None) -> dict[str, Any]:
    shape = "8x8" if group == "2D" else "8x8x8"
    speed = {"encode_mb_s": 100.0, "decode_mb_s": 400.0} if bits else {"note": "outside"}
    found = {"image": image, "group": group, "shape": shape, "codec": codec, "target_db": target}
    return found | {"bits_per_sample": bits} | speed


ROWS = [
    result("a", "2D", report.ANCHOR, 40, 1.0),
    result("a", "2D", report.ANCHOR, 50, 1.0),
    result("a", "2D", "mmip", 40, 0.5),
    result("a", "2D", "mmip", 50, 0.5),
    result("b", "volumes", report.ANCHOR, 40, 2.0),
    result("b", "volumes", report.ANCHOR, 50, 2.0),
    result("b", "volumes", "mmip", 40, 1.0),
    result("b", "volumes", "mmip", 50, 4.0),
    result("b", "volumes", report.NEAREST, 40, 2.0),
    result("b", "volumes", report.NEAREST, 50, None),
]


def test_groups_weigh_images_alike() -> None:
    groups = report.images_of(ROWS)
    ratios = report.image_ratios(ROWS, "mmip", report.ANCHOR)
    assert ratios["a"] == (pytest.approx(0.5), True)
    assert ratios["b"] == (pytest.approx(1.0), True)
    assert report.group_ratio(ratios, groups, ("2D", "volumes")) == (pytest.approx(math.sqrt(0.5)), True)
    assert report.group_ratio(ratios, groups, ("phantoms",)) is None


def test_missing_rates_are_marked() -> None:
    ratios = report.image_ratios(ROWS, report.NEAREST, report.ANCHOR)
    assert ratios == {"b": (pytest.approx(1.0), False)}
    groups = report.images_of(ROWS)
    assert report.group_ratio(ratios, groups, ("2D", "volumes")) == (pytest.approx(1.0), False)
    text = report.rivals_report(ROWS)
    assert "| mmip | -50.0 | +0.0 | -29.3 | -50.0 | +0.0 |" in text
    assert f"- b at 50 dB, {report.NEAREST}: outside" in text


@pytest.mark.parametrize("codec", bounded_codecs(), ids=lambda c: c.name)
@pytest.mark.parametrize("bound", [1, 7])
def test_bounds_of_the_largest_error_hold(codec: adapters.Codec, bound: int, small: pictures.Picture) -> None:
    row = near_lossless.measured_row(codec, small, bound)
    assert (bound == 7) <= row["largest_error"] <= bound
    assert row["bits_per_sample"] > 0


def test_a_broken_bound_is_named() -> None:
    rows = [
        result("a", "2D", codec, 0, bits) | {"bound": 2, "note": note}
        for codec, bits, note in (("x", None, "breaks the bound: 3"), ("y", 2.0, ""), (report.NEAR_ANCHOR, 4.0, ""))
    ]
    text = report.near_lossless_report(rows)
    assert "- a, bound 2, x: breaks the bound: 3" in text
    assert "| y | -50.0 | -50.0 | -50.0 |" in text


# --- cuts and memory


def test_the_middle_of_a_volume() -> None:
    volume = np.arange(70)[:, None, None] * np.ones((1, 2, 2), np.int64)
    assert pictures.middle(volume)[[0, -1], 0, 0].tolist() == [19, 50]
    assert len(pictures.middle(volume[:14])) == 14


def test_the_peak_holds_what_is_freed_again() -> None:
    # A process of its own: what other tests leave behind is freed at any time.
    program = """
import time
import numpy as np
import scaling

def work():
    array = np.ones(2**26, np.uint8)
    time.sleep(0.2)  # on a loaded machine the watcher comes late
    return int(array.sum())

before = scaling.own_memory()
found, peak = scaling.peak_of(work)
print(found, before, peak, scaling.own_memory())
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    found, before, peak, after = map(int, done.stdout.split())
    assert found == 2**26
    if before:  # Linux only
        assert peak - before >= 0.8 * found
        assert after - before < 0.2 * found


# --- viewers


def test_a_drawing_is_known_by_what_is_not_dark() -> None:
    plane = mmip.phantom3d((9, 100, 120))[4]
    grey = np.zeros((300, 400), np.uint8)
    grey[50:250, 100:340] = (plane.astype(float) * 255 / plane.max()).repeat(2, 0).repeat(2, 1)
    drawn = np.stack([grey] * 3 + [np.full_like(grey, 255)], -1)
    assert viewers.correlation(drawn, plane) > viewers.LEAST_CORRELATION
    for wrong in (drawn[:, ::-1], drawn[::-1], np.zeros_like(drawn), np.full_like(drawn, 200)):
        assert viewers.correlation(wrong, plane) < viewers.LEAST_CORRELATION


def test_a_client_that_is_missing_has_passed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("level 0 differs")

    monkeypatch.setitem(viewers.CLIENTS, "none", (lambda *_: viewers.imported("no_such_package"), ("served",)))
    monkeypatch.setitem(viewers.CLIENTS, "wrong", (refused, ("served",)))
    results = [viewers.row_of(client, None, "served")["result"] for client in ("none", "wrong")]  # type: ignore[arg-type]
    assert results == ["not here: no package no_such_package", "failed: AssertionError: level 0 differs"]
