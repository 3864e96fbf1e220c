"""Write the pages that state measured figures from the rows in benchmarks/results, or compare them.

    python benchmarks/measured.py           writes what differs, and names it
    python benchmarks/measured.py --check   writes nothing; status 1 where a page differs from its rows

Written whole: measured.md and throughput.md in mmip_gpu/docs, and rivals.md, lossless.md and near_lossless.md beside
the rows, where the figures of throughput.md are drawn, too (this needs matplotlib; a figure whose rows have not changed
stays as it is). Written in part, between `<!-- NAME -->` and `<!-- end -->`: README.md, cluster.md, progressive.md, the
plug-in's README.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pages.blocks import BLOCKS, PAGE, filled
from pages.figures import FIGURES
from pages.page import measured_page
from pages.segmentation import downstream_report
from pages.throughput import PAGE as THROUGHPUT
from pages.throughput import throughput_page
from studies import HERE, RESULTS, read_rows

from mmip_gpu.bench.report.lossless_tables import lossless_report
from mmip_gpu.bench.report.study_tables import near_lossless_report, rivals_report

ROOT = HERE.parent
REPORTS = {"rivals": rivals_report, "lossless": lossless_report, "near_lossless": near_lossless_report}


def _makers() -> dict[Path, Callable[[], str]]:
    makers: dict[Path, Callable[[], str]] = {}
    for name, report in REPORTS.items():
        makers[RESULTS / f"{name}.md"] = lambda name=name, report=report: report(read_rows(name))
    makers[RESULTS / "downstream.md"] = lambda: downstream_report(
        read_rows("downstream"), read_rows("downstream_falls")
    )
    makers |= {ROOT / PAGE: measured_page, ROOT / THROUGHPUT: throughput_page}
    for name, blocks in BLOCKS.items():
        makers[ROOT / name] = lambda path=ROOT / name, blocks=blocks: filled(path.read_text(), blocks)
    return makers


PAGES = _makers()  # every page that states figures of rows, and what makes the text that it should have


def written() -> dict[Path, str]:
    """Every page that states figures of rows, with the text that it should have."""
    return {path: make() for path, make in PAGES.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare without writing")
    check = parser.parse_args(arguments).check
    differing = {path: text for path, text in written().items() if not path.exists() or path.read_text() != text}
    for path, text in differing.items():
        if not check:
            path.write_text(text)
    figures = [figure for figure in FIGURES if not figure.is_current()]
    for figure in () if check else figures:
        figure.write()
    for path in [*differing, *(figure.path for figure in figures)]:
        print(f"{path.relative_to(ROOT)} {'differs from its rows' if check else 'written'}")
    return 1 if check and (differing or figures) else 0


if __name__ == "__main__":
    sys.exit(main())
