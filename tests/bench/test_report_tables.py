"""Tables of a report: the numbers are those of the records, ours too where it loses, and what is missing is marked."""

from __future__ import annotations

import math

import pytest
from helpers import bench_records as made

from mmip_gpu.bench.report import comparisons, fact_tables
from mmip_gpu.bench.report.results import Results
from mmip_gpu.bench.report.tables import MISSING, Cell, Table, cell, decibels, interval_cell, percent, text


@pytest.fixture(scope="module")
def results():
    return Results.of(made.results())


def rows(table: Table, *start: str) -> list[dict[str, Cell]]:
    """Rows that begin with these texts, by heading."""
    found = [dict(zip(table.head, row, strict=True)) for row in table.rows]
    return [row for row in found if [field.shown for field in list(row.values())[: len(start)]] == list(start)]


def test_bd_rates_have_the_sign_of_the_loss(results):
    psnr, similarity, gains = comparisons.bd_tables(results)
    for table in (psnr, similarity):
        (ours,), (rival,) = rows(table, "mmip effort 3"), rows(table, "rival <&>")
        assert ours["EM"].key == pytest.approx(-20)
        assert rival["EM"].key == pytest.approx(25)
    assert ours["EM"].shown == "-20.0 % (-20.0 to -20.0), n = 2"
    assert ours["fluorescence"].shown == "-20.0 %, n = 1"
    assert rows(psnr, made.ANCHOR) == []
    assert rows(gains, "mmip effort 3")[0]["EM"].key == pytest.approx(6 * math.log2(1.25))
    assert rows(gains, "rival <&>")[0]["fluorescence"].shown == f"{-6 * math.log2(1.25):+.2f} dB, n = 1"
    against_ours = comparisons.bd_tables(Results.of(made.results(), "mmip effort 3"))[0]
    assert rows(against_ours, made.ANCHOR)[0]["EM"].key == pytest.approx(25)


def test_too_few_points_have_no_bd_rate():
    records = [record for record in made.results() if record["setting"]["value"] in (0.25, 0.5, 1.0)]
    assert comparisons.bd_tables(Results.of(records)) == []


def test_equal_psnr(results):
    groups, images = comparisons.equal_psnr_tables(results)
    assert rows(groups, "mmip effort 3")[0]["all images"].shown == "-20.0 %, n = 3"
    assert rows(groups, "rival <&>")[0]["EM"].shown == "+25.0 %, n = 2"
    (row,) = rows(images, "em1", "40")
    assert row[made.ANCHOR].shown == "1.0000 (+0.0 %)"
    assert row["rival <&>"].shown == "1.2500 (+25.0 %)"
    assert row["mmip effort 3"].shown == "0.8000 (-20.0 %)"
    (high,) = rows(images, "em1", "50")
    assert high["mmip effort 3"].key == pytest.approx(0.8 * 2 ** (10 / 6), rel=0.01)
    assert high["rival <&>"].shown == "3.9685 (+25.0 %)"
    fewer = [r for r in made.results() if (r["codec"]["name"], r["bits_per_sample"]) != ("rival <&>", 4.0)]
    (high,) = rows(comparisons.equal_psnr_tables(Results.of(fewer))[1], "em1", "50")
    assert high["rival <&>"] == MISSING


def test_codecs_without_loss_have_no_empty_rows_and_columns():
    records = [*made.results(), made.record(made.image_facts(), "PNG", 9.0, math.inf)]
    found = Results.of(records)
    for table in (
        *comparisons.bd_tables(found),
        *comparisons.equal_psnr_tables(found),
        *comparisons.equal_bits_tables(found),
    ):
        assert "PNG" not in table.head
        assert rows(table, "PNG") == []
    assert rows(fact_tables.rate_table(found), "EM", "PNG", "lossless")


def test_equal_bits(results):
    groups, images = comparisons.equal_bits_tables(results)
    gain = 6 * math.log2(1.25)
    assert rows(groups, "mmip effort 3")[0]["EM"].key == pytest.approx(gain)
    assert rows(groups, "rival <&>")[0]["EM"].shown == f"{-gain:+.2f} dB, n = 2"
    assert rows(images, "cells", "2")[0]["mmip effort 3"].shown == f"{48 + gain:.2f} ({gain:+.2f})"


