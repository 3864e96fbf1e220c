"""What tests of damaged containers share: a small one of each kind."""

import pytest
from helpers import small_containers


@pytest.fixture(scope="session")
def small() -> bytes:
    """Two classes, one reversible, four stages, own codes."""
    return small_containers.small_transformed()


@pytest.fixture(scope="session")
def small_raw() -> bytes:
    """An array of noise, kept as it is."""
    return small_containers.small_raw()
