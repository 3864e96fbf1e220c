"""The coded chunk of kind 1, put together from its payloads.

Values: an analysis, or payloads and what was made on a device, in; Encoded out. Encoder side of FORMAT.md section 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmip_gpu.container.channel_fields import ChannelFields
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header, TransformHeader
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload import head_crc
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.raw import encode_raw
from mmip_gpu.transform.analysis import Analysis
from mmip_gpu.transform.corrections import encode_corrections
from mmip_gpu.transform.loss import channel_fields, loss_record, measured_error
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CodedParts", "assemble", "raw_is_smallest", "transform_header", "unless_raw_is_smaller"]


@dataclass(frozen=True)
class CodedParts:
    """What coding has made of samples: payloads (the corrections last), offset, reconstruction points by class.

    `dc_recon` are those of the DC image, None without one; `predicted` says whether any block was predicted.
    """

    payloads: Sequence[bytes]
    offset: int
    recon: Sequence[Sequence[int]]
    dc_recon: tuple[int, int, int] | None = None
    predicted: bool = False


def assemble(analysis: Analysis, plan: ChunkPlan, *, allow_raw: bool) -> Encoded:
    """Pack the stages, make corrections, measure the loss; `plan` is that of the analysis but for what comes after it.

    With `allow_raw` a chunk that would grow is kept as it is.
    """
    chunk, prepared, payloads = analysis.chunk, analysis.prepared, list(analysis.payloads())
    decoded = reached = None
    if plan.correction is not None:
        decoded = analysis.take_decoded()
        payloads.append(encode_corrections(chunk, prepared.planes, decoded, plan.correction_errors, prepared.threads))
        reached = measured_error(prepared.original, decoded, plan.config.step, prepared.threads)
    elif plan.config.verify:
        decoded = analysis.decoded() if plan.units else None
        reached = analysis.reached()
    array = prepared.array
    loss = loss_record(plan, array.size, prepared.limits, sum(analysis.errors), reached)
    image = chunk.dc_recon if plan.dc_image else None
    parts = CodedParts(payloads, analysis.offset, chunk.recon, image, chunk.predicted)
    channels = channel_fields(plan, prepared.original, loss, decoded) if plan.units else None
    header = transform_header(parts, plan, array.dtype.name, prepared.layout, loss, channels)
    encoded = Encoded(header, tuple(payloads))
    return unless_raw_is_smaller(encoded, lambda: encode_raw(array, plan)) if allow_raw else encoded


def transform_header(
    parts: CodedParts,
    plan: ChunkPlan,
    dtype: str,
    layout: PlaneLayout,
    loss: LossRecord,
    channels: ChannelFields | None = None,
) -> TransformHeader:
    """Header of a chunk of kind 1; its loss record holds what the channels add up to."""
    if channels is not None:
        loss = channels.joined(loss)
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
        prediction=parts.predicted,
        slice_axis=None if layout.slice_axis == "z" else layout.slice_axis,
        channels=channels,
    )
    return Header(dtype, layout, plan.colour, loss, fields, plan.config.step)


def unless_raw_is_smaller(encoded: Encoded, raw: Callable[[], Encoded]) -> Encoded:
    """A coded chunk, or what `raw` makes where the samples as they are take fewer bytes."""
    header = encoded.header
    if header.channel_losses:  # which samples as they are do not need
        fields = replace(header.fields, channels=None, steps=tuple(row[:1] for row in header.fields.steps))
        header = replace(header, fields=fields)
    return raw() if encoded.size > header.raw_bytes + len(header.to_bytes()) else encoded


def raw_is_smallest(layout: PlaneLayout, item_bytes: int, stages: int) -> bool:
    """Whether samples as they are take fewer bytes than any coded chunk of them.

    Of every plane a stage has a sub-stream, which is a byte at least, and every four have a crc (FORMAT.md section 6).

    Examples
    --------
    >>> raw_is_smallest(PlaneLayout.of((1000, 1, 2), "tyx"), 2, 3), raw_is_smallest(PlaneLayout.of((1000, 1, 2)), 2, 3)
    (True, False)
    """
    return layout.samples * item_bytes <= 2 * layout.planes * stages
