"""The padding mask: exact under it at every stage, scale and region, and what decides whether there is one."""

from __future__ import annotations

import doctest
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference.bits import BitReader, BitWriter
from reference.container import read_header, write_payload
from reference.mask import read_mask, scaled_mask, write_mask
from strategies import make
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.transform.chunk import decode_chunk
from mmip_gpu.transform.planning import find_padding
from mmip_gpu.volume.axes import PlaneLayout

Array = NDArray[Any]
DISC = -2000


def disc(shape: tuple[int, ...], seed: int = 0) -> Array:
    """A noisy int16 field of view, as a CT has it, with -2000 around it."""
    rng = np.random.default_rng(seed)
    places = [(2 * place - n + 1) / n for place, n in zip(np.indices(shape[-2:]), shape[-2:], strict=True)]
    smooth = 300 * np.cos(5 * places[0]) * np.sin(4 * places[1])
    image = np.rint(smooth + rng.normal(0, 12, shape)).astype(np.int16)
    return np.where(places[0] ** 2 + places[1] ** 2 > 0.9, DISC, image).astype(np.int16)


def spotted(shape: tuple[int, ...], dtype: str, value: int, share: float, seed: int) -> Array:
    """Texture in which boxes and single samples have the value."""
    array = make("textured", shape, dtype, seed)
    rng = np.random.default_rng(seed)
    array[rng.random(shape) < share * share] = value
    for _ in range(round(4 * share)):
        starts = [int(rng.integers(0, n)) for n in shape]
        array[tuple(slice(a, a + int(rng.integers(1, 30))) for a in starts)] = value
    return array


def recorded(blob: bytes) -> int | None:
    """The padding value that a container names."""
    found = mmip.inspect(blob)["config"]["padding"]
    assert found is None or isinstance(found, int)
    return found


def assert_mask_holds(blob: bytes, array: Array, value: int, depth: int) -> None:
    """Masked samples are the value in every decode, and nothing else of the mask is wrong."""
    masked = array == value
    volume = masked.reshape((1,) * (3 - masked.ndim) + masked.shape)
    for scale in (1, 2, 4, 8):
        expected = scaled_mask(volume, scale, depth == 8)
        for stages in range(1, len(mmip.inspect(blob)["stages"]) + 1):
            found = mmip.decode(blob, stages=stages, scale=scale)
            assert (found[expected.reshape(found.shape)] == value).all(), f"stages {stages}, scale {scale}"


@settings(max_examples=40)
@given(data=st.data())
def test_masked_samples_are_exact_everywhere(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 1), (9, 70), (33, 47), (5, 20, 30), (17, 19, 40)]))
    dtype = data.draw(st.sampled_from(["uint8", "int8", "uint16", "int16"]))
    info = np.iinfo(dtype)
    value = data.draw(st.sampled_from([int(info.min), int(info.max), 0, 100]))
    share = data.draw(st.sampled_from([0.02, 0.3, 0.7]))
    array = spotted(shape, dtype, value, share, data.draw(st.integers(0, 99)))
    target = data.draw(st.sampled_from([{"quality": 3}, {"psnr": 40}, {"lossless": True, "stages": 3}]))
    depth = data.draw(st.sampled_from([1, 8]))
    blob = mmip.encode(array, padding=value, cell_depth=depth, **target)
    header, _ = read_header(blob)
    if header.kind:
        assert_mask_holds(blob, array, value, depth)
    decoded = mmip.decode(blob)
    assert np.array_equal(decoded, reference.decode(blob))
    if "lossless" in target:
        assert np.array_equal(decoded, array)
    loss = mmip.inspect(blob)["loss"]
    error = np.abs(decoded.astype(int) - array)
    assert loss["max_error"] == error.max()
    if header.kind:
        assert header.padding == (value if (array == value).any() else None)
        assert header.sse == (error**2).sum()


