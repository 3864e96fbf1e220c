"""Stacks against video codecs: what is measured at each point, and what a change is measured against."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import before
import numpy as np
import points
import pytest
import region_bytes
import rivals
import studies
from helpers.places import REPOSITORY
from helpers.rival_images import volume
from pages import video

import mmip_gpu as mmip
from mmip_gpu.bench import ffmpeg, pictures
from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.measure import Row, round_trip
from mmip_gpu.bench.video_rivals import stack_rivals

STACK = volume(12, shape=(5, 33, 71))
NEEDS_FFMPEG = pytest.mark.skipif(not ffmpeg.version()[1], reason="no ffmpeg: pip install imageio-ffmpeg")


def video_codec(name: str) -> Codec:
    return next(codec for codec in stack_rivals(5) if codec.name == name)


# --- video codecs


def test_a_single_slice_is_coded_alone() -> None:
    assert [codec.name for codec in stack_rivals(1)] == [codec.name for codec in stack_rivals(9)][2:]
    assert [codec.name for codec in stack_rivals(9)] == list(video.VIDEO)


@NEEDS_FFMPEG
@pytest.mark.parametrize("name", video.VIDEO)
def test_round_trips_of_stacks(name: str) -> None:
    codec, source = video_codec(name), Source(STACK)
    dial = codec.dial(source, 45.0)
    trial = round_trip(codec, source, dial.nearest(dial.start))
    error = float(np.mean((STACK - trial.decoded.astype(float)) ** 2))
    assert trial.point.psnr_db == pytest.approx(10 * math.log10(source.range**2 / error))
    assert 38 < trial.point.psnr_db < 60


@NEEDS_FFMPEG
def test_equal_slices_cost_nothing_along_z_but_all_again_alone() -> None:
    source = Source(np.repeat(STACK[:1], 5, axis=0))
    bits = {name: round_trip(video_codec(name), source, 30).point.bits for name in list(video.VIDEO)[:3]}
    alone = round_trip(video_codec(video.INTRA), Source(STACK[0]), 30).point.bits
    assert bits[video.INTRA] == pytest.approx(alone, rel=0.1)
    assert max(bits[video.ALONG], bits[video.STILL]) < bits[video.INTRA] / 3


@NEEDS_FFMPEG
def test_a_stack_that_moves_is_found_by_motion_alone() -> None:
    wide = np.pad(mmip.phantom2d(128), ((0, 0), (0, 64)), mode="wrap") + volume(8)[0, 0, 0]
    noise = np.random.default_rng(3).normal(0, 2000, wide.shape)
    wide = (wide + noise).clip(0, 65535).astype(np.uint16)
    source = Source(np.stack([wide[:, 7 * z : 7 * z + 128] for z in range(6)]))
    moved, still = (round_trip(video_codec(name), source, 30).point for name in (video.ALONG, video.STILL))
    assert moved.bits < 0.8 * still.bits


def test_small_frames_get_a_row_with_the_reason() -> None:
    array = STACK[:, :31]
    for codec in stack_rivals(5):
        if codec.missing:
            continue
        rows = rivals.measured_rows(codec, pictures.Picture("small", array, (40.0, 50.0), True))
        assert [row["note"] for row in rows] == ["takes frames of at least 32 samples a side, found 31 x 71"] * 2
        assert codec.refusal(Source(STACK[:, :32])) is None


def test_arrays_on_which_vvenc_takes_minutes_get_a_row_with_the_reason() -> None:
    codec = video_codec("VVC (VVenC fast)")
    reason = codec.refuses(Source(np.zeros((2, 1024, 1024), np.uint8)))
    assert reason == "not measured above 1048576 samples, found 2097152"


@pytest.mark.parametrize(
    ("name", "bits", "words"),
    [
        (video.INTRA, 8, "gray, short sides continued to 64"),
        (video.ALONG, 12, "gray12le, short sides continued to 64"),
        (video.ALONG, 16, "gray12le, 16 bits scaled to 12, short sides continued to 64"),
        ("AV1 (SVT-AV1 6)", 12, "yuv420p10le, constant chroma, 12 bits scaled to 10"),
        ("AV1 (SVT-AV1 6)", 8, "yuv420p, constant chroma"),
        ("VVC (VVenC fast)", 8, "yuv420p10le, constant chroma"),
    ],
)
def test_a_row_says_what_samples_become(name: str, bits: int, words: str) -> None:
    assert video_codec(name).coded_as(Source(volume(bits))) == words


@NEEDS_FFMPEG
def test_a_stream_with_fewer_frames_is_an_error() -> None:
    codec, source = video_codec(video.INTRA), Source(STACK)
    [frames], [fewer] = codec.pieces(source), codec.pieces(Source(STACK[:4]))
    stream = codec.encode(fewer, 30, source)
    with pytest.raises(RuntimeError, match=r"libx265: expected \d+ bytes of frames, found \d+"):
        codec.decode(stream, frames)


def test_a_codec_that_is_not_installed_keeps_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "version", lambda: ("none", frozenset()))
    picture = pictures.Picture("small", STACK, (40.0,), True)
    codec = video_codec(video.INTRA)
    old = picture.facts | {"codec": codec.name, "version": "ffmpeg 7", "target_db": 40.0, "bits_per_sample": 1.0}
    other = old | {"codec": "AV1 (SVT-AV1 6)"}
    assert rivals.rows_of(codec, picture, {rivals.row_key(row): row for row in (old, other)}) == [old]
    assert codec.missing == "needs ffmpeg: pip install imageio-ffmpeg"


def test_only_what_has_no_row_is_measured() -> None:
    codec = next(codec for codec in codecs() if codec.name == "mmip effort 1")
    picture = pictures.Picture("small", STACK, (40.0, 50.0), True)
    [old] = rivals.measured_rows(codec, picture, [50.0])
    kept = {rivals.row_key(old): old | {"commit": "before"}}
    rows = rivals.rows_of(codec, picture, kept)
    assert [(row["target_db"], row.get("commit")) for row in rows] == [(40.0, None), (50.0, "before")]


# --- images


def test_projections_are_sinograms_and_the_head_ct_has_a_copy(tmp_path: Any) -> None:
    names = ["ct_ge_head_4mm", "xray_tooth_projections"]
    (tmp_path / "split.json").write_text(json.dumps({"test": names, "test_colour": []}))
    head = np.full((3, 8, 8), -1500, np.int16)
    head[:, 2:5] = 40
    tooth = np.arange(181 * 2 * 5, dtype=np.uint16).reshape(181, 2, 5)
    for name, array in zip(names, (head, tooth), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    ct, copy, sinograms = pictures.pictures(tmp_path / "split.json", tmp_path)[:3]
    assert [ct.group, copy.group, sinograms.group] == ["volumes", pictures.COPY, "volumes"]
    np.testing.assert_array_equal(copy.array, np.where(head == -1500, -1024, head))
    np.testing.assert_array_equal(sinograms.array[1], tooth[:, 1])


def test_an_image_is_of_one_half_of_the_split() -> None:
    split = json.loads((REPOSITORY / "benchmarks/split.json").read_text())
    assert set(split["test"]).isdisjoint(split["train"])
    assert set(split["test_since"]) <= set(split["test"])
    assert set(split["test"]) | set(split["test_colour"]) <= set(pictures.TARGETS)


# --- means


def row(image: str, group: str, codec: str, target: float, bits: float) -> Row:
    return {"image": image, "group": group, "codec": codec, "target_db": target, "bits_per_sample": bits}


def test_means_take_the_better_of_x265_and_halve_the_head_ct() -> None:
    rows = [
        row("ct_ge_head_4mm", "volumes", video.OURS, 50, 1.0),
        row("ct_ge_head_4mm", "volumes", video.ALONG, 50, 0.5),
        row("ct_ge_head_4mm", "volumes", video.INTRA, 50, 0.8),
        row("ct_ge_head_4mm", "volumes", video.STILL, 50, 0.1),
        row("ct_ge_head_4mm", "volumes", video.OURS, 40, 0.04),
        row("ct_ge_head_4mm", "volumes", video.ALONG, 40, 0.001),
        row("ct_ge_head_4mm, air", pictures.COPY, video.OURS, 50, 1.0),
        row("ct_ge_head_4mm, air", pictures.COPY, video.INTRA, 50, 0.5),
        row("cine", "volumes", video.OURS, 50, 1.0),
        row("cine", "volumes", video.ALONG, 50, 2.0),
        row("none", "volumes", video.OURS, 50, 1.0),
    ]
    found = {image: video.over_x265(rows, image) for image in ("ct_ge_head_4mm", "ct_ge_head_4mm, air", "cine", "none")}
    assert found == pytest.approx({"ct_ge_head_4mm": 2, "ct_ge_head_4mm, air": 2, "cine": 0.5, "none": None})
    assert video.mean_over_images({k: v for k, v in found.items() if v}) == pytest.approx(1)


# --- against a build before


def test_rows_keep_what_was_before(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "RESULTS", tmp_path)
    first = [
        {"image": name, "data": name, "target_db": 50.0, "bytes": size} for name, size in (("a", 200.0), ("b", 7.0))
    ]
    before.written("points", first, ("data", "target_db"), ("bytes",), renew=False)
    [found] = before.written("points", [first[0] | {"bytes": 150.0}], ("data", "target_db"), ("bytes",), renew=False)
    assert (found["bytes"], found["bytes_before"], before.percent_more(found, "bytes")) == (150, 200, -25)
    assert [(r["data"], float(r["bytes"])) for r in studies.read_rows("points")] == [("a", 150), ("b", 7)]
    [found] = before.written("points", [first[0] | {"bytes": 150.0}], ("data", "target_db"), ("bytes",), renew=True)
    assert found["bytes_before"] == 150
    before.written("points", [first[0] | {"data": "another"}], ("data", "target_db"), ("bytes",), renew=False)
    assert [r["data"] for r in studies.read_rows("points")] == ["another"]


def test_two_stages_are_compared_at_equal_bytes() -> None:
    curve = [(100.0, 40.0), (200.0, 46.0), (400.0, 50.0)]
    assert points.curve_at(curve, 200.0) == pytest.approx(46)
    assert points.curve_at(curve, 100 * 2**0.5) == pytest.approx(43)
    assert points.curve_at(curve, 800.0) == pytest.approx(54)
    assert points.curve_at(curve, 50.0) == pytest.approx(34)
    rows = [
        {"image": "a", "two_stages_bytes": b, "two_stages_db": d, "two_stages_bytes_before": 100.0 * 2**i,
         "two_stages_db_before": 40.0 + 6 * i}
        for i, (b, d) in enumerate([(100.0, 39.0), (100 * 2**0.5, 44.0)])
    ]  # fmt: skip
    assert [points.lost_db(r, rows) for r in rows] == pytest.approx([1.0, -1.0])


def test_points_of_a_picture() -> None:
    picture = pictures.Picture("small", mmip.phantom3d((8, 40, 48)), (50.0, 55.0), False)
    low, high = points.measured_rows(picture)
    assert low["bytes"] < high["bytes"]
    assert 0 < low["two_stages_bytes"] < low["bytes"] * 1.1
    assert low["two_stages_db"] < 50 + 1


@pytest.mark.parametrize(("depth", "box"), [(1, (2, 90, 100)), (8, (3, 40, 133))])
def test_means_over_positions_are_those_of_all_positions(depth: int, box: tuple[int, ...]) -> None:
    array = mmip.phantom3d((17, 150, 140))
    blob = mmip.encode(array, quality=10, cell_depth=depth)
    shape = array.shape
    places = product(*(range(n - extent + 1) for n, extent in zip(shape, box, strict=True)))
    chosen = [place for i, place in enumerate(places) if i % 31 == 0]
    needed = {
        place: mmip.inspect(blob, region=tuple(slice(a, a + n) for a, n in zip(place, box, strict=True)))[
            "bytes_needed"
        ]
        for place in chosen
    }
    tile = region_bytes.tile_of(blob)
    axes = [dict(region_bytes.starts(n, e, t)) for n, e, t in zip(shape, box, tile, strict=True)]
    assert [sum(axis.values()) for axis in axes] == [n - e + 1 for n, e in zip(shape, box, strict=True)]
    touched: dict[Any, int] = {}
    for place, size in needed.items():
        key = tuple((a // t, (a + e - 1) // t) for a, e, t in zip(place, box, tile, strict=True))
        assert touched.setdefault(key, size) == size
    assert len(set(touched.values())) > 3
    assert min(touched.values()) < region_bytes.mean_bytes_needed(blob, shape, box) < max(touched.values())


def test_limits_of_regions() -> None:
    costs = {"bytes_needed": 118.0, "bytes_needed_before": 100.0, "region_ms": 1.0, "region_ms_before": 1.0}
    assert region_bytes.limits_passed({"region": "box", "tile": "4x64x64"} | costs) == []
    assert region_bytes.limits_passed({"region": "slice", "tile": "4x64x64"} | costs) == ["bytes +18 %"]
    assert region_bytes.limits_passed({"region": "slice", "tile": "8x64x64"} | costs) == []
    slow = costs | {"region_ms": 3.0}
    assert region_bytes.limits_passed({"region": "box", "tile": "8x64x64"} | slow) == ["time 3.0 times"]