def test_where_dice_falls(results):
    truth, original = comparisons.fall_tables(results)
    (anchor,), (ours,), (rival,) = (rows(truth, "EM", codec) for codec in made.CODECS)
    assert anchor["Dice of the original"].shown == "0.9000"
    assert anchor["bits per sample"].key == pytest.approx(4, rel=1e-6)
    assert anchor["bytes"].shown == "4096"  # of two images
    assert ours["against anchor"].key == pytest.approx(2**-0.5, rel=0.01)  # between 2 and 4 bits
    assert rival["against anchor"].key > 1.5
    assert rows(truth, "fluorescence", "rival <&>")[0]["n"].shown == "1"
    assert [row["images"].shown for row in rows(original)][::3] == ["EM", "fluorescence", "all images", "em1", "em2"]


@pytest.mark.parametrize(("level", "shown"), [(0.9, "<0.2500"), (0.5, ">4.0000")])
def test_a_fall_outside_of_what_was_measured_is_a_bound(level, shown):
    image = made.image_facts()
    records = [made.record(image, made.ANCHOR, bits, 40 + bits, dice=level) for bits in made.RATES]
    records.append(made.record(image, "PNG", 9.0, math.inf, dice=0.9))
    (table, _) = comparisons.fall_tables(Results.of(records))
    (row,) = rows(table, "EM", made.ANCHOR)
    assert row["bits per sample"].shown == shown
    assert row["against anchor"] == MISSING


def test_without_an_exact_record_only_the_original_can_be_compared_with():
    records = [record for record in made.results() if record["setting"]["target"] == "bits"]
    (table,) = comparisons.fall_tables(Results.of(records))
    assert "original" in table.title


def test_ratio_is_total_over_total_and_the_mean_of_ratios_stands_beside_it():
    small, large = made.image_facts("a"), made.image_facts("b")
    pair = [made.record(small, "x", 1.0, 40.0), made.record(large, "x", 4.0, 50.0)]
    pair[1]["setting"] = pair[0]["setting"]
    pair[1] |= {"bytes": 20480, "raw_bytes": 81920, "ratio": 4.0}
    table = fact_tables.rate_table(Results.of(pair))
    (row,) = rows(table, "EM", "x", "bits 1")
    assert row["ratio"].key == pytest.approx((8192 + 81920) / (512 + 20480))
    assert row["mean of ratios"].key == 10.0
    assert row["bits per sample"].key == pytest.approx(8 * (512 + 20480) / (4096 + 40960))
    assert row["PSNR, range"].shown.startswith("45.00 (40.00 to 50.00)")


def test_images_without_loss_are_counted_beside_a_mean():
    images = [made.image_facts(name) for name in "abc"]
    records = [made.record(image, "x", 1.0, db) for image, db in zip(images, (40.0, math.inf, 50.0), strict=True)]
    for record in records:
        record["setting"] = records[0]["setting"]
    records[1] |= {"bytes": 0, "bits_per_sample": 0.0}
    (row,) = rows(fact_tables.rate_table(Results.of(records)), "EM", "x", "bits 1")
    assert row["PSNR, range"].shown == "45.00 (40.00 to 50.00), 1 exact"
    assert row["bits per sample"].key == pytest.approx(2 / 3)


def test_rates_say_how_many_images_are_in_a_mean(results):
    table = fact_tables.rate_table(results)
    (row,) = rows(table, "all images", "mmip effort 3", "lossless")
    assert row["PSNR, range"].shown == "exact"
    assert row["images"].shown == "3"
    part = fact_tables.rate_table(Results.of([r for r in made.results() if r["bytes"] != 1024]))
    assert {row["images"].shown for row in rows(part, "EM")} == {"2"}


