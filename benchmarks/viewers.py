"""Viewers and readers of other makes open what `mmip serve` serves and `mmip export` writes: a phantom of five levels.

    [xvfb-run -a] python benchmarks/viewers.py [--node FOLDER] [--browser COMMAND] [--picture PNG]

tensorstore   pip install tensorstore
zarrita.js    npm install zarrita (reader of Vizarr, Viv and Avivator), in the FOLDER of --node; needs Node 20
napari        (draws with GL only) pip install 'napari[pyqt6]' napari-ome-zarr; without a display: xvfb libegl1
              libgl1-mesa-dri libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0
              libxcb-shape0 libxcb-xinerama0 libxkbcommon-x11-0
neuroglancer  pip install neuroglancer, apt-get install chromium (any Chrome by --browser); drawn by software

Besides: pip install '.[bench]'. A client that is missing is "not here", which is no result. Data are compared with
`open_zarr`, and below 1/8 with means taken here. Of a drawing the part that is not dark must be the slice that it
shows: correlation of at least 0.98. In neuroglancer the centre must be at 1/8 where it is at full scale, within 1.5
samples. `first look` is the rate of raw samples at which a server of one thread makes the last level, which rests on
stage 1 of every chunk. Writes results/viewers.csv, and with --picture what neuroglancer shows.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from studies import write_rows

import mmip_gpu as mmip
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.sources import Source

SHAPE, CHUNKS, SPACING = (96, 256, 384), (16, 32, 32), (1.5, 0.5, 0.5)
LEAST_CORRELATION = 0.98
SHADER = "#uicontrol invlerp normalized(range=[0, {top}])\nvoid main() {{ emitGrayscale(normalized()); }}"
ZARRITA = """
import { createHash } from "node:crypto";
import * as zarr from "zarrita";
import FileSystemStore from "@zarrita/storage/fs";
const place = process.argv[1];
const store = place.startsWith("http") ? new zarr.FetchStore(place) : new FileSystemStore(place);
const group = await zarr.open.v3(store, { kind: "group" });
for (const { path } of group.attrs.ome.multiscales[0].datasets) {
  const level = await zarr.open.v3(group.resolve(path), { kind: "array" });
  const { data } = await zarr.get(level);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  console.log(JSON.stringify([level.shape, level.dtype, createHash("sha256").update(bytes).digest("hex")]));
}
"""


class NotHereError(Exception):
    """A client or what it needs is not installed."""


@dataclass(frozen=True)
class Image:
    """What the clients open, and what they should find."""

    places: dict[str, str]
    levels: list[np.ndarray]
    top: int
    given: argparse.Namespace

    @property
    def middle(self) -> np.ndarray:
        """The slice that is drawn."""
        return self.levels[0][SHAPE[0] // 2]


@contextmanager
def opened(given: argparse.Namespace) -> Iterator[Image]:
    """Write, export and serve the phantom."""
    volume = mmip.phantom3d(SHAPE)
    source = Source(SHAPE, volume.dtype, "zyx", {"spacing": list(SPACING)}, "phantom", "phantom", volume.__getitem__)
    with tempfile.TemporaryDirectory() as folder:
        store, exported = f"{folder}/p.zarr", f"{folder}/p.ome.zarr"
        mmip.write_zarr(source, store, quality=20, cell_depth=8)
        mmip.export_ome_zarr(store, exported, chunks=CHUNKS)
        levels = [mmip.open_zarr(store, scale=scale).to_numpy() for scale in (1, 2, 4, 8)]
        z, y, x = (n // 2 for n in levels[-1].shape)
        levels.append(np.rint(levels[-1].reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))).astype(volume.dtype))
        with mmip.serve_zarr(store, port=0, chunks=CHUNKS) as server:
            yield Image({"served": server.url, "exported": exported}, levels, int(volume.max()), given)


def imported(name: str) -> Any:
    """Import a module of a client."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotHereError(f"no package {error.name}") from None


def check_equal(found: Any, expected: np.ndarray, what: str) -> None:
    """All samples, shape and dtype."""
    found = np.asarray(found)
    if (found.shape, found.dtype) != (expected.shape, expected.dtype) or not (found == expected).all():
        raise AssertionError(f"{what} differs")


