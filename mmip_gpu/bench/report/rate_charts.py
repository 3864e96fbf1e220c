"""Charts of quality over rate for a page: of every group of images, of every image, with one legend for all.

Values: `Results` in; HTML out. Guarantees that a codec has the same colour and marker in every chart, and that a mean
over images is drawn only where all of them were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mmip_gpu.bench.report.charts import Series, chart, legend_mark
from mmip_gpu.bench.report.quality_curves import measures_of
from mmip_gpu.bench.report.results import Results, compared_images, group_curves

__all__ = ["rate_charts"]

_NOTE = (
    "A group's curve is the mean over the images on which the anchor has one, between the rates at which all of them "
    "were measured; its band is the 95 % bootstrap interval over images. A codec that lacks one of them has no curve. "
    "Points say their numbers. Boxes hide codecs."
)
_CLEAR = 6  # codecs whose bands are told apart
_FEW = 3  # images whose charts are open at first
_CHECKED = " checked"


def rate_charts(results: Results) -> str:
    """Return charts of every group, then of every image below a line that opens."""
    places = {name: place for place, name in enumerate(results.names)}
    boxes = "".join(
        f'<label><input type="checkbox" checked data-series="s{place}">{legend_mark(place)}{escape(name)}</label>'
        for name, place in places.items()
    )
    bands = (
        f'<label><input type="checkbox" data-series="band"{_CHECKED * (len(places) <= _CLEAR)}>95 % intervals</label>'
    )
    parts = [f'<p>{_NOTE}</p><div class="legend">{boxes}<button type="button">all or none</button>{bands}</div>']
    drawn: set[tuple[str, ...]] = set()
    for group, members in results.groups.items():
        if len(members) > 1:
            shown = _charts(results, places, group, members, drawn)
            parts.append(f"<h3>{escape(group)}, {len(members)} images</h3>{shown}")
    parts.append("<h3>Each image</h3>")
    names = list(dict.fromkeys(record["image"]["name"] for record in results.measured))
    is_open = " open" if len(names) <= _FEW else ""
    for name in names:
        shown = _charts(results, places, name, [name], set())
        parts.append(f"<details{is_open}><summary>{escape(name)}</summary>{shown}</details>")
    return "\n".join(parts)


def _charts(
    results: Results, places: dict[str, int], title: str, members: Sequence[str], drawn: set[tuple[str, ...]]
) -> str:
    """A chart for each measure, of the codecs that can be compared on these images.

    What was `drawn` of the same images is not drawn again.
    """
    charts = []
    for measure in measures_of(results.measured):
        images = compared_images(results, measure, members)
        key = (measure.name, *images)
        if key not in drawn:
            found = group_curves(results, measure, images)
            lines = [Series(name, places[name], curve.points, band) for name, (curve, band) in found.items()]
            charts.append(chart(lines, title, measure.name, measure.axis))
        drawn.add(key)
    return f'<div class="charts">{"".join(charts)}</div>'
