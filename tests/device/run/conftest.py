"""What tests of the CUDA executor share: a machine with a stand-in for CuPy."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cuda_machines import machine
from helpers.standin_cupy import Cupy


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cupy:
    return machine(monkeypatch, tmp_path)
