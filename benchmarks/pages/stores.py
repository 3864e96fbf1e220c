"""Sections on stores: whole volumes, codecs inside Zarr, Dask clusters, and what other readers make of them."""

from __future__ import annotations

from collections.abc import Sequence

from mmip_gpu.bench.measure import Row
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, paragraph, span, table


def volumes_section() -> str:
    """`mmip compress` from file to store."""
    rows = rows_of("volumes")
    lines = []
    for row in rows:
        name = f"{IMAGES[row['image']]}, {row['shape'].replace('x', ' x ')}"
        seconds = f"{float(row['seconds']):.3g}" if row["seconds"] else ""
        memory = f"{float(row['peak_memory_mb']):.0f}" if row["peak_memory_mb"] else ""
        lines.append([name, row["codec"], _ratio(float(row["ratio"])), f"{row['psnr_db']:.2f}", seconds, memory])
    return "\n".join(
        [
            heading("volumes"),
            paragraph(
                "`write_zarr(psnr=)` in a process of its own, one thread: the search for the step, verification and",
                "all passes are in the time; memory is the process's own at its peak. JPEG 2000 and HTJ2K code slice",
                "by slice at the PSNR that we reached, and only their coding is timed.",
            ),
            table(["volume", "codec", "ratio", "PSNR dB", "seconds", "MB"], lines),
            bullets(
                f"Stage 1 takes {span(first_stages(), '.0f')} % of the bytes of all stages, by volume.",
            ),
        ]
    )


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def first_stages() -> list[float]:
    """Percent of a store's bytes that the first stage takes."""
    rows = rows_of("volumes")
    sizes = {(row["image"], row["codec"]): float(row["bytes"]) for row in rows}
    return [
        100 * size / sizes[image, "mmip stage 3"] for (image, codec), size in sizes.items() if codec == "mmip stage 1"
    ]


ZARR_LABELS = {
    "mmip effort 1, its step known": "mmip effort 1, `qstep=`, `cell_depth=8`",
    "mmip effort 1, cell_depth 8": "mmip effort 1, `cell_depth=8`",
}


def zarr_codecs_section() -> str:
    """Rates through Zarr."""
    rows = rows_of("zarr_codecs")
    lines = []
    for row in rows:
        shares = [float(row[f"{name}_share"]) for name in ("write", "read") if row[f"{name}_share"]]
        lines.append(
            [
                ZARR_LABELS.get(row["codec"], row["codec"]),
                row["chunks"],
                f"{float(row['ratio']):.1f}",
                "exact" if row["psnr_db"] > 1000 else f"{row['psnr_db']:.1f}",
                f"{row['write_mb_s']:.0f}",
                f"{row['read_mb_s']:.0f}",
                " / ".join(f"{share:.2f}" for share in shares),
            ]
        )
    first = rows[0]
    return "\n".join(
        [
            heading("zarr_codecs"),
            paragraph(
                f"{float(first['megabytes']):.0f} MB of the {IMAGES[first['image']]} in memory stores, written and",
                f"read whole with {first['threads']} threads, Zarr {first['zarr']}; ours with `psnr=` (each chunk",
                "searches for its step) unless `qstep=` is named, and with `verify=False`. Share: of the rate of",
                "`encode_batch` / `decode_batch` on the same chunks, in turns with them.",
            ),
            table(["codec", "chunks", "ratio", "dB", "write MB/s", "read MB/s", "share"], lines),
            bullets(f"To try both depths of cells takes {depth_share():.0f} % of the time of writing at effort 1."),
        ]
    )


def depth_share() -> float:
    """Percent of the time of writing that `cell_depth=` saves at effort 1."""
    rate = {row["codec"]: row["write_mb_s"] for row in rows_of("zarr_codecs")}
    return 100 * (1 - rate["mmip effort 1"] / rate["mmip effort 1, cell_depth 8"])


def _of(rows: Sequence[Row], study: str) -> list[Row]:
    return [row for row in rows if row["study"] == study]


