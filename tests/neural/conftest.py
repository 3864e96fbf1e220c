"""Tests of the networks take one thread: several wait for each other on a machine that does other work."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    pytest.importorskip("torch").set_num_threads(1)
