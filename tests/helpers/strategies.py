"""Arrays and options for tests: seeded makers of content, and hypothesis strategies over both.

Values out: `Case`, an array in host memory with the keyword options of `mmip_gpu.encode`; its text repeats the failure.
Sizes stay small, so that the reference decoder (tests/reference) can follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu.arguments import is_colour
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

DTYPES = ("uint8", "int8", "uint16", "int16")
Array = NDArray[Any]
Maker = Callable[[np.random.Generator, tuple[int, ...], int, int], Array]

# --- content, each from a generator, a shape, and the least and greatest value of a dtype


def _wave(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A sum of sines in 0..1."""
    places = np.meshgrid(*(np.arange(n) / 24 for n in shape), indexing="ij", sparse=True)
    wave = sum(np.sin(place * rng.uniform(0.5, 2) + rng.uniform(0, 6)) for place in places)
    wave = np.broadcast_to(np.asarray(wave), shape)
    low, high = (float(wave.min()), float(wave.max())) if wave.size else (0.0, 0.0)
    return (wave - low) / (high - low) if high > low else np.zeros(shape)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return rng.integers(low, high, shape, endpoint=True)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return low + (0.1 + 0.8 * _wave(rng, shape)) * (high - low)


def _textured(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return _smooth(rng, shape, low, high) + rng.normal(0, (high - low) / 60, shape)


def _edges(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return np.where(_wave(rng, shape) > 0.6, low + 0.9 * (high - low), low + 0.2 * (high - low))


def _slices(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Smooth planes that differ from one to the next, which mode z1 is for."""
    gains = rng.uniform(0, 1, (*shape[:-2], 1, 1)) if len(shape) > 2 else rng.uniform(0, 1)
    steps = np.where(_wave(rng, shape) > 0.5, 0.4, 0.0) * rng.choice([0, 1], np.shape(gains) or None)
    return low + (0.2 * _wave(rng, shape) + 0.3 * gains + steps) * (high - low)


def _spikes(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    array = np.full(shape, low)
    if array.size:
        array.reshape(-1)[rng.integers(0, array.size, 1 + array.size // 500)] = high
    return array


def _checkerboard(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return np.where(np.indices(shape).sum(axis=0) % 2 == 0, low, high)


def _constant(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    return np.full(shape, rng.choice([low, high, 0, (low + high) // 2]))


def _half(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Noise beside nothing: blocks of every size, and class borders that matter."""
    array = np.full(shape, low)
    if shape:
        array[..., : shape[-1] // 2] = rng.integers(low, high, (*shape[:-1], shape[-1] // 2), endpoint=True)
    return array


CONTENT: dict[str, Maker] = {
    "noise": _noise,
    "smooth": _smooth,
    "textured": _textured,
    "edges": _edges,
    "slices": _slices,
    "spikes": _spikes,
    "checkerboard": _checkerboard,
    "constant": _constant,
    "half": _half,
}


def make(kind: str, shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """A C-ordered array of one of CONTENT; float32 in -100..100."""
    if dtype == "float32":
        values = CONTENT[kind](np.random.default_rng(seed), shape, -25600, 25600)
        return np.ascontiguousarray((np.asarray(values) / 256).astype(np.float32))
    info = np.iinfo(dtype)
    values = CONTENT[kind](np.random.default_rng(seed), shape, int(info.min), int(info.max))
    return np.ascontiguousarray(np.clip(np.rint(values), info.min, info.max).astype(dtype))


def make_roi(array: Array, axes: str, classes: int, seed: int = 0) -> NDArray[np.uint8]:
    """Boxes of classes over the array without its axis c; class `classes` - 1 occurs wherever there are samples."""
    rng = np.random.default_rng(seed)
    shape = tuple(n for n, a in zip(array.shape, axes, strict=True) if a != "c")
    roi = np.zeros(shape, np.uint8)
    for index in [*rng.integers(1, classes, 3), classes - 1]:
        starts = [int(rng.integers(0, max(n, 1))) for n in shape]
        roi[tuple(slice(a, a + int(rng.integers(1, 14))) for a in starts)] = index
    return roi


def encode_imaged(
    array: Array, axes: str, *, tile_log2: tuple[int, int, int] = (1, 4, 4), threads: int = 1, **options: Any
) -> bytes:
    """A container with a DC image whatever it costs; `encode` makes one only where few bits are spent."""
    config = CodecConfig.from_options(cell_depth=1, padding=None, per_channel=False, **options)
    layout = PlaneLayout.of(array.shape, axes)
    plan = make_plan(config, ArrayReader(Trial(array, None, threads), layout, is_colour(None, layout, array.dtype)))
    plan = replace(plan, dc_image=True, tile_log2=tile_log2)
    return encode_chunk(array, plan, threads=threads, allow_raw=False).to_bytes()


# --- cases


@dataclass(frozen=True)
class Case:
    """An array and how to encode it; the text tells both without the samples."""

    kind: str
    shape: tuple[int, ...]
    dtype: str
    seed: int
    axes: str
    options: dict[str, Any] = field(default_factory=dict)
    roi_classes: int = 0

    @property
    def array(self) -> Array:
        return make(self.kind, self.shape, self.dtype, self.seed)

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword options of `mmip_gpu.encode`."""
        given = {"axes": self.axes, **self.options}
        if self.roi_classes:
            given["roi"] = make_roi(self.array, self.axes, self.roi_classes, self.seed)
        return given


LAYOUTS = ("x", "yx", "zyx", "tzyx", "yxc", "cyx", "zcyx", "tnczyx", "nyx", "zyxc")
_LONGEST = {"x": 75, "y": 60, "z": 20, "t": 2, "n": 2, "c": 3}


@st.composite
def targets(draw: st.DrawFn) -> dict[str, Any]:
    """One of the targets that any array reaches."""
    mode = draw(st.sampled_from(("quality", "psnr", "max_error", "qstep", "lossless")))
    if mode == "quality":
        return {"quality": draw(st.sampled_from((0.5, 3, 10, 40, 220, 440)))}
    if mode == "psnr":
        return {"psnr": draw(st.sampled_from((15, 30, 45, 60, 90)))}
    if mode == "max_error":
        return {"max_error": draw(st.sampled_from((0, 1, 2.7, 30, 3000)))}
    if mode == "qstep":
        return {"qstep": draw(st.sampled_from((0.25, 3, 41.5, 1000)))}
    return {"lossless": True}


@st.composite
def roi_qualities(draw: st.DrawFn, classes: int) -> Any:
    """What the regions get: their default, one quality, or one for each class."""
    quality = st.sampled_from((5, 100, "lossless"))
    form = draw(st.sampled_from(("default", "one", "mapping")))
    if form == "default":
        return None
    return draw(quality) if form == "one" else {i: draw(quality) for i in range(1, classes)}


@st.composite
def cases(draw: st.DrawFn, least: int = 1, layouts: tuple[str, ...] = LAYOUTS) -> Case:
    """Any array that `encode` takes, with any options; every axis has at least `least` samples."""
    axes = draw(st.sampled_from(layouts))
    spatial = [a for a in axes if a in "zyx"]
    longest = {**_LONGEST, "y": 24, "x": 30} if len(axes) > 3 else _LONGEST
    shape = tuple(draw(st.integers(least if a in spatial else 1, longest[a])) for a in axes)
    options = draw(targets())
    options["cell_depth"] = draw(st.sampled_from((None, 1, 8)))
    options["stages"] = draw(st.integers(2, 5))
    options["verify"] = draw(st.booleans())
    if "c" in axes and draw(st.booleans()):
        options["colour"] = False
    roi_classes = draw(st.sampled_from((0, 0, 2, 4, 8)))
    if roi_classes:
        options["roi_quality"] = draw(roi_qualities(roi_classes))
    return Case(
        kind=draw(st.sampled_from(tuple(CONTENT))),
        shape=shape,
        dtype=draw(st.sampled_from(DTYPES)),
        seed=draw(st.integers(0, 2**32 - 1)),
        axes=axes,
        options=options,
        roi_classes=roi_classes,
    )


@st.composite
def regions(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """One slice of step 1 for every axis, empty ones too."""
    bounds = [sorted((draw(st.integers(0, n)), draw(st.integers(0, n)))) for n in shape]
    return tuple(slice(a, b) for a, b in bounds)


def soft_volume() -> NDArray[np.uint16]:
    """Smooth waves, an edge and a little noise: every block mode is the best one somewhere."""
    z, y, x = np.mgrid[:32, :96, :96].astype(float)
    waves = 900 * np.sin(x / 23 + z / 9) + 700 * np.cos(y / 17)
    edge = 4000 * ((x - 40) ** 2 + (y - 50) ** 2 < 500)
    noise = np.random.default_rng(3).normal(0, 12, waves.shape)
    return np.clip(np.rint(5000 + waves + edge + noise), 0, 65535).astype(np.uint16)