def dask_figures() -> str:
    """What a cluster costs, as measured.md and cluster.md say it."""
    rows = rows_of("dask_jobs")
    one, two = (row for row in _of(rows, "scaling") if row["source"] == "phantom3d")
    real = [f"{float(row['mb_s_job']):.0f}" for row in _of(rows, "scaling") if row["source"] != "phantom3d"]
    apart, together = _of(rows, "tasks")
    (volume,), (model,) = _of(rows, "volume"), _of(rows, "model")
    time = float(two["seconds"]) / float(one["seconds"])
    peaks = ", ".join(f"{float(r['peak_mb']):.0f} MB at {int(r['chunks']):,} chunks" for r in _of(rows, "memory"))
    coding, handing = float(model["coding_seconds"]), float(model["handing_out_seconds"])
    most = 10 * round(float(model["workers"]) * coding / handing / 10)
    return bullets(
        f"**Two workers** on two cores, with the scheduler and the client among them, take {time:.2f} of the time of "
        f"one worker. This is an efficiency of {float(two['efficiency']):.2f}, or "
        f"{float(two['efficiency_cpu']):.2f} by processor time.",
        f"**The brain MR**, side by side in a Zarr store, is written with `psnr=45` at {' and '.join(real)} MB/s by "
        "one and two workers, the plan included.",
        f"**A task** takes scheduler and client together {float(apart['serial_ms_chunk']):.1f} ms of processor time. "
        f"Small chunks go {together['chunks_a_task']} to a task, which makes {float(together['serial_ms_chunk']):.1f} "
        "ms a chunk.",
        f"**Memory of a worker**: {peaks}; {float(_of(rows, 'memory')[0]['idle_mb']):.0f} MB before the job.",
        f"**A phantom of {float(volume['volume_mb']) / 1e3:.0f} GB**, made chunk by chunk, takes "
        f"{float(volume['peak_mb']) / 1e3:.2f} GB of memory in {volume['workers']} workers together.",
        f"**A model** of {float(model['volume_mb']) / 1e6:.0f} TB on {model['workers']} workers of one thread: "
        f"{coding / 60:.0f} minutes of coding at {float(one['mb_s_worker']):.0f} MB/s each, while handing out tasks "
        f"keeps one core busy for {handing / 60:.0f} minutes. Coding decides up to about {most} such workers. The "
        f"model assumes {model['assumes']}.",
    )


def dask_jobs_section() -> str:
    """A cluster of this machine."""
    return "\n".join(
        [
            heading("dask_jobs"),
            paragraph("`write_zarr(client=)` at quality 10 and effort 1 on a cluster of one machine with two cores."),
            dask_figures(),
        ]
    )


def first_look() -> str:
    """Raw data a second that the first look at the last level gets through, by depth of cells."""
    rates = {}
    for row in rows_of("viewers"):
        if row["checked"].startswith("first look"):
            depth = row["checked"].split("depth ")[1].split(",")[0]
            rates[depth] = float(row["result"].removesuffix(" MB/s")) / 1e3
    return f"{rates['8']:.0f} GB a second with 3D cells and {rates['1']:.1f} GB with 2D cells"


def viewers_section() -> str:
    """Who opens what is served and exported."""
    rows = [row for row in rows_of("viewers") if row["place"]]
    clients: dict[str, list[Row]] = {}
    for row in rows:
        clients.setdefault(f"{row['client']} {row['version']}", []).append(row)
    points = []
    for client, own in clients.items():
        places = ", ".join(f"{row['place']}: {row['result']}" for row in own)
        points.append(f"**{client}**, {places}. Checked: {own[0]['checked']}.")
    return "\n".join(
        [
            heading("viewers"),
            paragraph(
                "A phantom of five levels, opened as `mmip serve` serves it and as `mmip export` writes it; samples",
                "and pictures are compared with ours.",
            ),
            bullets(
                *points,
                "**First look** at the last level, which rests on stage 1 of the whole store: one core gets through "
                f"{first_look()} of a phantom.",
            ),
        ]
    )


def store_rates_section() -> str:
    """Rates of whole stores by size, chunk shape, threads and flushes."""
    rows = rows_of("store_rates")
    columns = ["write_wall_mb_s", "write_cpu_mb_s", "read_wall_mb_s", "read_cpu_mb_s"]
    lines = [
        [
            row["study"],
            f"{float(row['megabytes']):.0f}",
            row["chunks"].replace("x", " x "),
            row["threads"],
            "yes" if row["durable"] == "True" else "no",
            f"{float(row['bits_per_sample']):.3f}",
            *(f"{float(row[column]):.0f}" for column in columns),
        ]
        for row in rows
    ]
    head = ["by", "MB", "chunks", "threads", "flushed", "bits/sample"]
    head += ["write", "write, processor", "read", "read, processor"]
    return "\n".join(
        [
            heading("store_rates"),
            paragraph(
                "MB/s of writing and reading a whole store of a phantom at a known step, effort 1, by the clock and by",
                "processor time: what `write_zarr` and `open_zarr` take together. `flushed` is `durable=`.",
            ),
            table(head, lines),
        ]
    )
