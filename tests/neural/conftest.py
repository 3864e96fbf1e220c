"""Tests of the networks take one thread: several wait for each other on a machine that does other work."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
