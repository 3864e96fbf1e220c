"""Types of the CPU executor of the kernels (phases.cpp), and of what tests compare (decisions.cpp)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def run(name: str, params: bytes, descending: bool = False) -> None: ...
def sample_position(size: Sequence[int], plane: int, z: int, y: int, x: int) -> int: ...
def decide_stages(
    plain: bool,
    positions: NDArray[np.uint16],
    coefficients: NDArray[np.float32],
    ends: NDArray[np.int64],
    inverse: float,
    low: int,
    table: NDArray[np.uint8],
    token_bits: NDArray[np.uint8],
    header_bits: NDArray[np.uint8],
    rounds: int,
    magnitudes: NDArray[np.int32],
    costs: NDArray[np.int64],
) -> None: ...
def predict_samples(
    plain: bool,
    samples: NDArray[np.int32],
    az: int,
    ay: int,
    ax: int,
    at: int,
    n: int,
    prediction: int,
    out: NDArray[np.int32],
) -> None: ...
