"""The coded chunk of kind 1, put together from its payloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload import head_crc
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["CodedParts", "assembled", "transform_header"]


@dataclass(frozen=True)
class CodedParts:
    """What coding has made of samples: payloads (the corrections last), offset, reconstruction points by class.

    `dc_recon` are those of the DC image, None without one.
    """

    payloads: Sequence[bytes]
    offset: int
    recon: Sequence[Sequence[int]]
    dc_recon: tuple[int, int, int] | None = None


def transform_header(parts: CodedParts, plan: ChunkPlan, dtype: str, layout: PlaneLayout, loss: LossRecord) -> Header:
    """Header of a chunk of kind 1."""
    fields = TransformFields(
        depth=plan.depth,
        tile_log2=plan.tile_log2,
        offset=parts.offset,
        recon=tuple((d[0], d[1], d[2]) for d in parts.recon),
        reversible=plan.reversible,
        steps=plan.steps,
        cuts=plan.cuts,
        stage_bytes=tuple(len(p) for p in parts.payloads),
        stage_crcs=tuple(head_crc(p) for p in parts.payloads),
        correction=plan.correction,
        padding=plan.padding,
        dc_image=parts.dc_recon,
    )
    return Header(dtype, layout, plan.colour, loss, fields, step=plan.config.step)


def assembled(header: Header, parts: CodedParts, raw: Callable[[], Encoded] | None) -> Encoded:
    """The coded chunk; what `raw` makes where that is given and smaller than the samples coded."""
    encoded = Encoded(header, tuple(parts.payloads))
    if raw is not None and encoded.size > header.raw_bytes + len(header.to_bytes()):
        return raw()
    return encoded
