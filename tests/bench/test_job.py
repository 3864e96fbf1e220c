"""One codec on one image: what is measured, and what a fault of it becomes."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mmip_gpu.bench import job as jobs
from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.job import Job, run_job
from mmip_gpu.bench.rates import Dial
from mmip_gpu.bench.settings import Setting, parse_targets

GREY = BenchImage("grey", np.random.default_rng(0).integers(0, 900, (24, 32)).astype(np.uint16), "yx", 10)
RGB = BenchImage("rgb", np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8), "yxc", 8)
LOSSLESS = (Setting("lossless"),)


def quantizer(**changed) -> Codec:
    """A codec that divides by 2^(8 - parameter), and stores two bytes a sample; its dial is a whole number."""
    codec = Codec(
        "quantizer",
        "1",
        Source.whole,
        lambda piece, p, _source: (piece.astype(np.int64) >> int(8 - p)).astype(np.int16).tobytes(),
        lambda data, piece: np.frombuffer(data, np.int16).reshape(piece.shape),
        lambda _source, _db: Dial(0, 8, 4, 6, 1),
        restore=lambda source, decoded: decoded.astype(source.array.dtype),
    )
    return replace(codec, **changed)


@pytest.fixture
def measured(monkeypatch):
    """Measure by a codec of a test, in this process."""

    def measure(codec, image=GREY, settings=LOSSLESS, colour="gray", **more):
        monkeypatch.setattr(jobs, "codecs", lambda _names, _threads: [codec])
        return list(run_job(Job(codec.name, None, colour, settings, **more), image))

    return measure


exact = partial(quantizer, lossless=True, encode=lambda piece, _p, _s: piece.astype(np.int16).tobytes())


def test_what_is_measured(measured):
    (found,) = measured(exact())
    assert (found["status"], found["reason"]) == ("ok", None)
    assert (found["bytes"], found["raw_bytes"], found["ratio"]) == (2 * 24 * 32, 2 * 24 * 32, 1)
    assert found["bits_per_sample"] == 16
    assert found["metrics"]["psnr_range"] == math.inf
    assert found["as_written"]["ratio"] == pytest.approx(1, abs=0.1)
    assert found["as_written"]["mse"] == 0
    assert found["time"]["encode"]["runs"] == found["time"]["decode"]["runs"] == 5
    assert found["time"]["mb_s_encode"] > 0
    assert found["time"]["peak_memory"] >= 0
    assert found["time"]["encode_all_threads"] is None


def test_rates_are_of_the_bits_that_are_stored(measured):
    image = replace(GREY, array=(GREY.array & 255), bits=8)
    (found,) = measured(exact(), image)
    assert (found["raw_bytes"], found["ratio"]) == (24 * 32, 0.5)
    (coarse,) = measured(quantizer(), image, (Setting("parameter", 3.0),))
    peaks = [coarse["metrics"]["rmse"] * 10 ** (coarse["metrics"][f"psnr_{name}"] / 20) for name in ("range", "dtype")]
    assert peaks == pytest.approx([np.ptp(image.array), 255])


def test_regions_have_metrics_of_their_own(measured):
    mask = np.zeros((24, 32), bool)
    mask[:8] = True
    (found,) = measured(exact(), replace(GREY, masks={"top": mask}))
    assert found["regions"]["top"]["inside"]["mse"] == found["regions"]["top"]["outside"]["mse"] == 0


@pytest.mark.parametrize(("colour", "raw"), [("joint", 24 * 32 * 3), ("separate", 24 * 32 * 3), ("luma", 24 * 32)])
def test_colours(colour, raw, measured):
    codec = exact(colours=frozenset({"joint", "separate", "luma", "gray"}))
    (found,) = measured(codec, RGB, colour=colour)
    assert (found["status"], found["raw_bytes"], found["bytes"]) == ("ok", raw, 2 * raw)


def test_all_threads_are_timed_beside_one(measured):
    (found,) = measured(exact(threads=4), threads=4)
    assert found["time"]["threads"] == 4
    assert found["time"]["encode_all_threads"]["wall"] > 0


def fails(_piece, _parameter, _source):
    raise ValueError("no such bits")


def other(piece, _parameter, _source):
    return (piece ^ 4).astype(np.int16).tobytes()


def short(piece, _parameter, _source):
    return piece[:-1].astype(np.int16).tobytes()


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"encode": fails}, "failed", "ValueError: no such bits"),
        ({"encode": short}, "failed", "ValueError: cannot reshape"),
        (
            {"decode": lambda data, _piece: np.frombuffer(data, np.int16)},
            "failed",
            r"uint16, found \(768,\)",
        ),
        ({"restore": lambda _source, decoded: decoded}, "failed", "found .*int16"),
        (
            {"encode": lambda piece, _p, _s: (piece ^ 4).astype(np.int16).tobytes()},
            "failed",
            "breaks its bound: max_error 0 .*, 4 is found",
        ),
        ({"most_bits": 8}, "unsupported", "takes at most 8 bits a sample, found 10"),
        ({"missing": "needs tape: pip install tape"}, "unsupported", "pip install tape"),
    ],
)
def test_a_fault_is_a_result_with_its_reason(changed, status, said, measured):
    (found,) = measured(exact(**changed))
    assert found["status"] == status
    assert found["bytes"] is None
    assert re.search(said, found["reason"]), found["reason"]


@pytest.mark.parametrize(
    ("promised", "status"),
    [
        ({"max_error": 7.0}, "ok"),
        ({"max_error": 6.0}, "failed"),
        ({"psnr_range": 40.0}, "ok"),
        ({"psnr_range": 50.0}, "failed"),
    ],
)
def test_a_promise_is_held_or_broken(promised, status, measured):
    settings = tuple(parse_targets(["parameter:5"]))  # steps of 8: errors up to 7
    (found,) = measured(quantizer(promises=lambda _source, _p: promised, restore=_multiplied), settings=settings)
    assert found["status"] == status
    assert status == "ok" or found["reason"].startswith("breaks its bound: ")


def _multiplied(source, decoded):
    return (decoded.astype(np.uint16) << 3).astype(source.array.dtype)


def test_a_setting_that_is_not_reached_costs_no_other(measured):
    settings = tuple(parse_targets(["psnr:20,200,30", "bits:1"]))
    found = measured(quantizer(), settings=settings)
    assert [row["status"] for row in found] == ["ok", "ok", "ok", "failed"]
    assert found[1]["metrics"]["psnr_range"] == math.inf
    assert found[3]["reason"] == "1 bits a sample: its parameter gives 16 bits and more"


def test_settings_do_not_depend_on_each_other(measured):
    settings = parse_targets(["psnr:20,30,40"])
    together = measured(quantizer(), settings=tuple(settings))
    alone = [measured(quantizer(), settings=(setting,))[0] for setting in settings]
    assert [row["parameter"] for row in together] == [row["parameter"] for row in alone]


def test_a_task_scores_before_and_after(measured):
    (image,) = select_images(["quick:*fluorescence*"])
    (found,) = measured(exact(), image, tasks=("nuclei",))
    assert found["tasks"]["nuclei"]["original"]["dice"] == 1
    assert 0.8 < found["tasks"]["nuclei"]["truth"]["dice"] < 1


def test_a_task_that_fails_costs_its_scores_alone(measured):
    (found,) = measured(exact(), tasks=("stars:no_folder",))
    assert found["status"] == "ok"
    assert found["tasks"]["stars:no_folder"]["truth"] is None
    assert found["tasks"]["stars:no_folder"]["reason"]


def test_reasons_hold_no_address_of_memory(measured):
    def fail(*_):
        raise RuntimeError("[ffv1 @ 0x55c91a207000] code 0x80 of 0xff")

    (found,) = measured(exact(encode=fail))
    assert found["reason"] == "RuntimeError: [ffv1 @ 0x..] code 0x80 of 0xff"


@pytest.mark.parametrize(("holds", "status"), [(2.0, "ok"), (1.0, "failed")])
def test_a_bound_is_stated_and_verified(holds, status, measured):
    def encode(piece, _bound, _source):
        return (piece.astype(np.int16) + 2).tobytes()

    codec = exact(lossless=False, bounded=True, encode=encode, promises=lambda _s, bound: {"max_error": bound})
    (found,) = measured(codec, settings=(Setting("max_error", holds),))
    assert found["status"] == status
    if status == "ok":
        assert (found["parameter"], found["metrics"]["max_error"]) == (2.0, 2.0)
    else:
        assert found["reason"] == "breaks its bound: max_error 1 is promised, 2 is found"
