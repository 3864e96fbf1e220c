"""A codebook: the codes and shapes of every component, named by the SHA-256 of its bytes.

Values: bytes on one side, a frozen Codebook on the other. Implements FORMAT.md section 8.11; the core checks it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from mmip_gpu._core import SoftCodebook
from mmip_gpu.errors import InvalidArgument, StoreError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MOST_BYTES", "SUFFIX", "Codebook"]

MOST_BYTES = 2**26  # of a resource of a container
SUFFIX = ".mmsc"


@dataclass(frozen=True, repr=False)
class Codebook:
    """Codes and shapes of images of one kind; `train_codebook` makes one.

    Parameters
    ----------
    data : bytes
        The codebook as FORMAT.md section 8.11 has it.

    Raises
    ------
    CorruptData, TruncatedData, InvalidArgument

    Examples
    --------
    >>> import mmip_gpu
    >>> from mmip_gpu.soft import train_codebook
    >>> book = train_codebook([mmip_gpu.phantom2d(64)])
    >>> Codebook.from_bytes(book.to_bytes()) == book, book.components, book.digest[:7]
    (True, 1, 'sha256:')
    """

    data: bytes

    def __post_init__(self) -> None:
        try:
            size = memoryview(self.data).nbytes
        except TypeError:
            raise InvalidArgument(f"codebook: expected bytes, found {type(self.data).__name__}") from None
        if size > MOST_BYTES:
            raise InvalidArgument(f"codebook: expected at most {MOST_BYTES} bytes, found {size}")
        object.__setattr__(self, "data", bytes(self.data))
        _ = self.core  # checks all of it

    @classmethod
    def from_bytes(cls, data: Buffer) -> Self:
        """The codebook with these bytes."""
        return cls(bytes(data) if isinstance(data, (bytearray, memoryview)) else data)  # type: ignore[arg-type]

    def to_bytes(self) -> bytes:
        """The bytes of the codebook."""
        return self.data

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The codebook in a file.

        Raises
        ------
        StoreError
            For a file that cannot be read.
        """
        try:
            with Path(path).open("rb") as file:
                return cls(file.read(MOST_BYTES + 1))
        except OSError as e:
            raise StoreError(f"codebook {path}: {e.strerror or e}") from None

    def save(self, path: str | Path) -> Path:
        """Write the codebook to a file, or into a folder under its hash; returns the file."""
        target = Path(path)
        try:
            if target.suffix != SUFFIX:
                target.mkdir(parents=True, exist_ok=True)
                target = target / f"{self.sha256.hex()}{SUFFIX}"
            target.write_bytes(self.data)
        except OSError as e:
            raise StoreError(f"codebook {target}: {e.strerror or e}") from None
        return target

    @cached_property
    def core(self) -> SoftCodebook:
        """The codebook as the core has it."""
        return SoftCodebook(np.frombuffer(self.data, np.uint8))

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.data).digest()

    @property
    def digest(self) -> str:
        """The SHA-256 as text, after ``sha256:``."""
        return f"sha256:{self.sha256.hex()}"

    @property
    def bits(self) -> int:
        """Bits of a sample, 8 to 16."""
        return self.core.depth

    @property
    def is_signed(self) -> bool:
        """Whether samples have a sign."""
        return self.core.is_signed

    @property
    def is_mixed(self) -> bool:
        """Whether three channels are transformed together, as red, green and blue."""
        return self.core.colour

    @property
    def components(self) -> int:
        """Number of components, each with codes of its own."""
        return len(self.core.components)

    @property
    def shapes(self) -> tuple[int, ...]:
        """Number of shapes of each component."""
        return tuple(count for _, _, count in self.core.components)

    def __getstate__(self) -> dict[str, bytes]:
        return {"data": self.data}

    def __repr__(self) -> str:
        return f"Codebook({self.digest[:19]}.., {self.bits} bits, {self.components} components, shapes {self.shapes})"
