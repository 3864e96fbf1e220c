"""Settings: what is asked for, and the point of a dial that meets it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.rates import Dial, Point
from mmip_gpu.bench.settings import Setting, Unreached, parse_targets, point_for, settings_of
from mmip_gpu.errors import InvalidArgument

SOURCE = Source(np.arange(64, dtype=np.uint8).reshape(8, 8))


def curve(parameter, *, resolution=0.0, most=math.inf):
    """6 dB for a bit and for a unit of the dial, as a quantizer has; exact above `most`."""
    bits = 2.0 ** (parameter / 4)
    return Point(parameter, math.inf if parameter > most else 20 + 6 * parameter, bits)


def dial(low, high, resolution=0.0):
    return lambda _source, _db: Dial(low, high, (low + high) / 2, 6, resolution)


def found(text, low=0.0, high=12.0, resolution=0.0, most=math.inf):
    (setting,) = parse_targets([text])
    return point_for(setting, lambda p: curve(p, most=most), dial(low, high, resolution), SOURCE)


def test_texts():
    asked = parse_targets(["bits:0.5,1", "psnr:40", "lossless", "parameter:-3", "bits:1"])
    assert asked == [
        Setting("bits", 0.5), Setting("bits", 1), Setting("psnr", 40), Setting("lossless"), Setting("parameter", -3)
    ]  # fmt: skip
    assert Setting("lossless").facts == {"target": "lossless", "value": None}


@pytest.mark.parametrize(
    "text",
    ["bits", "bits:", "bits:0", "bits:-1", "bits:x", "psnr:nan", "max_error:0.5", "size:3", "lossless:1"],
)
def test_other_texts(text):
    with pytest.raises(InvalidArgument, match=r"expected bits:0.5,1 or psnr:40,50"):
        parse_targets([text])


def test_codecs_without_loss_or_without_a_dial_have_a_setting_of_their_own():
    fixed = Codec("c", "0", Source.planes, lambda *_: b"", lambda *_: np.zeros(1))
    lossy = replace(fixed, dial=lambda *_: Dial(0, 9, 5, 1))
    exact = Codec("b", "0", Source.planes, lambda *_: b"", lambda *_: np.zeros(1), lossless=True)
    asked = parse_targets(["bits:1", "max_error:1,2", "lossless"])
    assert settings_of(replace(fixed, bounded=True), asked) == [Setting("max_error", 1), Setting("max_error", 2)]
    assert settings_of(lossy, asked) == [Setting("bits", 1)]
    assert settings_of(exact, asked) == [Setting("lossless")]
    assert settings_of(fixed, asked) == [Setting("parameter", 0)]


@pytest.mark.parametrize("bits", [1.1, 2.0, 3.3, 7.0])
@pytest.mark.parametrize("resolution", [0.0, 1.0])
def test_a_rate_is_never_exceeded(bits, resolution):
    point = found(f"bits:{bits}", resolution=resolution)
    assert point.bits <= bits
    if resolution:
        assert point.parameter == math.floor(4 * math.log2(bits))
    else:
        assert point.bits > 0.95 * bits


@pytest.mark.parametrize("db", [25.0, 38.0, 50.0, 80.0])
@pytest.mark.parametrize("resolution", [0.0, 1.0])
def test_a_psnr_is_met(db, resolution):
    point = found(f"psnr:{db}", resolution=resolution)
    assert point.psnr_db >= db
    assert point.psnr_db <= db + (6 if resolution else 0.3)


def test_more_than_a_codec_needs_is_met_by_its_best():
    assert found("bits:100").parameter == 12
    assert found("psnr:60", most=2).psnr_db == math.inf  # exact below the target


@pytest.mark.parametrize(
    ("text", "said"),
    [("bits:0.5", "0.5 bits a sample: .* 1 bits and more"), ("psnr:99", "99 dB: .* 92.00 dB and less")],
)
def test_what_a_codec_cannot_reach(text, said):
    with pytest.raises(Unreached, match=said):
        found(text)


def test_a_parameter_is_taken_as_it_is():
    assert found("parameter:3.5").parameter == 3.5
    assert found("lossless").parameter == 0
