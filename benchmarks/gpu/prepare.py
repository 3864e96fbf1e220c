"""The folder to carry to a machine with a GPU, on which `sh run.sh` does all of the GPU run: `gpu_prepare.py FOLDER`.

    python benchmarks/gpu_prepare.py FOLDER [--python python3.12] [--architecture 90] [--nvrtc libnvrtc.so.13]

It has the sources, the core for that machine's Python, binaries of the kernels for its device where NVRTC is at hand
(CuPy's, that of the package nvidia-cuda-nvrtc, or the library that is named), and images of $MMIP_DATA as far as they
fit. There it needs Python, NumPy and CuPy, and no network; what is left out here is compiled there. Binaries are used
there by the same version of NVRTC alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

from gpu.nvrtc_library import NvrtcLibrary, installed_library
from gpu.places import HERE, data_folder
from mmip_gpu.bench.machine import commit_of
from mmip_gpu.device.layouts.structs import KERNEL_MODULES
from mmip_gpu.device.run.binaries import binary_of, compiler_of
from mmip_gpu.errors import BackendUnavailable, MmipError

ROOT = HERE.parent
_MEGABYTES = 64
_FIRST_IMAGE = "mr_uih_t1_brain.npy"
_SCRIPT = HERE / "gpu" / "run.sh"
_LEFT = ("__pycache__", "*.so", "*.pyc", "docs", "results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the folder; 0 where it is whole or says what is left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder, or an empty one")
    parser.add_argument("--python", default=sys.executable, help="of the version there (default: this one)")
    parser.add_argument("--architecture", default="90", help="of the device there (default: 90, an H200)")
    parser.add_argument("--nvrtc", type=Path, help="the library to compile by")
    parser.add_argument("--megabytes", type=float, default=_MEGABYTES, help=f"of all files (default {_MEGABYTES})")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    _sources(folder)
    for name, work in {
        "core": lambda: _core(folder, options.python),
        "binaries": lambda: _binaries(folder, options.architecture, options.nvrtc),
        "images": lambda: _images(folder, int(options.megabytes * 2**20)),
    }.items():
        try:
            print(f"{name}: {work()}", flush=True)
        except (OSError, subprocess.SubprocessError, MmipError) as error:
            print(f"{name} left out: {' '.join(str(error).split())[:300]}", flush=True)
    size = _size(folder) / 2**20
    print(f"{folder}: {size:.1f} MB; there: sh {folder.name}/run.sh")
    return 0 if size <= options.megabytes else 1


def _sources(folder: Path) -> None:
    """The package, which NVRTC compiles kernels from, what a core is built from, and the studies of the GPU."""
    ignored = shutil.ignore_patterns(*_LEFT)
    for name in ("mmip_gpu", "benchmarks/gpu"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("CMakeLists.txt", *(f"benchmarks/{script}.py" for script in ("gpu", "gpu_host", "hostile_images"))):
        shutil.copy2(ROOT / name, folder / name)
    text = _SCRIPT.read_text().replace("MMIP_COMMIT=unknown", f"MMIP_COMMIT={commit_of(HERE)}")
    (folder / "run.sh").write_text(text)


def _core(folder: Path, python: str) -> str:
    """Build the core for a Python; its build folder is kept in build/, for the next time."""
    asked = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"
    suffix = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    build = ROOT / "build" / f"carried{suffix.removesuffix('.so')}"
    path = shutil.which(python) or python
    with tempfile.TemporaryDirectory() as own:
        found = _nanobind()
        (Path(own) / "nanobind").symlink_to(found)  # pure Python and sources: any version runs it
        environment = os.environ | {"PYTHONPATH": own}
        tools = ["-G", "Ninja"] if shutil.which("ninja") else []
        release = ["-DCMAKE_BUILD_TYPE=Release", f"-DPython_EXECUTABLE={path}", f"-Dnanobind_ROOT={found}/cmake"]
        for command in (
            ["cmake", "-S", str(ROOT), "-B", str(build), *tools, *release],
            ["cmake", "--build", str(build), "--parallel", str(os.cpu_count() or 1)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise OSError(f"{command[1]} ended with {done.returncode}: {done.stdout[-200:]} {done.stderr[-200:]}")
    for name, place in (("_core", "mmip_gpu"), ("_phases", "mmip_gpu/device")):
        shutil.copy2(build / f"{name}{suffix}", folder / place)
    return suffix


def _nanobind() -> Path:
    try:
        import nanobind
    except ImportError:
        raise OSError("nanobind is not installed here") from None
    return Path(nanobind.__file__).parent


def _nvrtc(library: Path | None) -> NvrtcLibrary | None:
    """What compiles: the library that is named, none for CuPy's own, or that of the package."""
    if library is None:
        with suppress(ImportError):
            import cupy

            if not isinstance(compiler_of(cupy.cuda.nvrtc), BackendUnavailable):
                return None
        library = installed_library()
    if library is None:
        raise OSError("no NVRTC is here: pip install nvidia-cuda-nvrtc, or name one by --nvrtc")
    return NvrtcLibrary(library)


def _binaries(folder: Path, architecture: str, library: Path | None) -> str:
    """Compile every module; the binaries' names have the version of the compiler."""
    _nvrtc(library)  # says what is missing
    modules = list(dict.fromkeys(KERNEL_MODULES.values()))
    context, place = multiprocessing.get_context("spawn"), folder / "binaries"
    with ProcessPoolExecutor(min(len(modules), os.cpu_count() or 1), mp_context=context) as pool:
        begun = [pool.submit(_compiled, place, architecture, module, library) for module in modules]
        names = [one.result() for one in begun]
    for lock in place.glob("*.lock"):
        lock.unlink()
    return f"{len(names)}, such as {names[0]}"


def _compiled(place: Path, architecture: str, module: str, library: Path | None) -> str:
    """Compile a module into a folder; returns the file's name."""
    os.environ["CUPY_CACHE_DIR"] = str(place)
    nvrtc = _nvrtc(library)
    if nvrtc is None:
        import cupy

        nvrtc = cupy.cuda.nvrtc
    return binary_of(nvrtc, architecture, module).name


def _images(folder: Path, limit: int) -> str:
    """Real images while they fit, the one of the rates first, then from the smallest on."""
    found = data_folder()
    if found is None:
        raise OSError("set MMIP_DATA to a folder of .npy files")
    place, taken = folder / "images", 0
    place.mkdir()
    room = limit - _size(folder)
    for path in sorted(found.glob("*.npy"), key=lambda path: (path.name != _FIRST_IMAGE, path.stat().st_size)):
        if path.stat().st_size <= room:
            shutil.copy2(path, place)
            room -= path.stat().st_size
            taken += 1
    return f"{taken} of {found}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
