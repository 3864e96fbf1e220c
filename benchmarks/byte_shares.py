"""Where the bytes of effort 3 go at low rates: the share of each part of a container, in percent.

    python benchmarks/byte_shares.py [--rates 0.1 0.2 0.3 0.5]

Symbols are counted in what a container decodes to, codes are read from its heads: the bits of a part are those of its
symbols and of the raw bits after them. There is no class map without regions.

- `heads`: the header, and of each stage the head with weights, index and crcs; `codes`: own codes; `mask`: padding.
- Of stage 1 `dc_symbols` (with runs), `dc_signs`, `dc_bits` (raw bits of runs and residuals).
- Of later stages, and of a DC image, `block_headers` (mode and count), `predictions`, `tokens` (run and size),
  `run_bits`, `signs`, `magnitude_bits`.
- `rest`: zero bits at the ends of sub-streams, range codes of palette cells.

`one_byte` is the share of sub-streams of one byte, `empty` that of the bytes that these cost with their index and crcs.
Rows are without prediction and, where effort 3 chooses it, with it.
`raised` is a head CT with its padding raised to air. Takes a minute. Writes results/byte_shares.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests")]

from reference.bits import BitReader  # noqa: E402
from reference.codes import DC_IMAGE, FAMILIES, MARK_BITS, PREDICTED, load_tables, read_own, stage_families  # noqa: E402
from studies import data_folder, write_rows  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from mmip_gpu.bench.rows import checksum  # noqa: E402
from mmip_gpu.bench.shared_images import middle  # noqa: E402
from mmip_gpu.container.reader import open_container  # noqa: E402
from mmip_gpu.container.transform_fields import TransformFields  # noqa: E402
from mmip_gpu.quality.metrics import format_table  # noqa: E402
from mmip_gpu.transform.analysis import empty_chunk  # noqa: E402

RATES = (0.1, 0.2, 0.3, 0.5)  # bits a sample
IMAGES = (
    "ct_ge_head_4mm",
    "ct_ge_head_4mm raised",
    "ct_picker_shoulder",
    "niivue_ct_avm",
    "nema_ct1",
    "nema_rg3",
    "mr_uih_t1_brain",
    "niivue_chris_t1",
    "mr_cardiac_cine_u8",
    "xray_tooth_projections",
)
PARTS = (
    *("heads", "codes", "mask", "dc_symbols", "dc_signs", "dc_bits"),
    *("block_headers", "predictions", "tokens", "run_bits", "signs", "magnitude_bits", "rest"),
)
_SYMBOLS = {"DC": "dc_symbols", "HEADER": "block_headers", "PREDICTION": "predictions", "TOKEN": "tokens"}
_RUNS, _ESCAPED, _ANGLE = 12, 15, 5  # class of runs of DCs; a magnitude that states its length; an angle in raw bits
Row = dict[str, Any]
Codes = dict[str, list[list[int]]]  # lengths of the classes of each family


def image(folder: Path, name: str) -> np.ndarray:
    """An image as it is coded here: the middle of a volume, sinograms of projections, padding raised if asked."""
    file, _, raised = name.partition(" ")
    array = np.load(folder / f"{file}.npy")
    if file.endswith("projections"):
        return np.ascontiguousarray(array.transpose(1, 0, 2))
    if raised:
        array = np.maximum(array, -1024)
    return middle(array) if array.ndim == 3 else array


def count_bits(symbol: int) -> int:
    """Raw bits after the symbol of a count."""
    return 0 if symbol < 8 else (symbol - 8) // 2 + 2


def magnitude_bits(size: int) -> int:
    """Raw bits after the sign of an index; of escaped sizes the fewest."""
    return 0 if size < 4 else 1 if size < 6 else size - 3 if size < _ESCAPED else 16


def raw_parts(family: str, kind: int, symbol: int) -> dict[str, int]:
    """Raw bits that follow a symbol, by part."""
    if family == "DC":
        if kind == _RUNS:
            return {"dc_bits": count_bits(symbol)}
        return {"dc_signs": min(symbol, 1), "dc_bits": max(symbol - 1, 0)}
    if family == "PREDICTION":
        return {"predictions": 5 * (symbol == _ANGLE)}
    if family == "HEADER":
        return {"block_headers": count_bits(symbol % 32)}
    run, size = divmod(symbol, 16)
    return {"run_bits": count_bits(run), "signs": 1, "magnitude_bits": magnitude_bits(size)}


def family_bits(family: str, codes: list[list[int]], counts: np.ndarray) -> Counter[str]:
    """Bits of all symbols of a family with their raw bits, by part."""
    found: Counter[str] = Counter()
    part = _SYMBOLS[family]
    for kind, symbol in zip(*np.nonzero(counts), strict=True):
        count, lengths = int(counts[kind, symbol]), codes[kind]
        listed = sum(map(bool, lengths)) > 1
        escaped = lengths[symbol] == 0
        length = (lengths[-1] if escaped else lengths[symbol]) if listed else 0
        found[part] += count * (length + (FAMILIES[family][2] if escaped else 0))
        for name, bits in raw_parts(family, int(kind), int(symbol)).items():
            found[name] += count * bits
    return found


def read_head(
    payload: memoryview, stage: int | str, substreams: int
) -> tuple[dict[str, list[list[int]]], int, np.ndarray]:
    """Code lengths of each family, bits of all own codes, and the bytes of each sub-stream."""
    end = int.from_bytes(payload[:4], "little")
    reader = BitReader(bytes(payload[:end]), 4)
    if stage in (1, DC_IMAGE) and reader.raw(1):
        reader.skip(88)
    if stage == PREDICTED:
        reader.skip(MARK_BITS)
    codes, start, tables = {}, reader.position, load_tables()
    for family in stage_families(stage):
        lengths = tables.lengths(family, stage)
        codes[family] = [read_own(reader, builtin) if reader.raw(1) else builtin for builtin in lengths]
    bits = reader.position - start
    reader.align()
    width = reader.raw(8)
    sizes = np.array([1 + reader.raw(width) for _ in range(substreams)])
    return codes, bits, sizes


def mask_bits(payload: memoryview, sizes: np.ndarray) -> int:
    """Bits of the padding masks, which begin the sub-streams of stage 1."""
    total, at = 0, int.from_bytes(payload[:4], "little")
    for size in sizes:
        reader = BitReader(bytes(payload[at : at + size]))
        if reader.raw(2) == 2:
            reader.skip(8 * (reader.gamma() - 1))
        total += reader.position
        at += size
    return total


def shares(blob: bytes) -> Row:
    """Percent of the container for each part, and what its smallest sub-streams cost."""
    header, read_part = open_container(blob)
    fields = header.fields
    assert isinstance(fields, TransformFields)
    substreams = fields.substreams(header.layout)
    chunk = empty_chunk(fields, header.layout)
    bits, empty_bits, ones, total = Counter[str](), 0.0, 0, 0
    for stage in range(1, len(fields.cuts) + 1):
        payload = memoryview(read_part(stage, 0, None))
        chunk.unpack(stage, payload, True, False, 1)
        form = DC_IMAGE if stage == 1 and fields.dc_image else PREDICTED if stage == 2 and fields.prediction else stage
        codes, code_bits, sizes = read_head(payload, form, substreams)
        bits["codes"] += code_bits
        bits["heads"] += 8 * (len(payload) - int(sizes.sum())) - code_bits
        if stage == 1 and fields.padding is not None:
            bits["mask"] += mask_bits(payload, sizes)
        for family, counts in zip(stage_families(form), chunk.count_symbols(stage, 1), strict=True):
            classes = FAMILIES[family][0]
            bits += family_bits(family, codes[family], np.reshape(counts, (classes, -1)))
        width = int(sizes.max() - 1).bit_length()
        empty_bits += int((sizes == 1).sum()) * (8 + width + 4)  # 4: its part of a crc
        ones, total = ones + int((sizes == 1).sum()), total + substreams
    bits["heads"] += 8 * (len(blob) - sum(header.payload_sizes))
    bits["rest"] = 8 * len(blob) - sum(bits.values())
    row: Row = {part: 100 * bits[part] / (8 * len(blob)) for part in PARTS}
    return row | {"substreams": total, "one_byte": 100 * ones / total, "empty": 100 * empty_bits / (8 * len(blob))}


def share_rows(rates: tuple[float, ...]) -> Iterator[Row]:
    """One row an image and rate, two where the encoder chooses prediction."""
    folder = data_folder()
    for name in IMAGES:
        if folder is None or not (folder / f"{name.split()[0]}.npy").exists():
            continue
        array = image(folder, name)
        for rate in rates:
            plain = encoded_row(array, rate, prediction=False)
            chosen = encoded_row(array, rate, prediction=None)
            for row in (plain, chosen) if chosen["prediction"] else (plain,):
                yield {"image": name, "data": checksum(array), "rate": rate} | row


def encoded_row(array: np.ndarray, rate: float, prediction: bool | None) -> Row:
    """Shares of an image that is coded at a rate, without prediction or as the encoder chooses."""
    blob = mmip.encode(array, ratio=8 * array.itemsize / rate, effort=3, prediction=prediction)
    config = mmip.inspect(blob)["config"]
    facts = {"bits": 8 * len(blob) / array.size, "depth": config["cell_depth"]}
    return facts | {key: config[key] for key in ("dc_image", "prediction")} | shares(blob)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    found = []
    for row in share_rows(tuple(parser.parse_args().rates)):
        found.append(row)
        print(format_table([row], ["image", "rate", "depth", "prediction", *PARTS, "one_byte", "empty"]), flush=True)
    write_rows("byte_shares", found)