def test_stores_and_containers_agree_with_a_region() -> None:
    array = disc((20, 70, 90))
    blob = mmip.encode(array, psnr=50, padding=DISC, cell_depth=8)
    whole = mmip.decode(blob)
    for scale in (1, 2, 4, 8):
        image = mmip.decode(blob, scale=scale)
        part = tuple(slice(n // 3, n - n // 5) for n in image.shape)
        assert np.array_equal(mmip.decode(blob, scale=scale, region=part), image[part])
    assert (whole[array == DISC] == DISC).all()


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("shape", [(70, 66), (12, 70, 66)])
def test_threads_and_kernels_do_not_change_bytes(shape: tuple[int, ...], depth: int, each_kernel: list[str]) -> None:
    array = disc(shape)
    found = set()
    for name, threads in product(each_kernel, (1, 3)):
        assert _core.select_kernels(name)
        found.add(mmip.encode(array, psnr=48, padding=DISC, cell_depth=depth, threads=threads))
    assert len(found) == 1


def test_the_array_is_left_alone() -> None:
    array = disc((64, 64))
    before = array.copy()
    array.flags.writeable = False
    mmip.encode(array, quality=10, padding=DISC)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("case", ["all", "one", "none_but_one", "one_cell"])
def test_extreme_masks(case: str) -> None:
    array = make("textured", (3, 40, 50), "int16", 4)
    array[array == 7] = 8
    masked = np.zeros(array.shape, bool)
    if case == "all":
        masked[...] = True
    elif case == "none_but_one":
        masked[...] = True
        masked[1, 20, 30] = False
    elif case == "one":
        masked[2, 39, 49] = True
    else:
        masked[:, 8:16, 8:16] = True
    array[masked] = 7
    for depth in (1, 8):
        blob = mmip.encode(array, psnr=35, padding=7, cell_depth=depth)
        assert recorded(blob) == 7
        assert_mask_holds(blob, array, 7, depth)
        if case == "all":
            assert mmip.inspect(blob)["loss"]["lossless"]


def test_roi_classes_and_padding() -> None:
    array = disc((80, 90))
    blob = mmip.encode(array, psnr=40, padding=DISC, roi="threshold:150", roi_quality="lossless")
    assert recorded(blob) == DISC
    assert np.array_equal(mmip.decode(blob), reference.decode(blob))
    assert_mask_holds(blob, array, DISC, 1)
    assert (mmip.decode(blob) == array)[array >= 150].all()


# --- whether there is a mask


def test_auto_takes_a_field_of_view_and_saves() -> None:
    for shape in ((160, 160), (24, 300, 300)):
        array = disc(shape)
        found, without = (mmip.encode(array, psnr=50, padding=p) for p in ("auto", None))
        assert recorded(found) == DISC
        assert recorded(without) is None
        assert len(found) < 0.95 * len(without)  # palette cells spare much of the border without a mask
        assert mmip.encode(array, psnr=50) == found


def test_auto_refuses_what_does_not_pay() -> None:
    """Weak noise cut off at 0 around something bright: the mask costs more than the samples under it."""
    noise = np.random.default_rng(1).normal(0, 2, (128, 128))
    noise[40:80, 40:80] += 200
    array = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    candidate = find_padding.find_padding(array.__getitem__, PlaneLayout.of(array.shape))
    assert candidate is not None
    assert candidate.value == 0
    assert recorded(mmip.encode(array, psnr=30)) is None
    assert recorded(mmip.encode(array, psnr=30, padding=0)) == 0


def test_no_candidate_without_a_constant_border() -> None:
    image = make("textured", (100, 100), "uint16", 1)
    assert find_padding.find_padding(image.__getitem__, PlaneLayout.of(image.shape)) is None
    line = np.zeros(50, np.uint8)
    assert find_padding.find_padding(line.__getitem__, PlaneLayout.of(line.shape)) is None


def test_a_candidate_has_a_region_with_both() -> None:
    array = np.full((30, 600, 700), 3, np.uint8)
    array[:, 100:, 90:] = 9
    candidate = find_padding.find_padding(array.__getitem__, PlaneLayout.of(array.shape), known=3)
    assert candidate is not None
    part = array[candidate.region]
    assert part.shape == (8, 256, 256)
    assert 0.3 < (part == 3).mean() < 0.7


def test_a_value_that_does_not_occur_is_left_out() -> None:
    array = make("textured", (40, 40), "uint8", 2)
    array[array == 77] = 78
    assert recorded(mmip.encode(array, quality=10, padding=77)) is None


@pytest.mark.parametrize("value", [-1, 256, 2**40, "none", "Auto", 1.5, True, [3]])
def test_values_that_no_sample_has(value: Any) -> None:
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(make("textured", (40, 40), "uint8", 2), quality=10, padding=value)


def test_colour_has_no_padding() -> None:
    image = make("half", (40, 40, 3), "uint8", 2)
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(image, quality=10, axes="yxc", padding=0)
    assert recorded(mmip.encode(image, quality=10, axes="yxc")) is None
    assert recorded(mmip.encode(image, quality=10, axes="yxc", colour=False, padding=0)) == 0


def test_float32_has_no_padding() -> None:
    image = disc((70, 70)).astype(np.float32)
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(image, psnr=40, step=0.5, padding=DISC)
    assert recorded(mmip.encode(image, psnr=40, step=0.5)) is None


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("padding", ["auto", DISC])
def test_corrections_leave_the_mask(depth: int, padding: int | str) -> None:
    array = disc((12, 70, 100))
    blob = mmip.encode(array, max_error=5, cell_depth=depth, padding=padding)
    assert recorded(blob) == DISC
    assert mmip.inspect(blob)["config"]["correction"] == 5
    found = mmip.decode(blob)
    assert (found[array == DISC] == DISC).all()
    assert np.abs(found.astype(np.int32) - array).max() == mmip.inspect(blob)["loss"]["max_error"] <= 5
    region = (slice(3, 9), slice(20, 50), slice(60, 90))
    assert np.array_equal(mmip.decode(blob, region=region), found[region])
    assert_mask_holds(blob, array, DISC, depth)
    assert len(blob) < len(mmip.encode(array, max_error=5, cell_depth=depth, padding=None))


@pytest.mark.parametrize("target", [{"ratio": 8}, {"max_error": 0}])
def test_other_targets_find_the_padding(target: dict[str, float]) -> None:
    array = disc((6, 300, 300))
    blob = mmip.encode(array, **target)
    plain = mmip.encode(array, padding=None, **target)
    assert recorded(blob) == DISC
    assert recorded(plain) is None
    assert (mmip.decode(blob)[array == DISC] == DISC).all()
    if "ratio" in target:
        assert array.nbytes / len(blob) >= 8
        assert mmip.inspect(blob)["loss"]["psnr"] > mmip.inspect(plain)["loss"]["psnr"]
    else:
        assert np.array_equal(mmip.decode(blob), array)
        assert len(blob) < len(plain)


# --- stores


@pytest.mark.parametrize("target", [{"max_error": 4}, {"ratio": 6}])
def test_a_store_of_another_target_keeps_the_mask(target: dict[str, float]) -> None:
    array, store = disc((20, 70, 100)), MemoryStore()
    report = mmip.write_zarr(array, store, cell_depth=8, chunks=(16, 64, 64), threads=1, **target)
    assert report["plan"]["padding"] == DISC
    found = mmip.open_zarr(store)[...]
    assert (found[array == DISC] == DISC).all()
    if "max_error" in target:
        assert np.abs(found.astype(np.int32) - array).max() <= 4
    else:
        assert report["ratio"] >= 6


@pytest.mark.parametrize("depth", [1, 8])
def test_a_store_keeps_the_mask(depth: int) -> None:
    array = disc((20, 70, 100))
    store = MemoryStore()
    report = mmip.write_zarr(array, store, psnr=48, cell_depth=depth, chunks=(16, 64, 64), threads=1)
    assert report["plan"]["padding"] == DISC
    opened = mmip.open_zarr(store)
    assert (opened[...] == DISC)[array == DISC].all()
    assert (mmip.open_zarr(store, stages=1)[...] == DISC)[array == DISC].all()
    assert np.array_equal(opened[3:9, 20:50, 60:90], opened[...][3:9, 20:50, 60:90])
    assert opened.report["loss"]["psnr"] >= 48
    stage = zarr.open_array(store, path="stage_1", mode="r")
    assert stage.shape[-1] == 2 + 2 * depth
    assert stage.metadata.to_dict()["codecs"][0]["configuration"]["padding"] is True
    words = stage[...][..., 2:].astype(np.uint32)
    bits = ((words[..., None] >> np.arange(32, dtype=np.uint32)) & 1).astype(bool)
    planes, gz, gy, gx = words.shape[:4]
    bits = bits.reshape(planes, gz, gy, gx, depth, 8, 8).transpose(0, 1, 4, 2, 5, 3, 6)
    mask = bits.reshape(planes, gz * depth, gy * 8, gx * 8)[0][tuple(map(slice, array.shape))]
    assert np.array_equal(mask, array == DISC)
    assert report == mmip.write_zarr(array, store, psnr=48, cell_depth=depth, chunks=(16, 64, 64), threads=1) | {
        "seconds": report["seconds"]
    }


def test_records_of_another_padding_are_corrupt() -> None:
    array = disc((64, 64))
    store, other = MemoryStore(), MemoryStore()
    mmip.write_zarr(array, store, quality=5, padding=DISC)
    moved = np.where(array == DISC, DISC + 1, array).astype(np.int16)
    mmip.write_zarr(moved, other, quality=5, padding=DISC + 1)
    key = next(k for k in store._store_dict if k.startswith("chunk/c/"))
    store._store_dict[key] = other._store_dict[key]
    with pytest.raises(mmip.CorruptData):
        mmip.open_zarr(store)[...]


# --- hostile masks


def mask_columns(*fields: tuple[int, int]) -> list[int]:
    """Two columns of mask that the core reads from raw bits (count, value) before the DC of a single cell."""

    def substreams(codes: Any) -> list[bytes]:
        writer = BitWriter()
        for count, value in fields:
            writer.raw(count, value)
        codes["DC"][11].write(writer, 0)
        return [writer.to_bytes(at_least=1)]

    payload, _ = write_payload(1, reference.load_tables(), {}, substreams)
    chunk = _core.Chunk(1, [1, 8, 8], 1, [0, 2, 2], [0, 63], [[256]], [0], [[0, 0, 0]], None, 9)
    chunk.unpack(1, payload, True, True, 1)
    columns = np.zeros((1, 1, 1, 1, 4), np.int32)
    chunk.to_columns(1, columns)
    found: list[int] = columns[0, 0, 0, 0, 2:].tolist()
    return found


def mixed(count: int, data: bytes) -> list[tuple[int, int]]:
    """Fields of a mixed mask that states `count` bytes and holds these."""
    length = (count + 1).bit_length()
    return [(2, 2), (length - 1, 0), (length, count + 1), *((8, byte) for byte in data)]


def test_masks_that_are_fine() -> None:
    assert mask_columns((2, 0)) == [0, 0]
    assert mask_columns((2, 1)) == [-1, -1]
    writer = BitWriter()
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 3, 5] = mask[0, 7, 7] = True
    write_mask(writer, mask)
    text = "".join(writer.pieces)
    assert mask_columns((len(text), int(text, 2))) == [1 << 29, -(1 << 31)]


HOSTILE: dict[str, list[tuple[int, int]]] = {
    "kind 3": [(2, 3)],
    "no code": mixed(0, b""),
    "a count that is too long": [(2, 2), (33, 0), (34, 1 << 33)],
    "a code of 2^32 - 1": mixed(4, b"\xff" * 4),
    "mixed, but nothing is masked": mixed(2, b"\0\1"),
    "bytes that no decision needs": mixed(60, b"\x80" * 60),
    "more bytes than there are": mixed(60, b"\x80" * 8),
    "four thousand million bytes": mixed(2**32 - 3, b"\x80" * 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks_are_corrupt(name: str) -> None:
    with pytest.raises(mmip.CorruptData, match="stage 1, sub-stream 0"):
        mask_columns(*HOSTILE[name])


def test_damaged_masks_decode_as_the_reference_says() -> None:
    """Behind the crcs: the same samples, or an error of both."""
    array = disc((64, 64), 3)
    blob = mmip.encode(array, psnr=30, padding=DISC)
    header, at = Header.parse(blob)
    sizes = header.payload_sizes
    payloads = [blob[at + sum(sizes[:k]) : at + sum(sizes[: k + 1])] for k in range(len(sizes))]
    start = int.from_bytes(payloads[0][:4], "little")
    outcomes = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        first = bytearray(payloads[0])
        first[start + int(rng.integers(0, 40))] ^= 1 << int(rng.integers(0, 8))
        try:
            found = decode_chunk(header, parts_of([bytes(first), *payloads[1:]]), Wanted(), Limits(check_crc=False))
        except mmip.CorruptData:
            found = None
        reader = BitReader(bytes(first[start:]))
        try:
            mask = read_mask(reader, (1, 64, 64))
        except reference.CorruptError:
            assert found is None
            outcomes.add("corrupt")
            continue
        outcomes.add("decoded" if found is not None else "corrupt later")
        if found is not None:
            assert (found[mask[0]] == DISC).all()
    assert "decoded" in outcomes
    assert len(outcomes) > 1


def test_examples() -> None:
    assert doctest.testmod(find_padding).failed == 0
