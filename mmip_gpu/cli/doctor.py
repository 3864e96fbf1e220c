"""The command doctor: what this machine has, for reports of faults; and kernels compiled before they are needed.

Values: parsed options in; a line for each fact on stdout, or JSON. It needs no GPU.
"""

from __future__ import annotations

import os
import platform
from argparse import Namespace
from importlib import metadata

from mmip_gpu._core import selected_kernels
from mmip_gpu.cli.results import show
from mmip_gpu.device.run.diagnosis import compile_all, device_facts
from mmip_gpu.version import __version__

__all__ = ["doctor"]

_PACKAGES = ("numpy", "zarr", "numcodecs", "dask", "imagecodecs", "nibabel", "pydicom", "tifffile", "torch")
_GROUPS = ("zarr.codecs", "numcodecs.codecs")


def doctor(args: Namespace) -> None:
    """Print the facts; compile first where that is asked for."""
    compiled = compile_all(args.architecture) if args.compile or args.architecture else []
    facts = {"mmip": f"{__version__}, Python {platform.python_version()}, {platform.platform()}"}
    facts |= {
        "instruction set": f"{platform.machine()}, loops for {selected_kernels()}",
        "threads": str(os.cpu_count()),
    }
    facts |= {"packages": _packages(), "codecs": _codecs()} | device_facts()
    lines = [f"{name + ':':<17} {fact}" for name, fact in facts.items()]
    show(args, "\n".join([*lines, *(f"compiled: {path}" for path in compiled)]), facts | {"compiled": compiled})


def _packages() -> str:
    """Versions of what is installed of the packages that we use."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _codecs() -> str:
    """Our codecs that Zarr and numcodecs find; none where the package is imported without being installed."""
    found = [f"{e.name} ({group})" for group in _GROUPS for e in metadata.entry_points(group=group) if "mmip" in e.name]
    return ", ".join(found) or "none: the package is not installed, so that Zarr finds no codec `mmip`"