def correlation(drawn: np.ndarray, expected: np.ndarray) -> float:
    """Of a drawing (grey or RGB, bytes) with a slice, each cut to what is not dark and reduced to 96 x 96 samples."""
    grey = drawn[..., :3].mean(-1) if drawn.ndim == 3 else drawn
    cut = []
    for plane, limit in ((grey, 8), (expected, float(expected.max()) * 8 / 255)):
        rows, columns = (np.flatnonzero((plane > limit).mean(axis) > 0.01) for axis in (1, 0))
        if not len(rows) or not len(columns):
            return 0.0
        places = [np.linspace(kept[0], kept[-1], 96).round().astype(int) for kept in (rows, columns)]
        cut.append(plane[np.ix_(*places)].astype(float).ravel())
    return float(np.corrcoef(*cut)[0, 1]) if all(one.std() > 0 for one in cut) else 0.0


def check_drawing(drawn: np.ndarray, image: Image) -> str:
    """What is said of a drawing of the middle slice."""
    found = correlation(drawn, image.middle)
    if not found >= LEAST_CORRELATION:
        raise AssertionError(f"the drawing correlates with the slice by {found:.3f} only")
    return f"drawing of the middle slice, correlation {found:.3f}"


def centre(drawn: np.ndarray, scale: int) -> np.ndarray:
    """Centre of brightness from the middle of the drawing, in samples of the full scale."""
    grey = drawn[..., :3].mean(-1)
    places = (np.indices(grey.shape) * grey).sum((1, 2)) / grey.sum()
    return (places - (np.array(grey.shape) - 1) / 2) * scale


def by_tensorstore(image: Image, place: str) -> tuple[str, str]:
    """All levels."""
    tensorstore = imported("tensorstore")
    for number, expected in enumerate(image.levels):
        base = f"{image.places[place]}/{number}/"
        kvstore = {"driver": "http", "base_url": base} if place == "served" else {"driver": "file", "path": base}
        check_equal(
            tensorstore.open({"driver": "zarr3", "kvstore": kvstore}, read=True).result(), expected, f"level {number}"
        )
    return importlib.metadata.version("tensorstore"), "data of all levels"


def by_zarrita(image: Image, place: str) -> tuple[str, str]:
    """All levels, their bytes by SHA-256."""
    package = image.given.node / "node_modules/zarrita/package.json"
    if not shutil.which("node") or not package.exists():
        raise NotHereError("no node, or no zarrita in the folder of --node")
    command = ["node", "--input-type=module", "-e", ZARRITA, image.places[place]]
    done = subprocess.run(command, cwd=image.given.node, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.strip().splitlines()[-1])
    expected = [
        [list(level.shape), level.dtype.name, hashlib.sha256(level.tobytes()).hexdigest()] for level in image.levels
    ]
    if [json.loads(line) for line in done.stdout.splitlines()] != expected:
        raise AssertionError("shapes, types or data differ")
    return json.loads(package.read_text())["version"], "data of all levels"


def by_napari(image: Image, place: str) -> tuple[str, str]:
    """One multiscale layer: levels, their data, voxel sizes, limits; drawn where there is a display."""
    napari, _ = imported("napari"), imported("napari_ome_zarr")
    is_drawn = bool(os.environ.get("DISPLAY"))
    imported("npe2").PluginManager.instance().discover()  # a window would
    viewer = napari.Viewer() if is_drawn else napari.components.ViewerModel()
    (layer,) = viewer.open(image.places[place], plugin="napari-ome-zarr")
    if not layer.multiscale or tuple(layer.scale) != SPACING or list(layer.contrast_limits) != [0, image.top]:
        raise AssertionError(f"multiscale {layer.multiscale}, scale {layer.scale}, limits {layer.contrast_limits}")
    for number, (found, expected) in enumerate(zip(layer.data, image.levels, strict=True)):
        check_equal(found, expected, f"level {number}")
    said = "data of all levels, voxel size, contrast"
    if is_drawn:
        viewer.dims.set_point(0, SHAPE[0] // 2 * SPACING[0])
        said += "; " + check_drawing(viewer.screenshot(canvas_only=True, flash=False), image)
        viewer.close()
    return napari.__version__, said + ("" if is_drawn else "; drawing not here: no display")


def by_neuroglancer(image: Image, place: str) -> tuple[str, str]:
    """The full scale as the page in the browser decodes it, and what it draws."""
    neuroglancer, skimage = imported("neuroglancer"), imported("skimage.io")
    imported("tensorstore")
    if not shutil.which(image.given.browser):
        raise NotHereError(f"no {image.given.browser}")
    viewer = neuroglancer.Viewer()
    with viewer.txn() as state:
        shader = SHADER.format(top=image.top)
        state.layers["phantom"] = neuroglancer.ImageLayer(source=f"zarr3://{image.places[place]}", shader=shader)
        scales = [size / 1e3 for size in reversed(SPACING)]
        state.dimensions = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="m", scales=scales)
        state.layout, state.show_axis_lines, state.show_scale_bar = "xy", False, False
        state.show_default_annotations, state.cross_section_background_color = False, "#000000"
    with browser(image.given.browser, viewer.get_viewer_url()) as version, tempfile.TemporaryDirectory() as folder:
        check_equal(viewer.volume("phantom").result(60).read().result(60), image.levels[0], "level 0")
        shot = Path(folder) / "shot.png"

        def drawn(scale: int = 1) -> np.ndarray:
            with viewer.txn() as state:
                state.cross_section_scale = scale
            shot.write_bytes(viewer.screenshot(size=[800, 600]).screenshot.image)
            return skimage.imread(shot)

        full, small = drawn(), drawn(8)
        said = f"data of level 0; {check_drawing(full, image)}, in place at 1/8"
        if np.abs(centre(full, 1) - centre(small, 8)).max() > 1.5:
            raise AssertionError("the slice moves from full scale to 1/8")
        if image.given.picture:
            with viewer.txn() as state:
                state.layout, state.show_scale_bar, state.projection_scale = "4panel", True, 330
                state.projection_orientation = [0.35, 0.35, 0.1, 0.86]
            skimage.imsave(image.given.picture, drawn()[..., 0])
    return f"{importlib.metadata.version('neuroglancer')}, {version}", said


