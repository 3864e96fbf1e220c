"""The padding mask: exact under it at every stage, scale and region; hostile masks are refused."""

from __future__ import annotations

import doctest
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from helpers.padded_images import DISC, Array, assert_mask_holds, disc, recorded
from helpers.strategies import make
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.bits import BitReader, BitWriter
from reference.container import read_header
from reference.mask import read_mask, write_mask
from reference.payload import write_payload

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.transform.chunk import decode_chunk
from mmip_gpu.transform.planning import find_padding


def spotted(shape: tuple[int, ...], dtype: str, value: int, share: float, seed: int) -> Array:
    """Texture in which boxes and single samples have the value."""
    array = make("textured", shape, dtype, seed)
    rng = np.random.default_rng(seed)
    array[rng.random(shape) < share * share] = value
    for _ in range(round(4 * share)):
        starts = [int(rng.integers(0, n)) for n in shape]
        array[tuple(slice(a, a + int(rng.integers(1, 30))) for a in starts)] = value
    return array


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
