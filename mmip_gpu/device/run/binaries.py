"""Binaries of the kernels: compiled by NVRTC once for all processes of a user, and kept on disk.

Values: CuPy's binding of NVRTC, an architecture such as "90" and the name of a module in; the file of its binary out.
The file's name has the architecture, a digest of all sources and options, and the compiler's version. NVRTC is called
with the options that the tests compile with and no others: CuPy's own way would add -ftz=true (subnormal floats become
0, which FORMAT.md section 0 keeps), and the key of its cache holds kernels.cu alone, not the headers that it includes.
Guarantees that a file is there as a whole or not at all, and that processes that need it at once compile it once.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from mmip_gpu.errors import BackendUnavailable

__all__ = ["COMPILE_OPTIONS", "SOURCE", "binary_of", "cache_folder", "compiler_of", "is_whole"]

SOURCE = Path(__file__).parents[1] / "kernels.cu"
# No fused multiply-add: FORMAT.md section 0. Every include is a path from the package's folder.
COMPILE_OPTIONS = ("--std=c++17", "--fmad=false", f"-I{SOURCE.parents[1]}")
_FORM = 2  # of the files: those of form 1 lacked their last byte
_INSTEAD = "use device='cpu'"

Compiler = tuple[tuple[int, int], tuple[int, ...]]
"""Version of a compiler, and the architectures that it knows."""


def cache_folder() -> Path:
    """Where binaries are kept: beside those of CuPy."""
    return Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")


def compiler_of(nvrtc: Any) -> Compiler | BackendUnavailable:
    """The compiler that CuPy finds, or the error that says how to get one."""
    try:
        version, known = nvrtc.getVersion(), nvrtc.getSupportedArchs()
    except (RuntimeError, ImportError, OSError) as error:  # of the loader; NVRTC's own errors are RuntimeErrors too
        found = " ".join(str(error).split())[:200]
        return BackendUnavailable(
            f"no NVRTC, which compiles the kernels ({found}): pip install 'cupy-cuda12x[ctk]' (CUDA 13: "
            f"'cupy-cuda13x[ctk]'), or install the CUDA toolkit; or {_INSTEAD}"
        )
    return tuple(version), tuple(int(number) for number in known)


def binary_of(nvrtc: Any, architecture: str, module: str) -> Path:
    """File of a module's binary; compiled where it is not there.

    Raises
    ------
    BackendUnavailable
        Where it is not there and cannot be compiled.
    """
    compiler, stem = compiler_of(nvrtc), f"mmip_{module}_{_digest()[:24]}"
    if isinstance(compiler, BackendUnavailable):
        kept = _kept(stem, int(architecture))
        if kept is None:
            raise compiler
        return kept
    (major, minor), known = compiler
    target = _target(int(architecture), known, f"{major}.{minor}")
    path = cache_folder() / f"{stem}_{target}_nvrtc{major}.{minor}.{'cubin' if target.startswith('sm_') else 'ptx'}"
    if is_whole(path):
        return path
    with _locked(path):
        if is_whole(path):  # another process compiled it while this one waited
            return path
        binary = _compiled(nvrtc, module, target)
        try:
            return _written(binary, path)
        except OSError as error:  # a home that cannot be written to, or is full
            return _written_elsewhere(binary, path.name, error)


def _target(architecture: int, known: tuple[int, ...], version: str) -> str:
    """What to compile for: the architecture, or, for the driver to go on from, the newest that is older."""
    if architecture in known:
        return f"sm_{architecture}"
    older = [number for number in known if number < architecture]
    if older:
        return f"compute_{max(older)}"
    raise BackendUnavailable(
        f"expected a device of sm_{min(known)} or later, which NVRTC {version} compiles for, found sm_{architecture}: "
        f"install CuPy for an older CUDA (pip install 'mmip-gpu[gpu-cuda12]'), or {_INSTEAD}"
    )


def _kept(stem: str, architecture: int) -> Path | None:
    """The best file that was compiled before: for the architecture itself, else for the newest older one."""
    found = []
    for path in cache_folder().glob(f"{stem}_*_nvrtc*"):
        target, _, version = path.stem[len(stem) + 1 :].partition("_nvrtc")
        kind, _, number = target.partition("_")
        fits = int(number) == architecture if kind == "sm" else int(number) <= architecture
        if path.suffix in (".cubin", ".ptx") and fits and is_whole(path):
            found.append((kind == "sm", int(number), [int(n) for n in version.split(".")], path))
    return max(found)[-1] if found else None


def _digest() -> str:
    options = COMPILE_OPTIONS[:-1]  # without the folder of the package
    return hashlib.sha256(repr((_FORM, options, _source_digest(SOURCE.parents[1]))).encode()).hexdigest()


def _source_digest(package: Path) -> str:
    """Digest of kernels.cu and of every header that it may include, in the folder of the package."""
    digest = hashlib.sha256()
    headers = [path for room in ("device/kernels", "rules") for path in sorted((package / room).rglob("*.h"))]
    for path in [package / "device" / SOURCE.name, *headers]:
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def is_whole(path: Path) -> bool:
    """Whether a file is a binary with all that its headers speak of; PTX is text, which a NUL ends in memory only."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return bool(data) if path.suffix == ".ptx" else len(data) >= _binary_size(data) > 0