def test_every_record_has_a_row_with_all_metrics_inside_and_outside(results):
    assert len(fact_tables.metric_table(results).rows) == 54
    row = rows(fact_tables.metric_table(results), "em1", made.ANCHOR, "bits 1")[0]
    assert row["PSNR, range"].shown == "40.00"
    assert row["PSNR, dtype"].shown == "64.10"
    assert row["VSI"] == MISSING
    regions = fact_tables.region_table(results)
    assert len(regions.rows) == 108
    (inside,) = rows(regions, "em1", made.ANCHOR, "bits 1", "cell", "inside")
    (outside,) = rows(regions, "em1", made.ANCHOR, "bits 1", "cell", "outside")
    assert (inside["PSNR, range"].shown, outside["PSNR, range"].shown) == ("43.00", "39.00")


def test_tasks(results):
    (table,) = fact_tables.task_tables(results)
    assert "watershed" in table.note
    (row,) = rows(table, "EM", made.ANCHOR, "bits 1", "truth")
    assert row["Dice"].shown == "0.8600 (0.8600 to 0.8600)"
    assert row["AP@0.5"] == MISSING


def test_times(results):
    (row,) = rows(fact_tables.time_table(results), "fluorescence", "mmip effort 3")
    assert row["encode (one, cpu)"].shown == "0.41"
    assert row["encode (one, wall)"].key == pytest.approx(8192 / 1e6 / 0.025)
    assert row["encode (all, wall)"].key == pytest.approx(8192 / 1e6 / 0.0125)
    assert row["decode (all, wall)"] == MISSING
    assert row["peak memory, MB"].shown == "80.0"


def test_images_failures_and_machines(results):
    images = fact_tables.image_table(results)
    assert rows(images, "cells")[0]["JPEG before"].shown.startswith("YES")
    assert rows(images, "em2")[0]["stand-in for"].shown == "EMPIAR-12592"
    assert [row["failures"].shown for row in rows(images)] == ["1", "1", "0"]
    failures = fact_tables.failure_table(results)
    assert rows(failures, "em1", "AVIF")[0]["reason"].shown == "16 bits: AVIF holds 12 at most"
    assert rows(failures, "em2", "mmip effort 3")[0]["status"].shown == "failed"
    facts = {row["fact"].shown: row["value"].shown for row in rows(fact_tables.machine_table(results))}
    assert facts["cpu"] == "a processor"
    assert facts["commit"] == "abc1234"
    assert facts["codec: AVIF"] == "version 1.2; level 3"


def test_a_run_of_nothing_but_failures_has_its_tables():
    results = Results.of([made.failure(made.image_facts(), "AVIF", "no")])
    assert len(fact_tables.failure_table(results).rows) == 1
    assert fact_tables.rate_table(results).rows == []
    assert comparisons.fall_tables(results) == comparisons.bd_tables(results) == []


def test_cells():
    assert cell(math.inf).shown == "exact"
    assert cell(math.nan) == cell(None) == text("") == percent(None) == decibels(None) == MISSING
    assert decibels(-0.5).shown == "-0.50 dB"
    assert interval_cell((1.0, 0.5, 2.0), ".1f").shown == "1.0 (0.5 to 2.0)"


def test_names_are_no_markup():
    table = Table("a < b", "note & more", ["<codec>", "n"], [[text("<i>|x"), cell(1.5)]])
    page = table.html()
    assert "<i>" not in page
    assert '<th scope="row">&lt;i&gt;|x</th><td class=n data-key="1.5">1.5</td>' in page
    assert "| &lt;i>\\|x | 1.5 |" in table.markdown()
    assert "None." in Table("t", "n", ["a"], []).html()


def test_the_psnr_in_the_window_is_shown_where_an_image_has_one():
    records = made.results()
    assert not any("PSNR, window" in table.head for table in metric_tables(records))
    records[0]["metrics"]["psnr_window"] = 41.25
    with_window = metric_tables(records)
    assert all("PSNR, window" in table.head for table in with_window)
    every = [dict(zip(with_window[1].head, row, strict=True))["PSNR, window"] for row in with_window[1].rows]
    assert [field.shown for field in every if field != MISSING] == ["41.25"]


def metric_tables(records):
    results = Results.of(records)
    return [table(results) for table in (fact_tables.rate_table, fact_tables.metric_table, fact_tables.region_table)]
