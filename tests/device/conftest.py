"""What tests of the device share: the executor that runs kernels phase by phase on the CPU."""

import pytest

from mmip_gpu.device.run.executors import HostExecutor


@pytest.fixture(params=[False, True], ids=["ascending", "descending"])
def executor(request: pytest.FixtureRequest) -> HostExecutor:
    """Runs the lanes of every phase in either order."""
    return HostExecutor(descending=request.param)
