"""Soft compression: lossless coding by codes and shapes that were mined from images of the same kind.

Values: training images in, a `Codebook` out; arrays and a codebook in, containers of kind 4 out. `mmip_gpu.decode`
reads them. Implements FORMAT.md sections 1 (kind 4) and 8.11. The stages of the original: `prepare` (folders of a
protocol), `find_shapes`, `make_codebook` (both are `train_codebook`), `encode`, decoding, `evaluate`.
"""

from __future__ import annotations

from mmip_gpu.soft.codebook import Codebook
from mmip_gpu.soft.coding import encode
from mmip_gpu.soft.evaluation import Evaluation, evaluate
from mmip_gpu.soft.library import codebook_folders, find_codebook, register_codebook
from mmip_gpu.soft.protocols import PROTOCOLS, prepare
from mmip_gpu.soft.training import find_shapes, make_codebook, train_codebook

__all__ = [
    "PROTOCOLS",
    "Codebook",
    "Evaluation",
    "codebook_folders",
    "encode",
    "evaluate",
    "find_codebook",
    "find_shapes",
    "make_codebook",
    "prepare",
    "register_codebook",
    "train_codebook",
]
