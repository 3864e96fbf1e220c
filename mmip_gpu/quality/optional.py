"""Packages of the extra `bench` that measures need, imported when they are used.

Implements no section of FORMAT.md. Guarantees an error that says what to install.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mmip_gpu.errors import MissingResource

__all__ = ["ndimage", "optional_module"]


def optional_module(name: str, package: str, measure: str) -> Any:
    """Return a module, imported when it is needed.

    Raises
    ------
    MissingResource
        It is not installed.
    """
    try:
        import_module(name.partition(".")[0])
        return import_module(name)
    except ImportError:
        text = f"{measure}: expected {package}, found none; install it with pip install 'mmip-gpu[bench]'"
        raise MissingResource(text) from None


def ndimage() -> Any:
    """Return scipy's filters and distance transforms."""
    return optional_module("scipy.ndimage", "scipy", "quality measures")
