"""The quantized chunks of a batch, and what is asked of them: payloads, errors after decoding, corrections.

Values: Indices with the planes that they were made of in; payload bytes and sums of errors on the host out. Encoder
side of FORMAT.md. Guarantees the numbers and bytes that the core finds for each chunk. What is asked of one chunk is
found for all of them, with shared launches, once. Bits are written only where bytes are asked for. Planes are decoded
only where errors are asked for; `Synthesizer` makes them bit for bit as a decoder does.

Held as long as the object: about 6 bytes a sample and 8 a cell (Indices), what padding takes, copies of planes that are
not C-ordered, 4 bytes a sample of float32 and 4 of R2 with predictions. Decoded planes are dropped when they are
measured. Scratch beside theirs: with several quality classes a copy of the samples, and 2 bytes for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.device.decode.synthesis import Reconstruction, Synthesizer
from mmip_gpu.device.encode.corrections import encode_corrections
from mmip_gpu.device.encode.dc_images import DcImages
from mmip_gpu.device.encode.masks import PaddingMasks
from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.encode.side_information import SideInformation
from mmip_gpu.device.encode.statistics import differences
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices, Predictions
from mmip_gpu.transform.loss import measured_error

__all__ = ["QuantizedBatch"]


@dataclass(eq=False)
class QuantizedBatch:
    """The chunks of one launch, of which all have corrections or none, and all a DC image or none.

    By chunk: `planes_dev`, C-ordered, of integers (the indices of float32 samples); `cells_dev`, the class of every
    cell or None; `read_floats`, which gives the planes of float32 samples in host memory. `predictions` are there where
    blocks may have some, which the shapes of `batch` say; `weights` of DC prediction where masked blocks are settled.
    """

    batch: Batch
    planes_dev: Sequence[DeviceArray]
    cells_dev: Sequence[DeviceArray | None]
    indices: Indices
    masks: PaddingMasks | None
    dc_images: DcImages | None
    side_information: Sequence[SideInformation]
    read_floats: Sequence[Callable[[], NDArray[Any]] | None]
    synthesizer: Synthesizer
    predictions: Predictions | None = None
    weights: list[list[int]] | None = None

    @cached_property
    def payloads(self) -> list[list[bytes]]:
        """The payloads of all stages of every chunk but the corrections."""
        near = self.predictions.near if self.predictions is not None and self.batch.predicted else None
        found = pack(self.batch, self.indices, self.masks, predictions=near, weights=self.weights)
        if self.dc_images is None:
            return found
        firsts = pack(self.dc_images.batch, self.dc_images.indices)
        return [[*first, *rest] for first, rest in zip(firsts, found, strict=True)]

    def decoded(self) -> list[DeviceArray]:
        """The planes that a decoder makes of `payloads`, packed or not: blocks that packing changes are masked."""
        points = [
            Reconstruction(p.dtype, s.offset, s.recon)
            for p, s in zip(self.planes_dev, self.side_information, strict=True)
        ]
        mask = None if self.masks is None else self.masks.mask
        return self.synthesizer.planes(self.batch, self.indices, points, mask, self.predictions)

    def corrections(self) -> tuple[list[bytes], list[DeviceArray]]:
        """(last payload of every chunk, planes that a decoder makes with it); all chunks have corrections."""
        decoded_dev = self.decoded()
        return encode_corrections(self.batch, self.planes_dev, decoded_dev), decoded_dev

    @cached_property
    def corrected(self) -> list[tuple[bytes, tuple[float, float]]]:
        """(last payload, what `transform.loss.measured_error` finds with it) of every chunk."""
        payloads, decoded = self.corrections()
        reached = self._float_errors(decoded)
        exact = [i for i in range(len(decoded)) if i not in reached]
        if exact:
            pairs = [self.planes_dev[i] for i in exact], [decoded[i] for i in exact]
            reached |= dict(zip(exact, differences(self.batch.executor, *pairs), strict=True))
        return [(payload, reached[i]) for i, payload in enumerate(payloads)]

    def class_errors(self, chunk: int) -> list[float]:
        """Sum of squared errors in each class of a chunk; of float32 samples that of their indices."""
        (total, _), *others = self._differences[chunk]
        rest = [squares for squares, _ in others]
        absent = len(self.batch.shapes[chunk].plan.steps) - 1 - len(rest)
        return [float(total - sum(rest)), *map(float, rest), *[0.0] * absent]

    def reached(self, chunk: int) -> tuple[float, float]:
        """(sum of squared errors, largest error) of a chunk, as `transform.loss.measured_error`."""
        return self._differences[chunk][0] if self.read_floats[chunk] is None else self._reached_floats[chunk]

    @cached_property
    def _differences(self) -> list[list[tuple[int, int]]]:
        """`statistics.differences` of all samples of every chunk, then of those in class 1, 2, .. alone."""
        executor, decoded = self.batch.executor, self.decoded()
        found = [[one] for one in differences(executor, self.planes_dev, decoded)]
        classes = [self._class_of_samples(chunk) for chunk in range(len(decoded))]
        counts = [1 if c is None else len(s.plan.steps) for c, s in zip(classes, self.batch.shapes, strict=True)]
        for c in range(1, max(counts)):
            with_class = [i for i, count in enumerate(counts) if c < count]
            planes = [self.planes_dev[i].reshape(decoded[i].shape) for i in with_class]
            others = [
                executor.contiguous(np.where(classes[i] == c, decoded[i], original))
                for i, original in zip(with_class, planes, strict=True)
            ]
            for i, one in zip(with_class, differences(executor, planes, others), strict=True):
                found[i].append(one)
        return found

    def _class_of_samples(self, chunk: int) -> DeviceArray | None:
        """Class of every sample of the planes of a chunk; None where there is one."""
        cells, shape = self.cells_dev[chunk], self.batch.shapes[chunk]
        if cells is None:
            return None
        classes = cells.reshape(shape.layout.planes, *shape.grid)
        for axis, size in enumerate((shape.plan.depth, 8, 8), 1):
            classes = classes.repeat(size, axis)
        z, y, x = shape.layout.volume
        return classes[:, :z, :y, :x]

    @cached_property
    def _reached_floats(self) -> dict[int, tuple[float, float]]:
        return self._float_errors(self.decoded())

    def _float_errors(self, decoded: Sequence[DeviceArray]) -> dict[int, tuple[float, float]]:
        """Errors of float32 samples, found on the host: these sums depend on the order of their terms."""
        download = self.batch.executor.download
        return {
            index: measured_error(original(), download(decoded[index]), self.batch.shapes[index].plan.config.step)
            for index, original in enumerate(self.read_floats)
            if original is not None
        }
