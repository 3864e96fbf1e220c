"""What tests of the reference codec share: its tables, and randomness that a test's name seeds."""

from zlib import crc32

import numpy as np
import pytest
from reference import load_tables


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture
def rng(request):
    return np.random.default_rng(crc32(request.node.name.encode()))
