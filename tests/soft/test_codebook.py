"""Codebooks: their bytes, their hash, where they are found; every defect is refused, as by the reference."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from reference.bits import CorruptError
from reference.soft import read_codebook

import mmip_gpu as mmip
from mmip_gpu.soft import Codebook, encode, find_codebook, library, register_codebook, train_codebook


def is_read(data: bytes) -> bool:
    try:
        Codebook(data)
    except (mmip.CorruptData, mmip.TruncatedData):
        return False
    return True


def is_read_by_the_reference(data: bytes) -> bool:
    try:
        read_codebook(data)
    except CorruptError:
        return False
    return True


@pytest.fixture(scope="module")
def small() -> Codebook:
    return train_codebook([np.arange(64, dtype=np.uint8).reshape(8, 8) % 7])


def test_bytes_and_hash(colour_book: Codebook) -> None:
    again = Codebook.from_bytes(memoryview(colour_book.to_bytes()))
    assert again == colour_book
    assert again.digest == colour_book.digest
    assert hash(again) == hash(colour_book)
    assert pickle.loads(pickle.dumps(colour_book)) == colour_book
    with pytest.raises(FrozenInstanceError):
        colour_book.data = b""  # type: ignore[misc]
    assert (colour_book.bits, colour_book.components, colour_book.is_mixed, colour_book.is_signed) == (
        8,
        3,
        True,
        False,
    )
    assert repr(colour_book).startswith(f"Codebook({colour_book.digest[:19]}..")


def test_every_truncation_is_truncated_or_corrupt(small: Codebook) -> None:
    for end in range(len(small.data)):
        with pytest.raises(mmip.CorruptData):
            Codebook(small.data[:end])
    with pytest.raises(mmip.CorruptData, match="after its last field"):
        Codebook(small.data + b"\0")
    for wrong in (None, 3, "text"):
        with pytest.raises(mmip.InvalidArgument, match="expected bytes"):
            Codebook(wrong)  # type: ignore[arg-type]


def test_every_flipped_bit_is_judged_as_the_reference_does(small: Codebook) -> None:
    accepted = 0
    for bit in range(8 * len(small.data)):
        broken = bytearray(small.data)
        broken[bit // 8] ^= 1 << (bit % 8)
        found = is_read(bytes(broken))
        assert found == is_read_by_the_reference(bytes(broken)), bit
        accepted += found
    assert 0 < accepted < 8 * len(small.data) / 2


def test_random_codebooks_are_judged_as_the_reference_does(small: Codebook) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(small.data)
        for _ in range(int(rng.integers(1, 5))):
            broken[int(rng.integers(8, len(broken)))] = int(rng.integers(0, 256))
        assert is_read(bytes(broken)) == is_read_by_the_reference(bytes(broken))


def test_files_and_folders(tmp_path: Path, small: Codebook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Codebook.load(small.save(tmp_path / "one.mmsc")) == small
    path = small.save(tmp_path / "books")
    assert path.name == f"{small.sha256.hex()}.mmsc"
    monkeypatch.setattr(library, "_REGISTERED", {})
    monkeypatch.setenv("MMIP_CODEBOOKS", f"{tmp_path / 'none'}{os.pathsep}{tmp_path / 'books'}")
    assert find_codebook(small.digest) == small
    library._REGISTERED.clear()
    path.write_bytes(train_codebook([np.zeros((9, 9), np.uint8)]).data)
    with pytest.raises(mmip.CorruptData, match="its SHA-256 is"):
        find_codebook(small.digest)
    path.unlink()
    with pytest.raises(mmip.MissingResource, match=small.digest):
        find_codebook(small.sha256)
    with pytest.raises(mmip.StoreError, match="No such file"):
        Codebook.load(path)
    register_codebook(small)
    assert find_codebook(small.digest) is small


@pytest.mark.parametrize("digest", ["sha256:00", "md5:" + "0" * 64, b"short", 7, "sha256:" + "G" * 64])
def test_digests_that_are_none(digest: object) -> None:
    with pytest.raises(mmip.InvalidArgument, match="64 hex digits"):
        find_codebook(digest)  # type: ignore[arg-type]
    with pytest.raises(mmip.InvalidArgument, match="expected a Codebook"):
        register_codebook(digest)  # type: ignore[arg-type]


def test_another_process_needs_the_folder_alone(tmp_path: Path, small: Codebook) -> None:
    image = np.random.default_rng(0).integers(0, 9, (40, 40)).astype(np.uint8)
    (tmp_path / "a.mmip").write_bytes(encode(image, small))
    code = "import mmip_gpu, pathlib; print(mmip_gpu.decode(pathlib.Path('a.mmip').read_bytes()).sum())"
    environment = os.environ | {"HOME": str(tmp_path), "MMIP_CODEBOOKS": ""}

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    failed = run()
    assert f"MissingResource: the codebook {small.digest}" in failed.stderr
    small.save(tmp_path / ".mmip" / "codebooks")
    assert int(run().stdout) == image.sum()
