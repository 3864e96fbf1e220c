"""Evaluations: numbers against plain ones, and protocols that divide the sets of the original."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu.soft import PROTOCOLS, Codebook, encode, evaluate, prepare, train_codebook


def test_numbers_of_an_evaluation(images: list[np.ndarray], colour_book: Codebook) -> None:
    found = evaluate(images, colour_book, axes="yxc")
    sizes = [len(encode(image, colour_book, axes="yxc")) for image in images]
    ratios = np.array([image.nbytes / size for image, size in zip(images, sizes, strict=True)])
    expected = {
        "images": 4,
        "mean": ratios.mean(),
        "minimum": ratios.min(),
        "maximum": ratios.max(),
        "variance": ratios.var(),
        "corpus_ratio": sum(image.nbytes for image in images) / sum(sizes),
        "rmse": 0,
    }
    summary = found.summary()
    assert {name: summary[name] for name in expected} == pytest.approx(expected)
    assert [image.coded_bytes for image in found.images] == sizes
    halves = evaluate(images[:1], colour_book, axes="yxc").joined(evaluate(images[1:], colour_book, axes="yxc"))
    assert halves.summary() == summary


def test_the_indicator_is_what_shapes_save_a_location(images: list[np.ndarray], colour_book: Codebook) -> None:
    found = evaluate(images, colour_book, axes="yxc")
    assert found.indicator is not None
    assert found.bits_per_location is not None
    samples = 70 * 90 * len(images)
    upper = [detail + raw for detail, raw, _ in colour_book.core.components]
    assert found.layer_bits == samples * sum(bits - low for bits, low in zip((8, 9, 9), upper, strict=True))
    assert found.indicator * found.shapes == pytest.approx(found.layer_bits - found.codeword_bits)
    assert 1 < found.bits_per_location < found.indicator
    flat = np.zeros((70, 90, 3), np.uint8)
    nothing = evaluate([flat], train_codebook([flat], axes="yxc"), axes="yxc")
    assert (nothing.shapes, nothing.indicator, nothing.bits_per_location) == (0, None, None)


def test_what_does_not_shrink_is_evaluated_too() -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 16, (40, 40)).astype(np.uint16)
    found = evaluate([noise], train_codebook([noise]))
    assert found.summary()["rmse"] == 0
    assert 0.9 < found.corpus_ratio < 1


def filled(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"im_{number}.jpg").write_bytes(bytes([number % 256]) * 3)
    (folder / "Thumbs.db").write_bytes(b"")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_divide_their_sets(name: str, tmp_path: Path) -> None:
    protocol = PROTOCOLS[name]
    needed = protocol.train if len(protocol.folders) == 2 else protocol.train + protocol.test
    for folder in protocol.folders:
        filled(tmp_path / "set" / folder, max(needed, protocol.test) + 5)
    assert prepare(name, tmp_path / "set", tmp_path / "out") == (protocol.train, protocol.test)
    train, test = ({path.name for path in (tmp_path / "out" / part).iterdir()} for part in ("train", "test"))
    assert (len(train), len(test)) == (protocol.train, protocol.test)
    assert {"im_0.jpg", f"im_{protocol.train - 1}.jpg"} <= train
    assert ("im_0.jpg" in test) == (len(protocol.folders) == 2)


def test_numbers_divide_any_folder(tmp_path: Path) -> None:
    filled(tmp_path / "set", 12)
    assert prepare("8/3", tmp_path / "set", tmp_path / "out") == (8, 3)
    names = sorted(path.name for path in (tmp_path / "out" / "test").iterdir())
    assert names == ["im_10.jpg", "im_8.jpg", "im_9.jpg"]
    with pytest.raises(mmip.StoreError, match="new or empty"):
        prepare("8/3", tmp_path / "set", tmp_path / "out")


@pytest.mark.parametrize(
    ("protocol", "kind", "said"),
    [
        ("9/9", mmip.InvalidArgument, "takes 9 images to test, found 3"),
        ("99/9", mmip.InvalidArgument, "takes 99 images to train, found 12"),
        ("0/3", mmip.InvalidArgument, "expected one of bccd, malaria"),
        ("mnist", mmip.InvalidArgument, "expected one of bccd, malaria"),
        ("drive", mmip.StoreError, "expected a folder of images"),
    ],
)
def test_what_cannot_be_divided(protocol: str, kind: type[Exception], said: str, tmp_path: Path) -> None:
    filled(tmp_path / "set", 12)
    with pytest.raises(kind, match=said):
        prepare(protocol, tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out").exists()
