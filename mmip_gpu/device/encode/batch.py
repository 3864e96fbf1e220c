"""Encoding a batch of chunks where its samples are, as a table of contents: prepare, analyze, assemble.

Values: Chunk per array in the executor's memory in; QuantizedBatch, or payloads and what a header says beside them,
out. Home: device, or the CPU for tests. The steps are those of `transform.chunk.encode_chunk`, each for all chunks of a
group. They give the payloads that it gives of the same arrays; the contract of each stands beside it. Chunks of a batch
may differ in everything. Scratch: 8 bytes a sample (entries and tokens), about 30 a cell of 64 or 512 samples, 10 a
cell and stage, 96 KB a payload and copy of its histograms (at most 64 MiB unless the batch itself is larger), 4 a
sample of colour and 4 of float32; with corrections the decoded samples and 5 bytes a sample; what padding takes
(device/encode/masks.py); at efforts 2 and 3 what device/encode/search.py states, with predictions what
device/encode/closing.py does, and 4 bytes a sample more before the last pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmip_gpu._core import SEARCH_NONE
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode.analysis import analyze, source_items
from mmip_gpu.device.encode.cell_classes import cell_classes
from mmip_gpu.device.encode.chunks import Chunk, alike_chunks, check_chunks, refusal
from mmip_gpu.device.encode.closing import close_predictions, without_needless_predictions
from mmip_gpu.device.encode.component_planes import component_planes
from mmip_gpu.device.encode.dc_images import code_dc_images
from mmip_gpu.device.encode.masks import fill_padding
from mmip_gpu.device.encode.prepare import PreparedBatch, prepare_batch
from mmip_gpu.device.encode.quantized import QuantizedBatch
from mmip_gpu.device.encode.settling import fit_weights, settle_masked
from mmip_gpu.device.encode.side_information import closed_information, side_information
from mmip_gpu.device.encode.statistics import sample_statistics
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.transform.offset import sample_offset

__all__ = ["Chunk", "CodedChunk", "encode_batch", "quantize_batch", "refusal"]


@dataclass(frozen=True)
class CodedChunk:
    """Payloads of the stages, and what the header says of the chunk.

    These are the offset, by class the reconstruction points and estimated squared errors, the least and the greatest
    sample, and the reconstruction points of a DC image. With corrections, `decoded` has the planes that a decoder makes
    (of float32 samples, their indices), in the executor's memory.
    """

    payloads: list[bytes]
    offset: int
    recon: list[list[int]]
    errors: list[float]
    sample_range: tuple[float, float] = (0, 0)
    decoded: DeviceArray | None = None
    dc_recon: list[int] | None = None


def encode_batch(
    executor: Executor, chunks: Sequence[Chunk], rounding: int, *, plain: bool = False, threads: int | None = None
) -> list[CodedChunk]:
    """Code chunks together; arguments and errors are those of `quantize_batch`."""
    coded = [CodedChunk([], 0, [], [])] * len(chunks)
    for indices, quantized in quantize_batch(executor, chunks, rounding, plain=plain, threads=threads):
        for index, chunk in zip(indices, assemble_batch(quantized), strict=True):
            coded[index] = chunk
    return coded


def quantize_batch(
    executor: Executor,
    chunks: Sequence[Chunk],
    rounding: int,
    *,
    plain: bool = False,
    synthesizer: Synthesizer | None = None,
    threads: int | None = None,
) -> list[tuple[list[int], QuantizedBatch]]:
    """Do all of encoding but the entropy coding; returns quantized groups with the indices of their chunks.

    Empty chunks are in no group.

    Parameters
    ----------
    rounding : int
        Of AC indices, in 1/256 of a step.
    plain : bool
        All blocks have mode 8.
    synthesizer : Synthesizer, optional
        One whose tables are there already.
    threads : int, optional
        Of the host, for codes and payloads; all processors by default.

    Raises
    ------
    InvalidArgument
        For a chunk that the kernels do not encode; it is named.
    """
    check_chunks(chunks)
    synthesizer = synthesizer or Synthesizer(executor)
    quantized = []
    for group in alike_chunks(chunks):
        prepared = prepare_batch(executor, group, threads)
        classes_dev = [chunk.classes for chunk in group.chunks]
        search = (SEARCH_NONE, 1) if plain else group.chunks[0].plan.search
        quantized.append((group.indices, analyze_batch(prepared, classes_dev, rounding, search, synthesizer)))
    return quantized


@contract(reads="planes_dev; classes_dev of voxels", writes="indices_dev, masks_dev; side information")
def analyze_batch(
    prepared: PreparedBatch,
    classes_dev: Sequence[DeviceArray | None],
    rounding: int,
    search: tuple[int, int],
    synthesizer: Synthesizer,
) -> QuantizedBatch:
    """Replace samples under the padding mask, transform, choose blocks and quantize; `search` has its passes, too."""
    batch, planes_dev = prepared.batch, prepared.planes_dev
    cells_dev = cell_classes(batch, classes_dev)
    masks, filled_dev = fill_padding(batch, planes_dev, cells_dev)
    statistics = prepared.statistics if masks is None else sample_statistics(batch.executor, filled_dev)
    offsets = [sample_offset(planes, found) for planes, found in zip(filled_dev, statistics, strict=True)]
    sources = component_planes(batch, filled_dev, cells_dev, offsets)
    analyzed = analyze(batch, sources, rounding, *search, synthesizer)
    indices, sums_dev = analyzed.indices, analyzed.sums
    predicted = batch.predicted
    weights = fit_weights(batch, indices, masks) if predicted and masks is not None else None
    if masks is not None and weights is not None:
        settle_masked(batch, indices, masks, weights)
    has_dc_images = batch.shapes[0].plan.dc_image
    dc_images = code_dc_images(batch, indices, rounding, *search, synthesizer) if has_dc_images else None
    side = side_information(prepared, offsets, sums_dev, search[0], dc_images)
    floats = prepared.read_floats
    quantized = QuantizedBatch(
        batch, planes_dev, cells_dev, indices, masks, dc_images, side, floats, synthesizer, weights=weights
    )
    if predicted:
        _close(quantized, source_items(batch, sources, rounding, search[0]), analyzed.predictions)
    return quantized


def _close(quantized: QuantizedBatch, sources_dev: DeviceArray, searched_dev: DeviceArray | None) -> None:
    """Close the predictions of a batch, of which all else is done."""
    batch, synthesizer, side = quantized.batch, quantized.synthesizer, quantized.side_information
    recon = [one.recon for one in side]
    quantized.predictions, sums_dev = close_predictions(
        batch, synthesizer, sources_dev, quantized.indices, searched_dev, quantized.masks, recon
    )
    quantized.side_information = closed_information(batch, side, sums_dev, quantized.dc_images)
    quantized.batch = without_needless_predictions(batch, quantized.predictions)


@contract(reads="indices_dev, masks_dev; planes_dev", writes="payloads of the host; decoded_dev, with corrections")
def assemble_batch(quantized: QuantizedBatch) -> list[CodedChunk]:
    """Pack the stages and make corrections, of chunks that have them."""
    coded = [
        CodedChunk(payloads, **vars(side))
        for payloads, side in zip(quantized.payloads, quantized.side_information, strict=True)
    ]
    if quantized.batch.shapes[0].plan.correction is None:
        return coded
    return [
        replace(chunk, payloads=[*chunk.payloads, payload], decoded=decoded)
        for chunk, payload, decoded in zip(coded, *quantized.corrections(), strict=True)
    ]
