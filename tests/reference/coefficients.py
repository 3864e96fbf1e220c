"""What the sub-streams say, as arrays: the common currency of decoder, encoder and tests.

Values: integers on the grid of cells (P, gz, gy, gx) of the whole array.
FORMAT.md sections 3, 5 and 10 (store layout). No rule of coding lives here.
"""

from dataclasses import dataclass, field

import numpy as np

from .geometry import AC_PER_CELL, BLOCKS, block_cells


@dataclass
class Coefficients:
    """Classes and DC indices, int64 (P, gz, gy, gx), and the blocks of the later stages.

    stages[s - 2] describes stage s = 2, 3, ..: a dictionary from the first cell (plane, z, y, x) of every
    coded block to (mode, q); q is int64 of length m * (c_s - c_{s-1}), and q[j] stands at scan position
    m * c_{s-1} + j. Empty blocks of a later stage cover cells and say nothing of their modes.
    mask, with padding: bool (P, z, y, x), a bit for every sample of the grid's cells.
    image, with a DC image: its own classes, DC indices and one stage of blocks; dc then holds the D, its samples.
    predictions: those of blocks that have one, by the block's first cell.
    corrections is None or the indices of section 8.3, int64 (P, Z, Y, X).
    """

    classes: np.ndarray
    dc: np.ndarray
    stages: list = field(default_factory=list)
    mask: np.ndarray | None = None
    corrections: np.ndarray | None = None
    image: "Coefficients | None" = None
    predictions: dict = field(default_factory=dict)
    spectra: dict = field(default_factory=dict)  # by plane, what synthesis.py found of them once

    def modes(self, depth):
        """The mode of every cell: that of stage 2, or 0 without stage 2."""
        modes = np.zeros(self.dc.shape, np.int64)
        for (plane, *cell), (mode, _) in self.stages[0].items() if self.stages else ():
            for z, y, x in block_cells(cell, depth, mode):
                modes[plane, z, y, x] = mode
        return modes

    def first(self, stages):
        """What the first stages alone say."""
        corrections = self.corrections if stages > 1 + len(self.stages) else None
        known = self.classes, self.dc, self.stages[: stages - 1], self.mask, corrections, self.image
        return Coefficients(*known, *((self.predictions, self.spectra) if stages > 1 else ()))

    def equals(self, other):
        if len(self.stages) != len(other.stages):
            return False
        same = np.array_equal(self.classes, other.classes) and np.array_equal(self.dc, other.dc)
        same = same and np.array_equal(self.corrections, other.corrections)
        same = same and self.predictions == other.predictions
        same = same and (self.image is None) == (other.image is None)
        same = same and (self.image is None or self.image.equals(other.image))
        same = same and (self.mask is None) == (other.mask is None)
        same = same and (self.mask is None or np.array_equal(self.mask, other.mask))
        for mine, theirs in zip(self.stages, other.stages, strict=True):
            same = same and mine.keys() == theirs.keys()
            same = same and all(mode == theirs[key][0] for key, (mode, _) in mine.items())
            same = same and all(np.array_equal(q, theirs[key][1]) for key, (_, q) in mine.items())
        return bool(same)

    def mask_columns(self, depth):
        """int32 (P, gz, gy, gx, 2 depth): 32 bits of a slice of a cell each."""
        planes, gz, gy, gx = self.dc.shape
        cells = self.mask.reshape(planes, gz, depth, gy, 2, 4, gx, 8).transpose(0, 1, 3, 6, 2, 4, 5, 7)
        words = cells.reshape(planes, gz, gy, gx, 2 * depth, 32) * (1 << np.arange(32, dtype=np.int64))
        return words.sum(axis=-1).astype(np.uint32).view(np.int32)

    def store(self, depth, edges):
        """The int32 arrays stage_1, stage_2, .. of section 10."""
        first = np.stack([self.classes, self.dc], axis=-1).astype(np.int32)
        if self.mask is not None:
            first = np.concatenate([first, self.mask_columns(depth)], axis=-1)
        if self.image is not None:
            own, blocks = self.image.store(1, (0, AC_PER_CELL[1]))
            first = np.concatenate([blocks[..., :1], own[..., 1:], blocks[..., 1:]], axis=-1)
        arrays = [first]
        for index, stage in enumerate(self.stages):
            width = edges[index + 1] - edges[index]
            array = np.zeros((*self.dc.shape, 1 + width), np.int32)
            for (plane, *cell), (mode, q) in stage.items():
                cells = BLOCKS[depth, mode].cell_count
                shown = mode if index == 0 or np.any(q) else 0
                shown += 0 if index else 256 * self.predictions.get((plane, *cell), 0)
                for j, (z, y, x) in enumerate(block_cells(cell, depth, mode)):
                    array[plane, z, y, x, 0] = shown
                    array[plane, z, y, x, 1:] = q[j::cells]
            arrays.append(array)
        return arrays
