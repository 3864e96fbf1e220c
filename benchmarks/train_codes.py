"""Train the built-in codes; writes rules/corrections/correction_codes.h and, with --data, rules/tokens/builtin_codes.h.

    python benchmarks/train_codes.py --data FOLDER

The codes of the corrections come from seeded noise alone. The others, and the map of token contexts to classes, are
counted: FOLDER holds the images that split.json names under "train" (missing ones are skipped and listed); seeded
synthetic volumes are added, since the split has little 3D material. Only symbol counts are derived from the images. The
codes in the package are older than the split: the images that it lists under "test_since" were among theirs.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmip_gpu import _core
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.analysis import analyze, empty_chunk, prepare
from mmip_gpu.transform.plan import ChunkPlan, tile_log2
from mmip_gpu.volume.axes import PlaneLayout

HERE = Path(__file__).parent
RULES = HERE.parent / "mmip_gpu" / "rules"
STEP_SHARES = (0.004, 0.01, 0.025, 0.06, 0.15)  # of the central 98 % of the data range
SYMBOLS_PER_RUN = 40_000.0  # a longer run weighs as much as this many symbols
AC_SYMBOLS_PER_RUN = 4_000.0  # the same of headers and tokens: where there are many, own codes pay
COUNTS = {
    "dc": (_core.DC_CLASSES, _core.DC_ALPHABET),
    "header2": (_core.HEADER_CLASSES, _core.HEADER_ALPHABET),
    "header3": (_core.HEADER_CLASSES, _core.HEADER_ALPHABET),
    "token": (_core.TOKEN_CONTEXTS, _core.TOKEN_ALPHABET),
}
FREQUENT = 100  # symbols by which contexts are told apart
ESCAPE_BITS = {"dc": 5, "header2": 8, "header3": 8, "token": 9}
RESIDUAL_SCALES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.2, 3.3, 5.0, 8.0, 14.0, 25.0, 50.0)
NOTE = "written by benchmarks/train_codes.py, do not edit."


def synthetic_volumes() -> list[np.ndarray]:
    """Power-law fields with noise, seeded: what isotropic 3D data looks like to a transform."""
    volumes = []
    frequency = [np.fft.fftfreq(n) for n in (32, 128, 128)]
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*frequency, indexing="ij"))) + 1 / 256
    for seed, (slope, noise) in enumerate([(2.0, 0.0), (2.5, 0.02), (3.0, 0.01), (3.0, 0.05), (3.5, 0.005)]):
        rng = np.random.default_rng(seed)
        spectrum = np.fft.fftn(rng.normal(size=radius.shape)) * radius**-slope
        field = np.real(np.fft.ifftn(spectrum))
        field = field / field.std() + noise * rng.normal(size=field.shape) * 4
        volumes.append(np.clip(np.rint(2000 + 500 * field), 0, 65535).astype(np.uint16))
    return volumes


def synthetic_edges() -> list[np.ndarray]:
    """The fields above a threshold on a flat ground, as thresholded angiograms are: hard edges, for palette cells."""
    return [np.where(v > 2400, v, 0).astype(np.uint16) for v in synthetic_volumes()[1:4]]


def training_set(folder: Path) -> list[tuple[str, np.ndarray, str, int]]:
    """(name, array, axes, cell depth) of everything to count."""
    split = json.loads((HERE / "split.json").read_text())
    runs = []
    for name in split["train"] + split["train_colour"]:
        path = folder / f"{name}.npy"
        if not path.exists():
            print(f"missing, skipped: {path.name}")
            continue
        array = np.load(path)
        if name in split["train_colour"]:
            runs.append((name, array[:4], "nyxc", 1))
        elif array.ndim == 2:
            runs.append((name, array, "yx", 1))
        elif name == "micro_stardist3d":
            runs += [(name, array, "zyx", 8), (name, array, "zyx", 1)]
        else:
            runs.append((name, array, "nyx", 1))
    runs += [(f"field{i}", v, "zyx", 8) for i, v in enumerate(synthetic_volumes())]
    runs += [(f"edges{i}", v, "zyx", depth) for i, v in enumerate(synthetic_edges()) for depth in (1, 8)]
    return runs


def plans(array: np.ndarray, axes: str, depth: int) -> list[ChunkPlan]:
    """Plans over the range of rates, lossless last."""
    spread = float(np.percentile(array, 99) - np.percentile(array, 1))
    config = CodecConfig("quality", 10.0, effort=2)
    colour = "c" in axes
    tiles = tile_log2(depth, PlaneLayout.of(array.shape, axes).volume, 1.0)
    base = ChunkPlan(config, axes, colour, depth, tiles, config.stage_cuts(depth), ((256,),), (0,))
    steps = sorted({max(share * spread, 0.5) for share in STEP_SHARES})
    lossless = CodecConfig("lossless", 0.0)
    return [base.with_step(s) for s in steps] + [replace(base, config=lossless).with_step(1.0)]


def collect(runs: list[tuple[str, np.ndarray, str, int]]) -> dict[str, np.ndarray]:
    """Weighted symbol counts of all runs."""
    total = {k: np.zeros(shape) for k, shape in COUNTS.items()}
    for name, array, axes, depth in runs:
        for plan in plans(array, axes, depth):
            chunk = analyze(prepare(array, plan, 2), plan, None).chunk
            found = {
                "dc": chunk.count_symbols(1, 2)[0],
                "header2": chunk.count_symbols(2, 2)[0],
                "header3": chunk.count_symbols(3, 2)[0],
                "token": np.add(chunk.count_token_contexts(2, 2), chunk.count_token_contexts(3, 2)),
            }
            for key, values in found.items():
                counts = np.asarray(values, float).reshape(COUNTS[key])
                enough = SYMBOLS_PER_RUN if key == "dc" else AC_SYMBOLS_PER_RUN
                total[key] += counts * min(1.0, enough / max(counts.sum(), 1.0))
        print(f"counted {name} {array.shape} depth {depth}", flush=True)
    return total


def correction_counts() -> np.ndarray:
    """Symbol counts of correction indices: Gaussian and Laplacian noise, white or smoothed, whole or beside zeros."""
    rng = np.random.default_rng(1)
    shape = (1, 256, 256)
    plan = ChunkPlan(CodecConfig("max_error", 1.0), "zyx", False, 1, (0, 4, 4), (0, 63), ((256,),), (0,))
    total = np.zeros((_core.CORRECTION_CLASSES, _core.CORRECTION_ALPHABET))
    for scale in RESIDUAL_SCALES:
        for noise in (rng.normal(size=shape), rng.laplace(scale=0.7, size=shape)):
            for smoothing, share in ((0.0, 1.0), (0.0, 0.5), (0.6, 1.0), (1.2, 1.0), (1.2, 0.5)):
                weight = np.exp(-(np.fft.fftfreq(256)[:, None] ** 2 + np.fft.fftfreq(256) ** 2) * 20 * smoothing**2)
                field = np.real(np.fft.ifft2(np.fft.fft2(noise) * weight))
                indices = np.rint(field * scale / field.std()).astype(np.int32)
                indices[:, int(256 * share) :] = 0
                counts = np.reshape(
                    empty_chunk(plan, PlaneLayout.of(shape, "zyx")).count_corrections(indices, 2), total.shape
                )
                total += counts * min(1.0, SYMBOLS_PER_RUN / max(counts.sum(), 1.0))
    return total


def entropy(counts: np.ndarray) -> np.ndarray:
    """Bits of an ideal code, per row."""
    sums = counts.sum(-1, keepdims=True)
    share = counts / np.maximum(sums, 1e-300)
    return -(counts * np.log2(np.where(counts > 0, share, 1.0))).sum(-1)


def cluster(counts: np.ndarray, classes: int) -> np.ndarray:
    """Class of each context: merge the pair that costs fewest bits until `classes` are left, then reassign."""
    order = counts.sum(0).argsort()[::-1]
    sums = np.concatenate([counts[:, order[:FREQUENT]], counts[:, order[FREQUENT:]].sum(1, keepdims=True)], 1)
    own, label, alive = entropy(sums), np.arange(len(counts)), np.ones(len(counts), bool)
    cost = np.full((len(counts), len(counts)), np.inf)  # of merging i and j > i
    for i in range(len(counts) - 1):
        cost[i, i + 1 :] = entropy(sums[i] + sums[i + 1 :]) - own[i] - own[i + 1 :]
    for _ in range(len(counts) - classes):
        i, j = np.unravel_index(int(cost.argmin()), cost.shape)
        label[label == j] = i
        sums[i] += sums[j]
        own[i], alive[j], alive[i] = entropy(sums[i]), False, False
        cost[j], cost[:, j] = np.inf, np.inf
        others = np.flatnonzero(alive)
        cost[np.minimum(others, i), np.maximum(others, i)] = entropy(sums[i] + sums[others]) - own[i] - own[others]
        alive[i] = True
    label = np.searchsorted(np.flatnonzero(alive), label)
    for _ in range(10):
        sums = np.stack([counts[label == k].sum(0) for k in range(classes)]) + 1e-3 * counts.sum(0) / counts.sum()
        bits = -np.log2(sums / sums.sum(1, keepdims=True))
        label = (counts @ bits.T).argmin(1)
    return label


def built_in_code(counts: np.ndarray, escape_bits: int) -> list[int]:
    """Lengths of a code of at most 12 bits with an escape, listing the symbols that make it cheapest."""
    order = np.argsort(-counts, kind="stable")
    best: tuple[float, list[int]] = (np.inf, [])
    for listed in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, len(counts)):
        chosen = order[: min(listed, len(counts))]
        weights = np.zeros(len(counts) + 1)
        weights[chosen] = np.maximum(counts[chosen], 1e-3)
        weights[-1] = max(counts.sum() - counts[chosen].sum(), 1e-3)
        lengths = _core.code_lengths([round(w * 1024) + (w > 0) for w in weights], _core.CODE_LIMIT)
        cost = float((counts * np.where(np.array(lengths[:-1]) > 0, lengths[:-1], lengths[-1] + escape_bits)).sum())
        if cost < best[0]:
            best = cost, lengths
    return best[1]


def table(name: str, dims: str, rows: list[list[int]]) -> str:
    """One C array."""
    body = "\n".join("    {" + ", ".join(map(str, row)) + "}," for row in rows)
    return f"MMIP_TABLE uint8_t {name}{dims} = {{\n{body}\n}};\n"


def codes(counts: np.ndarray, escape_bits: int) -> list[list[int]]:
    """Code of every class; what all classes have in common counts a little."""
    prior = counts.sum(0) / counts.sum()
    return [built_in_code(row + prior * max(2.0, 0.002 * row.sum()), escape_bits) for row in counts]


def correction_text(counts: np.ndarray) -> str:
    """correction_codes.h."""
    return (
        f"// Built-in code lengths of the corrections; {NOTE}\n"
        "// Values: lengths 0 (not listed) to 12, the escape last. Host and device. FORMAT.md section 7.1.\n"
        '#pragma once\n\n#include "format.h"\n\nnamespace MMIP_NS {\n\n'
        + table("kCorrectionLengths", "[48][129]", codes(counts, _core.CORRECTION_ESCAPE_BITS))
        + "\n}  // namespace MMIP_NS\n"
    )


def header_text(total: dict[str, np.ndarray]) -> str:
    """builtin_codes.h."""
    label = cluster(total["token"] + 1e-9, _core.TOKEN_CLASSES)
    token = np.stack([total["token"][label == k].sum(0) for k in range(_core.TOKEN_CLASSES)])

    headers = "".join(
        "    {\n"
        + "\n".join("        {" + ", ".join(map(str, row)) + "}," for row in codes(total[key], ESCAPE_BITS[key]))
        + "\n    },\n"
        for key in ("header2", "header3")
    )
    classes = "\n".join("    " + ", ".join(map(str, label[i : i + 56])) + "," for i in range(0, len(label), 56))
    return (
        f"// Built-in code lengths, classes of the token contexts; {NOTE}\n"
        "// Values: lengths 0 (not listed) to 12, the escape last. Host and device. FORMAT.md section 7.1.\n"
        '#pragma once\n\n#include "format.h"\n\nnamespace MMIP_NS {\n\n'
        + table("kDcLengths", "[13][33]", codes(total["dc"], ESCAPE_BITS["dc"]))
        + "\nMMIP_TABLE uint8_t kHeaderLengths[2][15][257] = {\n"
        + headers
        + "};\n\n"
        + table("kTokenLengths", "[48][417]", codes(token, ESCAPE_BITS["token"]))
        + f"\nMMIP_TABLE uint8_t kTokenClass[560] = {{\n{classes}\n}};\n\n}}  // namespace MMIP_NS\n"
    )


def main() -> None:
    """Count, cluster, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of NAME.npy; without it, the codes of corrections only")
    options = parser.parse_args()
    (RULES / "corrections" / "correction_codes.h").write_text(correction_text(correction_counts()))
    if options.data is not None:
        (RULES / "tokens" / "builtin_codes.h").write_text(header_text(collect(training_set(options.data))))
    print("written: build again, and write the golden vectors anew")


if __name__ == "__main__":
    main()