def _binary_size(data: bytes) -> int:
    """Bytes that the tables of an ELF file end at; 0 for what is no ELF file of 64 bits."""
    if len(data) < 64 or data[:5] != b"\x7fELF\x02":
        return 0
    programs, sections = struct.unpack_from("<QQ", data, 32)
    program_bytes, program_count, section_bytes, section_count = struct.unpack_from("<4H", data, 54)
    return int(max(64, programs + program_bytes * program_count, sections + section_bytes * section_count))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file among processes, where the folder and its file system have locks."""
    with ExitStack() as held:
        with suppress(OSError, ImportError):
            import fcntl

            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(path.with_name(f"{path.name}.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)  # given up where the process ends, however it ends
        yield


def _written(binary: bytes, path: Path) -> Path:
    """Write a file that others may be reading or writing: it is there as a whole, or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        beside = Path(file.name)
    try:
        beside.write_bytes(binary)
        return beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _written_elsewhere(binary: bytes, name: str, why: OSError) -> Path:
    """Write a file to a temporary folder, for this process alone."""
    try:
        return _written(binary, Path(tempfile.mkdtemp(prefix="mmip_")) / name)
    except OSError as error:
        raise BackendUnavailable(
            f"the compiled kernels cannot be kept, in {cache_folder()} ({why}) or elsewhere ({error}): name a folder "
            f"with room by CUPY_CACHE_DIR, or {_INSTEAD}"
        ) from None


def _compiled(nvrtc: Any, module: str, target: str) -> bytes:
    """Binary of a module, or PTX of it where the target is no architecture of a device."""
    options = (*COMPILE_OPTIONS, f"-DMMIP_MODULE=MMIP_{module.upper()}_KERNELS", f"-arch={target}")
    program = nvrtc.createProgram(SOURCE.read_text(), SOURCE.name, (), ())
    try:
        nvrtc.compileProgram(program, options)
        found = nvrtc.getCUBIN(program) if target.startswith("sm_") else nvrtc.getPTX(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip()
        raise BackendUnavailable(f"the kernels do not compile ({options[-1]}): {error}: {log}; {_INSTEAD}") from None
    finally:
        nvrtc.destroyProgram(program)
    if not target.startswith("sm_"):
        return found.encode() if isinstance(found, str) else bytes(found)
    binary = bytes(found) + b"\0"  # CuPy takes the last byte for the NUL of a text, and cuts it off
    if len(binary) < _binary_size(binary) or not _binary_size(binary):
        expected = f"expected a binary of {_binary_size(binary)} bytes, found {len(binary)}"
        raise BackendUnavailable(f"the kernels ({options[-1]}): {expected}; {_INSTEAD}")
    return binary
