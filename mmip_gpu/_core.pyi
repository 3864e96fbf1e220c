"""Types of the compiled core (bindings/*.cpp)."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

SEARCH_NONE: int
SEARCH_FAST: int
SEARCH_ROUGH: int
SEARCH_FULL: int
FORMAT_VERSION: int
MAX_CLASSES: int
MAX_STAGES: int
MAX_TILE_SAMPLES: int
MAX_LABEL_TILE_LOG2: int
STEP_ONE: int
MIN_STEP: int
MAX_STEP: int
MAX_RECON: int
MAX_INDEX: int
CODE_LIMIT: int
TOKEN_CONTEXTS: int
TOKEN_CLASSES: int
TOKEN_ALPHABET: int
TOKEN_ESCAPE_BITS: int
HEADER_CLASSES: int
HEADER_ALPHABET: int
HEADER_ESCAPE_BITS: int
CORRECTION_CLASSES: int
CORRECTION_ALPHABET: int
CORRECTION_ESCAPE_BITS: int
MAX_CORRECTION_ERROR: int
DC_CLASSES: int
DC_ALPHABET: int
DC_ESCAPE_BITS: int
DC_WEIGHTS: int
MODE_COUNT: int
GROUP_SUBSTREAMS: int
PREDICTED_GROUP_SUBSTREAMS: int
JPEG_BAND_UNIT: int
JPEG_MOST_BAND_ROWS: int
DC_IMAGE_UNIT: int
STATUS_TRUNCATED: int
COLOUR_FORMS: int
PALETTE_FORM: int
MAX_BRICK_LOG2: int
MAX_RESIDUAL_TILE: int
LEAST_TRIED_EFFORT: int
MAX_VALUE_BITS: int
MAX_MIXED_TILE_LOG2: int
MIXED_TILE_LOG2: tuple[int, int, int]
CELL_AC: Mapping[int, int]
SQUARED_STEPS_PER_BIT: float
MAGNITUDE_BYTES: int
PALETTE_BYTES: int
PREDICTED_LIMIT: int
PREDICTION_SYMBOLS: int
CLOSING_BYTES: int
CRC_GROUPS: int
FINISH_SAMPLES: int
MEAN_SAMPLES: int
RESIDUAL_CODES: int
UNKNOWN_ACTIVITY: int
RESIDUAL_BITS: int

# Of a struct: its bytes and fields; of a field: name, offset, NumPy's code or a struct's layout, shape.
Field: TypeAlias = tuple[str, int, "str | Layout", tuple[int, ...]]
Layout: TypeAlias = tuple[int, list[Field]]

def struct_layouts() -> dict[str, Layout]: ...
def kernel_layouts() -> dict[str, Layout]: ...
def kernel_lanes() -> dict[str, int]: ...
def kernel_modules() -> dict[str, str]: ...

class Chunk:
    def __init__(
        self,
        planes: int,
        shape: Sequence[int],
        depth: int,
        tile_log2: Sequence[int],
        cuts: Sequence[int],
        steps: Sequence[Sequence[int]],
        reversible: Sequence[int],
        recon: Sequence[Sequence[int]],
        box: Sequence[int] | None = None,
        padding: int | None = None,
        dc_image: Sequence[int] | None = None,
        prediction: bool = False,
        choice_steps: Sequence[Sequence[int]] | None = None,
    ) -> None: ...
    @property
    def planes(self) -> int: ...
    @property
    def predicted(self) -> bool: ...
    @property
    def recon(self) -> list[list[int]]: ...
    @property
    def dc_recon(self) -> tuple[int, int, int]: ...
    def analyze(
        self,
        samples: NDArray[Any],
        classes: NDArray[np.uint8] | None,
        offset: int,
        rounding: int,
        search: int,
        passes: int,
        threads: int,
    ) -> list[float]: ...
    def requantize(self, steps: Sequence[Sequence[int]], threads: int) -> list[float]: ...
    def fill(
        self, samples: NDArray[Any], classes: NDArray[np.uint8] | None, filled: NDArray[Any], threads: int
    ) -> None: ...
    def pack(self, stage: int, threads: int) -> bytes: ...
    def unpack(self, stage: int, payload: Buffer, check_crc: bool, alone: bool, threads: int) -> int: ...
    def pack_corrections(self, indices: NDArray[np.int32], threads: int) -> bytes: ...
    def unpack_corrections(self, payload: Buffer, indices: NDArray[np.int32], check_crc: bool, threads: int) -> int: ...
    def count_corrections(self, indices: NDArray[np.int32], threads: int) -> list[int]: ...
    def measure(
        self, offset: int, minimum: int, maximum: int, samples: NDArray[Any], threads: int
    ) -> list[tuple[int, int]]: ...
    def synthesize(
        self,
        stages: int,
        scale: int,
        offset: int,
        minimum: int,
        maximum: int,
        out: NDArray[Any],
        threads: int,
    ) -> None: ...
    def decode(
        self,
        payloads: Sequence[Buffer],
        check_crc: bool,
        scale: int,
        offset: int,
        minimum: int,
        maximum: int,
        out: NDArray[Any],
        threads: int,
        origin: Sequence[int] | None = None,
    ) -> list[float]: ...
    def window(self, scale: int) -> tuple[list[int], list[int]]: ...
    def to_columns(self, stage: int, array: NDArray[np.int32]) -> None: ...
    def from_columns(self, stage: int, array: NDArray[np.int32]) -> None: ...
    def mode_counts(self) -> list[int]: ...
    def settle_sums(self, sums: NDArray[np.int64], search: int) -> list[float]: ...
    def sum_errors(self, sums: NDArray[np.int64], recon: Sequence[Sequence[int]]) -> list[float]: ...
    def fit_weights(
        self, dc: NDArray[np.int32], classes: NDArray[np.uint8], masked: NDArray[np.uint8] | None
    ) -> list[int]: ...
    def count_symbols(self, stage: int, threads: int) -> list[list[int]]: ...
    def count_token_contexts(self, stage: int, threads: int) -> list[int]: ...

class PayloadHead:
    def __init__(
        self, head: NDArray[np.uint8], size: int | None, substreams: int, stage: int, dc_image: bool, check_crc: bool
    ) -> None: ...
    @property
    def code_bytes(self) -> int: ...
    @property
    def offsets(self) -> NDArray[np.uint64]: ...
    @property
    def group_crcs(self) -> NDArray[np.uint32]: ...
    @property
    def weights(self) -> NDArray[np.int8]: ...
    @property
    def families(self) -> list[tuple[int, int, NDArray[np.uint32], NDArray[np.uint8]]]: ...

class ParameterHead:
    def __init__(self, head: NDArray[np.uint8], size: int | None, substreams: int, check_crc: bool) -> None: ...
    @property
    def parameters(self) -> bytes: ...
    @property
    def offsets(self) -> NDArray[np.uint64]: ...
    @property
    def group_crcs(self) -> NDArray[np.uint32]: ...

def assemble_payload(
    parameters: NDArray[np.uint8], streams: NDArray[np.uint8], sizes: NDArray[np.uint32], threads: int
) -> bytes: ...
def encode_labels(planes: NDArray[Any], tile_log2: tuple[int, int, int], threads: int) -> tuple[bytes, int, int]: ...
def decode_labels(
    payload: NDArray[np.uint8],
    shape: Sequence[int],
    tile_log2: Sequence[int],
    limits: tuple[int, int],
    box: Sequence[int],
    scale: int,
    check_crc: bool,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def label_window(
    shape: Sequence[int], tile_log2: Sequence[int], box: Sequence[int], scale: int
) -> tuple[int, int, int, int, int, int]: ...

class PayloadHeads:
    def __init__(
        self,
        heads: Sequence[NDArray[np.uint8]],
        sizes: NDArray[np.int64],
        substreams: NDArray[np.int64],
        stages: NDArray[np.uint8],
        images: NDArray[np.uint8],
        check_crc: bool,
        threads: int,
    ) -> None: ...
    def head(self, index: int) -> tuple[int, int, NDArray[np.uint64], NDArray[np.uint32], NDArray[np.int8]]: ...
    def tables(
        self, indices: Sequence[int], threads: int
    ) -> tuple[NDArray[np.uint8], list[list[tuple[int, int, int, int]]]]: ...

# colour_form, bits, offset, tile_log2, brick_log2
PredictiveForm: TypeAlias = tuple[int, int, int, Sequence[int], Sequence[int]]

class PredictiveFit:
    def __init__(
        self,
        samples: NDArray[Any],
        planes: int,
        shape: Sequence[int],
        colour: bool,
        near: int,
        effort: int,
        threads: int,
    ) -> None: ...
    @property
    def form(self) -> PredictiveForm: ...
    @property
    def set_counts(self) -> NDArray[np.int32]: ...
    @property
    def sets(self) -> NDArray[np.uint8]: ...
    @property
    def cross(self) -> NDArray[np.int32]: ...
    @property
    def ranks(self) -> NDArray[np.int32]: ...
    @property
    def palette(self) -> NDArray[np.int32]: ...
    def choose_codes(self, counts: NDArray[np.uint32]) -> NDArray[np.uint32]: ...
    def parameters(self, set_of_brick: NDArray[np.uint8]) -> NDArray[np.uint8]: ...

class PredictiveHead:
    def __init__(
        self,
        head: NDArray[np.uint8],
        size: int,
        check_crc: bool,
        planes: int,
        shape: Sequence[int],
        colour: bool,
        form: PredictiveForm,
    ) -> None: ...
    @property
    def offsets(self) -> NDArray[np.uint64]: ...
    @property
    def group_crcs(self) -> NDArray[np.uint32]: ...
    @property
    def entries(self) -> NDArray[np.uint32]: ...
    @property
    def sets(self) -> NDArray[np.uint8]: ...
    @property
    def set_of_brick(self) -> NDArray[np.uint8]: ...
    @property
    def values(self) -> NDArray[np.int32]: ...
    @property
    def cross(self) -> NDArray[np.int32]: ...

def encode_predictive(
    samples: NDArray[Any], planes: int, shape: Sequence[int], colour: bool, near: int, effort: int, threads: int
) -> tuple[PredictiveForm, bytes]: ...
def decode_predictive(
    payload: NDArray[np.uint8],
    planes: int,
    shape: Sequence[int],
    colour: bool,
    near: int,
    form: PredictiveForm,
    box: Sequence[int],
    minimum: int,
    maximum: int,
    check_crc: bool,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def encode_mixed(
    samples: NDArray[Any], planes: int, shape: Sequence[int], colour: bool, near: int, effort: int, threads: int
) -> tuple[PredictiveForm, bytes]: ...
def decode_mixed(
    payload: NDArray[np.uint8],
    planes: int,
    shape: Sequence[int],
    colour: bool,
    near: int,
    form: PredictiveForm,
    box: Sequence[int],
    minimum: int,
    maximum: int,
    check_crc: bool,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def colour_planes(planes: NDArray[np.int32], forward: bool) -> None: ...
def statistics(a: NDArray[Any], threads: int) -> tuple[int, int, int]: ...
def float_indices(samples: NDArray[np.float32], step: float, limit: float, indices: NDArray[np.int32]) -> int: ...
def difference(a: NDArray[Any], b: NDArray[Any], threads: int) -> tuple[int, int]: ...
def differences(
    a: NDArray[Any], b: NDArray[Any], cells: NDArray[np.uint8], depth: int, classes: int, threads: int
) -> list[int]: ...
def cell_activities(planes: NDArray[Any], first: int, every: int, activities: NDArray[np.uint8]) -> None: ...
def phantom_samples(
    axes: NDArray[np.int64],
    tissues: NDArray[np.float64],
    magnitudes: NDArray[np.uint8],
    samples: NDArray[np.uint16],
) -> None: ...
def find_corrections(original: NDArray[Any], decoded: NDArray[Any], error: int, indices: NDArray[np.int32]) -> None: ...
def add_corrections(
    samples: NDArray[Any], indices: NDArray[np.int32], error: int, minimum: int, maximum: int
) -> None: ...
def choose_codes(
    stages: NDArray[np.uint8],
    forms: NDArray[np.uint8],
    weights: NDArray[np.int8],
    firsts: NDArray[np.int64],
    counts: NDArray[np.uint32],
    threads: int,
) -> tuple[list[bytes], NDArray[np.uint32], NDArray[np.int64]]: ...
def builtin_rates(stage: int) -> NDArray[np.uint8]: ...
def builtin_prediction_rates() -> NDArray[np.uint8]: ...
def chosen_rates(
    stages: NDArray[np.uint8], firsts: NDArray[np.int64], counts: NDArray[np.uint32], threads: int
) -> NDArray[np.uint8]: ...
def join_payloads(
    codes: Sequence[bytes],
    places: NDArray[np.int64],
    sizes: NDArray[np.uint32],
    crcs: NDArray[np.uint32],
    bodies: NDArray[np.uint8],
    threads: int,
) -> list[bytes]: ...
def block_table(mode: int, depth: int) -> tuple[int, int, bytes, bytes]: ...
def superblock_shape(depth: int) -> list[int]: ...
def code_lengths(counts: Sequence[int], limit: int) -> list[int]: ...
def crc32c(buffer: Buffer, value: int = 0) -> int: ...
def crc32c_by_tables(buffer: Buffer, value: int = 0) -> int: ...
def crc32c_joined(a: int, b: int, count: int) -> int: ...
def kernel_names() -> list[str]: ...
def selected_kernels() -> str: ...
def select_kernels(name: str) -> bool: ...
def block_tables(
    mode: int, cell_depth: int, cuts: Sequence[int]
) -> tuple[list[int], NDArray[np.uint8], NDArray[np.uint16]]: ...
def coding_order(cell_depth: int, az: int, ay: int, ax: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]: ...
def token_places() -> NDArray[np.uint16]: ...
def token_left_offsets() -> NDArray[np.uint16]: ...
def palette_positions(cell_depth: int) -> int: ...
def status_text(status: int) -> str: ...

SOFT_TILE_LOG2: tuple[int, int]
SOFT_DEPTHS: tuple[int, int]
SOFT_MAX_COMPONENTS: int

class SoftCodebook:
    def __init__(self, data: NDArray[np.uint8]) -> None: ...
    @property
    def depth(self) -> int: ...
    @property
    def is_signed(self) -> bool: ...
    @property
    def colour(self) -> bool: ...
    @property
    def components(self) -> list[list[int]]: ...

class SoftMiner:
    def __init__(self, depth: int, is_signed: bool, colour: bool, components: int, degree: float) -> None: ...
    def survey(self, planes: NDArray[Any], tile_log2: Sequence[int]) -> None: ...
    def choose_layers(self) -> None: ...
    def count(self, planes: NDArray[Any], tile_log2: Sequence[int]) -> None: ...
    def mine(self, planes: NDArray[Any], tile_log2: Sequence[int]) -> None: ...
    def choose_shapes(self) -> None: ...
    def use(self, planes: NDArray[Any], tile_log2: Sequence[int]) -> None: ...
    def choose_codes(self) -> None: ...
    def to_bytes(self) -> bytes: ...

def soft_encode(planes: NDArray[Any], codebook: SoftCodebook, tile_log2: Sequence[int], threads: int) -> bytes: ...
def soft_decode(
    payload: NDArray[np.uint8],
    codebook: SoftCodebook,
    planes: int,
    shape: Sequence[int],
    tile_log2: Sequence[int],
    box: Sequence[int],
    check_crc: bool,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def soft_uses(planes: NDArray[Any], codebook: SoftCodebook, tile_log2: Sequence[int]) -> list[list[int]]: ...
def jpeg_probe(pixels: NDArray[np.uint8]) -> tuple[bool, bool, int, int]: ...
def jpeg_find(pixels: NDArray[np.uint8], least: int, threads: int) -> tuple[bytes, int] | None: ...
def jpeg_encode(pixels: NDArray[np.uint8], band_rows: int, least: int, threads: int) -> bytes | None: ...
def jpeg_bands(ny: int, band_rows: int, begin: int, end: int) -> tuple[int, int]: ...
def jpeg_decode(
    payload: NDArray[np.uint8],
    images: int,
    ny: int,
    band_rows: int,
    first: int,
    begin: int,
    check_crc: bool,
    out: NDArray[np.uint8],
    threads: int,
) -> None: ...
