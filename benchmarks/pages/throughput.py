"""throughput.md: one report of all studies of speed, in the order in which a user asks.

Values: rows in; Markdown out. Tables and figures are made from the same functions (speed_rows.py, roofline.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from mmip_gpu.bench.measure import Row
from pages.roofline import roofline_section
from pages.sections import IMAGES, SECTIONS, link, rows_of
from pages.speed_rows import (
    CALLS,
    NO_GPU,
    WAYS,
    chunk_bytes,
    cost_curves,
    cpu_rates,
    gpu_rates,
    gpu_rows,
    loads,
    numbers,
    store_cost,
    study,
)
from pages.text import anchor, bullets, paragraph, span, table

PAGE = "mmip_gpu/docs/throughput.md"
NOT_MEASURED = "not measured"


def _sources(*sections: str) -> str:
    return bullets(*(SECTIONS[section].measured() for section in sections))


def _linked(section: str) -> str:
    return link(section, SECTIONS[section].title, "measured.md")


def _rows(section: str) -> str:
    return link(section, SECTIONS[section].rows, "measured.md")


def _figure(name: str, title: str) -> str:
    return f"![{title}](../../benchmarks/results/throughput_{name}.png)\n"


def expect_section() -> str:
    """One short table: what a call takes."""
    lines = [
        [f"A chunk, {name}", *_spans(_speed_rows(codec), "{}_mb_s"), _rows("speed")]
        for name, (codec, _) in CALLS.items()
    ]
    large = [row for row in _large_chunks() if row["threads"] == "1"]
    whole = [span((2e3 / cost for cost in numbers(large, f"{way}_ns_voxel")), ".0f") for way in WAYS]
    files = [row for row in rows_of("volumes") if row["codec"].startswith("mmip") and row["encode_mb_s"]]
    stores = [row for row in study("size") if float(row["megabytes"]) > 10]
    (zarr,) = (row for row in rows_of("zarr_codecs") if row["codec"] == "mmip effort 1")
    workers = [row for row in rows_of("dask_jobs") if row["study"] == "scaling" and row["workers"] == "1"]
    lines += [
        ["`encode(quality=10)`, `decode`", *whole, _rows("scaling")],
        ["`mmip compress --psnr`, file to store", _span(files, "encode_mb_s"), "", _rows("volumes")],
        ["A store, `qstep=`"]
        + [_span(stores, f"{way}_wall_mb_s") for way in ("write", "read")]
        + [_rows("store_rates")],
        ["Zarr with our codec, `psnr=`, two cores"]
        + [_span([zarr], f"{way}_mb_s") for way in ("write", "read")]
        + [_rows("zarr_codecs")],
        ["`write_zarr(client=)`, a Dask worker", _span(workers, "mb_s_worker"), "", _rows("dask_jobs")],
        ["A GPU", *_gpu_expected(), "[below](#cpu-against-gpu)"],
    ]
    return "\n".join(
        [
            "## What to expect\n",
            paragraph(
                "MB/s (1e6 bytes of samples a second) on one core, from the slowest volume to the fastest. A chunk is",
                "one whose plan is known; other calls search for theirs, unless given `qstep=`. Few bits a sample are",
                "fast, noise is slow.",
            ),
            table(["call", "encode, write", "decode, read", "measured in"], lines),
        ]
    )


def _large_chunks() -> list[Row]:
    """16-bit chunks of a phantom that are large enough for their size not to matter."""
    rows = (row for row in rows_of("scaling") if row["source"] == "phantom3d")
    return [row for row in rows if row["dtype"] == "uint16" and float(row["mb"]) > 10]


def _speed_rows(codec: str) -> list[Row]:
    return [row for row in rows_of("speed") if row["codec"].startswith(codec)]


def _span(rows: Iterable[Row], column: str) -> str:
    return span(numbers(rows, column), ".0f")


def _spans(rows: list[Row], column: str) -> list[str]:
    return [_span(rows, column.format(way)) for way in WAYS]


def _gpu_expected() -> list[str]:
    found = [gpu_rates(mode) for _, mode in CALLS.values() if mode]
    each = [[rates[way] for rates in found if rates[way] is not None] for way in WAYS]
    return [span(rates, ".0f") if rates else NOT_MEASURED for rates in each]  # type: ignore[arg-type]


def gpu_section() -> str:
    """Calls as rows, CPU and GPU as columns."""
    lines = []
    for call, (codec, mode) in CALLS.items():
        rates = [cpu_rates(codec, 1), cpu_rates(codec, 2), *(gpu_rates(mode, place) for place in ("", "host", "cpu"))]
        lines += [[f"{way}, {call}", *(_rate(found[way]) for found in rates)] for way in WAYS]
    head = ["call", "CPU, one core", "CPU, two cores", "GPU, on the device", "GPU, from and to the host"]
    rows = gpu_rows("rates")
    ran = NO_GPU
    if rows:
        first = rows[0]
        ran = (
            f"{first['device']} beside {first['cpu']}, CuPy {first['cupy']}, commit {first['commit']}, "
            f"{first['date']}: the fastest batch of 16-bit phantoms; `gpu_rates.csv` has all sizes."
        )
    return "\n".join(
        [
            "## CPU against GPU\n",
            _sources("speed"),
            paragraph(
                "MB/s of a chunk whose plan is known. CPU: geometric means over the volumes and PSNRs of that study.",
                ran,
            ),
            table([*head, "CPU of the GPU's machine"], lines),
            _figure("rates", "Rates of coding by call"),
        ]
    )


def _rate(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f}"


def size_section() -> str:
    """Nanoseconds a sample from 1 MB to 4 GB."""
    curves = cost_curves()
    sizes = sorted({size for points in curves.values() for size in points})
    lines = [[str(size), *(f"{c[size]:.1f}" if size in c else "" for c in curves.values())] for size in sizes]
    large = _large_chunks()
    return "\n".join(
        [
            "## Cost of a voxel by size\n",
            _sources("scaling", "store_rates"),
            paragraph(
                "Nanoseconds a 16-bit sample. Columns 2 to 5: one chunk in a whole `encode(quality=10)` or `decode`,",
                "by the clock. The last two: a store at a known step, one thread, by processor time, in chunks of",
                "1 MB or less; volumes from 256 MB on repeat a phantom. Small arrays take longer, because the search",
                "and the call itself are a larger part. One chunk of 4 GB was not measured: coding it takes",
                f"{span(numbers(large, 'encode_peak_chunks'))} times its bytes in memory",
                f"({link('scaling', 'measured', 'measured.md')}), and a store has smaller chunks.",
            ),
            table(["MB", *curves], lines),
            _figure("cost", "Cost of a voxel by size"),
        ]
    )


def chunks_section() -> str:
    """By chunk shape."""
    rows = sorted(study("chunks"), key=chunk_bytes)
    lines = [
        [
            row["chunks"].replace("x", " x "),
            f"{chunk_bytes(row) / 1e3:.0f}",
            f"{float(row['bits_per_sample']):.3f}",
            *(f"{row[f'{way}_cpu_mb_s']:.0f}" for way in ("write", "read")),
            *(f"{store_cost(row, way):.1f}" for way in ("write", "read")),
        ]
        for row in rows
    ]
    small, large = rows[0], rows[-1]
    gains = [large[f"{way}_cpu_mb_s"] / small[f"{way}_cpu_mb_s"] for way in ("write", "read")]
    return "\n".join(
        [
            "## By chunk shape\n",
            _sources("store_rates"),
            paragraph(
                f"A store of {float(small['megabytes']):.0f} MB at a known step, one thread, by processor time.",
                f"{span(loads(rows))} processes wanted the two cores meanwhile.",
            ),
            table(["chunks", "KB", "bits/sample", "write MB/s", "read MB/s", "write ns", "read ns"], lines),
            bullets(
                f"Chunks of {chunk_bytes(large) / 1e6:.0f} MB are written {gains[0]:.0f} times as fast as those of "
                f"{chunk_bytes(small) / 1e3:.0f} KB and read {gains[1]:.0f} times as fast.",
            ),
            _figure("chunks", "Rates of stores by chunk shape"),
        ]
    )


def threads_section() -> str:
    """One thread and two."""
    lines = []
    for call, (codec, _) in CALLS.items():
        one, two = cpu_rates(codec, 1), cpu_rates(codec, 2)
        lines += [_gain(f"{way} a chunk, {call}", one[way], two[way]) for way in WAYS]
    large = _large_chunks()
    for way in WAYS:
        rates = [2e3 * len(own) / sum(own) for own in (_costs(large, way, threads) for threads in ("1", "2"))]
        lines.append(_gain(f"whole `{way}`, chunks of 16 MB and more", *rates))
    stores = {row["threads"]: row for row in study("threads")}
    for way in ("write", "read"):
        lines.append(_gain(f"{way} a store", *(stores[n][f"{way}_wall_mb_s"] for n in ("1", "2"))))
    return "\n".join(
        [
            "## By threads\n",
            _sources("speed", "scaling", "store_rates"),
            paragraph(
                "MB/s by the clock. A second thread gains nothing where another process has its core: while the stores",
                f"were measured, {span(loads(list(stores.values())))} processes wanted the two cores, and",
                f"{span(loads(large))} while whole calls were.",
            ),
            table(["call", "one thread", "two threads", "times as fast"], lines),
        ]
    )


def _costs(rows: list[Row], way: str, threads: str) -> list[float]:
    return numbers((row for row in rows if row["threads"] == threads), f"{way}_ns_voxel")


def _gain(call: str, one: float, two: float) -> list[str]:
    return [call, f"{one:.0f}", f"{two:.0f}", f"{two / one:.2f}"]


def workers_section() -> str:
    """Dask workers on this machine."""
    rows = [row for row in rows_of("dask_jobs") if row["study"] == "scaling"]
    lines = [
        [
            IMAGES[row["source"].partition(",")[0]],
            row["workers"],
            f"{float(row['volume_mb']) / float(row['seconds']):.0f}",
            f"{float(row['mb_s_worker']):.0f}",
            f"{float(row['efficiency']):.2f}",
            f"{float(row['efficiency_cpu']):.2f}",
        ]
        for row in rows
    ]
    return "\n".join(
        [
            "## By Dask workers\n",
            _sources("dask_jobs"),
            paragraph(
                "`write_zarr(client=)` at effort 1 of a phantom at quality 10 and of the brain MR, out of Zarr, at",
                "45 dB; scheduler and client on the same two cores. The time of the plan is left out.",
                f"{_linked('dask_jobs')} has what a task and its memory cost, and a model of 100 workers.",
            ),
            table(["volume", "workers", "MB/s", "MB/s of a worker", "efficiency", "by processor time"], lines),
        ]
    )


_MAKERS = {
    "What to expect": expect_section,
    "CPU against GPU": gpu_section,
    "Cost of a voxel by size": size_section,
    "By chunk shape": chunks_section,
    "By threads": threads_section,
    "By Dask workers": workers_section,
    "Roofline": roofline_section,
}


def throughput_page() -> str:
    """The text of throughput.md."""
    return "\n".join(
        [
            "# Throughput\n",
            paragraph(
                "How fast coding is, and why: all studies of speed as one report. `python benchmarks/measured.py`",
                "writes this page and its figures from the rows in [benchmarks/results](../../benchmarks/results);",
                "nobody types a figure, and a test compares. `mmip bench` measures your machine.",
            ),
            bullets(*(f"[{title}](#{anchor(title)})" for title in _MAKERS)),
            *(make() for make in _MAKERS.values()),
        ]
    )
