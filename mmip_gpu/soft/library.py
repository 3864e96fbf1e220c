"""Where a codebook is found by its hash: those that were registered, then files in folders.

Values: a digest in, a Codebook out. A file is named by the hash, ``<64 hex digits>.mmsc``, and its bytes are held
against it. Folders are those of the variable MMIP_CODEBOOKS, or ``~/.mmip/codebooks``. They are looked through when a
codebook is needed, so that workers and other processes need no more than the folder.
"""

from __future__ import annotations

import atexit
import os
import re
from pathlib import Path

from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource
from mmip_gpu.soft.codebook import SUFFIX, Codebook

__all__ = ["FOLDERS_VARIABLE", "codebook_folders", "find_codebook", "parsed_digest", "register_codebook"]

FOLDERS_VARIABLE = "MMIP_CODEBOOKS"
_REGISTERED: dict[bytes, Codebook] = {}
atexit.register(_REGISTERED.clear)  # objects of the core have to go before it


def register_codebook(codebook: Codebook) -> str:
    """Let this process find a codebook by its hash; returns the digest.

    Raises
    ------
    InvalidArgument
        For what is no Codebook.

    Examples
    --------
    >>> import mmip_gpu
    >>> from mmip_gpu.soft import train_codebook
    >>> digest = register_codebook(train_codebook([mmip_gpu.phantom2d(64)]))
    >>> find_codebook(digest).digest == digest
    True
    """
    if not isinstance(codebook, Codebook):
        raise InvalidArgument(f"expected a Codebook, found {type(codebook).__name__}")
    _REGISTERED[codebook.sha256] = codebook
    return codebook.digest


def codebook_folders() -> list[Path]:
    """Folders that codebooks are looked for in."""
    stated = os.environ.get(FOLDERS_VARIABLE)
    if stated:
        return [Path(part) for part in stated.split(os.pathsep) if part]
    return [Path.home() / ".mmip" / "codebooks"]


def parsed_digest(digest: str | bytes) -> bytes:
    """The 32 bytes of a digest, which may be text such as ``sha256:<64 hex digits>``.

    Raises
    ------
    InvalidArgument

    Examples
    --------
    >>> parsed_digest("sha256:" + "0f" * 32)[0]
    15
    """
    if isinstance(digest, bytes) and len(digest) == 32:
        return digest
    found = re.fullmatch(r"sha256:([0-9a-f]{64})", digest) if isinstance(digest, str) else None
    if found is None:
        raise InvalidArgument(f"codebook: expected 'sha256:' and 64 hex digits, found {digest!r}")
    return bytes.fromhex(found[1])


def find_codebook(digest: str | bytes) -> Codebook:
    """The codebook with this hash.

    Raises
    ------
    MissingResource
        Where there is none; the message has the hash and where it was looked for.
    CorruptData
        For a file that does not hold what its name says.
    """
    wanted = parsed_digest(digest)
    if wanted in _REGISTERED:
        return _REGISTERED[wanted]
    folders = codebook_folders()
    for folder in folders:
        path = folder / f"{wanted.hex()}{SUFFIX}"
        if path.is_file():
            found = Codebook.load(path)
            if found.sha256 != wanted:
                raise CorruptData(f"codebook {path}: its SHA-256 is {found.digest}")
            register_codebook(found)
            return found
    places = ", ".join(map(str, folders))
    raise MissingResource(
        f"the codebook sha256:{wanted.hex()} is needed and was not found: put its file into {places}, "
        f"name other folders by {FOLDERS_VARIABLE}, or call register_codebook"
    )