@contextmanager
def browser(command: str, url: str) -> Iterator[str]:
    """A browser without a window that draws in software, at a page; gives its version."""
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    options = ["--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options += ["--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", f"--user-data-dir={profile}", url]
        running = subprocess.Popen([command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield " ".join(version.split()[:2])
        finally:
            running.terminate()
            running.wait()


CLIENTS: dict[str, tuple[Callable[[Image, str], tuple[str, str]], tuple[str, ...]]] = {
    "tensorstore": (by_tensorstore, ("served", "exported")),
    "zarrita.js": (by_zarrita, ("served", "exported")),
    "napari": (by_napari, ("served", "exported")),
    "neuroglancer": (by_neuroglancer, ("served",)),
}


def row_of(client: str, image: Image, place: str) -> dict[str, Any]:
    """Open the image by a client."""
    version, said, result = "", "", "passed"
    start = time.perf_counter()
    try:
        version, said = CLIENTS[client][0](image, place)
    except NotHereError as error:
        result = f"not here: {error}"
    except Exception as error:  # whatever a client trips over is what this study looks for
        result = f"failed: {type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    return {"client": client, "version": version, "place": place, "checked": said, "result": result, "seconds": seconds}


def first_look(repeats: int = 3) -> list[dict[str, Any]]:
    """MB/s of raw samples for the first chunk of the last level, of processor time, with either depth of cells."""
    from mmip_gpu.store.views.http_images import EncodedPyramid
    from mmip_gpu.store.views.pyramid import Pyramid

    rows = []
    volume = np.tile(mmip.phantom3d((64, 512, 512)), (2, 2, 2))
    for depth in (8, 1):
        store: dict[str, Any] = {}
        mmip.write_zarr(volume, store, quality=10, effort=1, cell_depth=depth, verify=False)
        rates = []
        for _ in range(repeats):
            image = EncodedPyramid(Pyramid.of(store, None, (128, 32, 32), {}), 2**27, 1)
            last = len(image.pyramid.levels) - 1
            start = time.process_time()
            image.get(f"{last}/c/0/0/0")
            rates.append(volume.nbytes / 1e6 / (time.process_time() - start))
        checked = f"first look, cells of depth {depth}, level {last}"
        rows.append({"client": "mmip serve", "version": mmip.__version__, "checked": checked,
                     "result": f"{statistics.median(rates):.0f} MB/s"})  # fmt: skip
    return rows


def main() -> None:
    """Run all clients and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", type=Path, default=Path(), help="folder that holds node_modules (default: this)")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--picture", type=Path, help="PNG to write of what neuroglancer shows")
    with opened(parser.parse_args()) as image:
        rows = [row_of(client, image, place) for client, (_, places) in CLIENTS.items() for place in places]
    rows += first_look()
    print(format_table(rows, ("client", "version", "place", "checked", "result")))
    print(write_rows("viewers", rows))


if __name__ == "__main__":
    main()
