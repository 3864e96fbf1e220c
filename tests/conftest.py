"""What all tests share: hypothesis profiles, the list of known faults, and the kernels to run on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from mmip_gpu import _core

# Child processes import the installed package, never the source tree that they are started in.
os.environ["PYTHONSAFEPATH"] = "1"

_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
settings.register_profile("default", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=1000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile("default")


@pytest.fixture
def each_kernel() -> Iterator[list[str]]:
    """Names of the kernel copies that this machine runs; what was selected before is selected again after."""
    before = _core.selected_kernels()
    yield _core.kernel_names()
    assert _core.select_kernels(before)
