"""The figures that say where a difference comes from: classes, sizes, errors, causes; and the samples."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chart_fixtures import made_groups, row_of, texts

from cutpoint.report.charts import (
    causes,
    classes,
    draw,
    errors,
    latency,
    precision_recall,
    sizes,
    stage_times,
)

CAPTIONS = Path(__file__).parents[3] / "workflow/report/figures.rst"


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    return made_groups(tmp_path_factory.mktemp("charts"))


def test_classes_are_drawn_for_the_variants_that_change(groups):
    figure = classes.build(groups["street"])
    assert {row["variant"] for row in figure.rows} == {"e2e", "raw-int8"}
    row = row_of(figure, variant="raw-int8", **{"class": "pedestrian"})
    assert (row["low"], row["high"], row["result"]) == (-0.03, -0.012, "lower")
    assert row["delta_AP"] == pytest.approx(-0.0213)
    assert row_of(figure, variant="e2e", **{"class": "car"})["result"] == "not different"
    assert "not drawn: raw" in figure.caption
    assert figure.pick == ("variant", "class")
    assert {"raw-int8", "pedestrian", "car", "failed"} <= set(texts(figure.svg))
    assert classes.build(groups["unlabelled"]) is None


def test_only_the_classes_and_variants_that_change_most_are_drawn(groups):
    line = next(line for line in groups["street"].classes if line.variant == "raw-int8" and line.delta_AP)
    many = [
        replace(line, variant=f"v{v}", name=f"class {c}", delta_AP=-0.001 * (c + 1) - 0.01 * v)
        for v in range(40)
        for c in range(80)
    ]
    rows = [replace(groups["street"].rows[1], variant=f"v{v}") for v in range(40)]
    figure = classes.build(replace(groups["street"], rows=rows, classes=many))
    assert len(figure.rows) == 12 * 20
    assert row_of(figure, variant="v39", **{"class": "class 79"})
    assert "Of 40 variants the 12 that change most are drawn." in figure.caption
    assert "Of 80 with a change the 20 largest are drawn." in figure.caption


def test_sizes_keep_their_order(groups):
    figure = sizes.build(groups["street"])
    assert [row["size"] for row in figure.rows if row["variant"] == "e2e"] == ["small", "medium"]
    assert figure.pick == ("variant",)


def test_errors_are_counts_and_changes(groups):
    figure = errors.build(groups["street"])
    row = row_of(figure, variant="raw-int8", error="missed")
    assert (row["boxes"], row["change"], row["text"]) == (7, 5, "7 (+5)")
    assert row_of(figure, variant="pytorch", error="missed")["text"] == "2"
    assert "at score 0.35" in figure.caption
    assert errors.build(groups["unlabelled"]) is None


def test_causes_go_to_the_side_that_had_the_box(groups):
    figure = causes.build(groups["street"])
    row = row_of(figure, variant="raw-int8", cause="nms")
    assert (row["side"], row["boxes"], row["signed"], row["what"]) == ("missing", 3, -3, "suppressed")
    assert row_of(figure, variant="raw-int8", cause="")["text"] == "4 / 0"
    assert {"suppressed", "over the limit of the image", "4 / 0"} <= set(texts(figure.svg))


def test_precision_and_recall_say_what_they_are(groups):
    figure = precision_recall.build(groups["street"])
    assert row_of(figure, variant="raw", score_thr=0.35)["best"]
    assert "micro-average" in figure.caption
    assert "not the curve of COCO's AP" in figure.caption


def test_few_samples_are_all_drawn_and_many_by_their_quantiles():
    assert latency.thin(np.array([3.0, 1.0, 2.0]), 10) == [1, 2, 3]
    assert latency.thin(np.arange(1001.0), 4) == [125, 375, 625, 875]


@pytest.mark.parametrize(("variants", "ticks"), [(4, 100), (40, 30), (200, 10)])
def test_the_ticks_of_all_samples_are_bounded(groups, variants, ticks):
    group = replace(groups["street"])
    timed = groups["street"].latencies["raw"]
    names = [f"v{number}" for number in range(variants)]
    group = replace(group, rows=[replace(group.rows[1], variant=name) for name in names])
    group.__dict__["latencies"] = dict.fromkeys(names, timed)
    group.__dict__["samples"] = dict.fromkeys(names, np.linspace(1, 90, 5000))
    figure = latency.build(group)
    assert sum("sample" in row for row in figure.rows) == variants * ticks
    assert f"{ticks} quantiles" in figure.caption


def test_a_scale_is_logarithmic_if_the_fastest_would_not_be_seen():
    near, far = ([{"p50": 10.0, "p99": 20.0}, {"p50": 1.0, "p99": slow}] for slow in (19.0, 21.0))
    assert latency.time_scale(near).to_dict() == {"zero": True}
    assert latency.time_scale(far).to_dict()["type"] == "log"


def test_each_stage_has_its_percentiles(groups):
    row = row_of(stage_times.build(groups["street"]), variant="raw-int8", stage="inference")
    assert (row["p50"], row["p90"]) == pytest.approx((14.25, 17.1))


def test_every_figure_has_a_sentence_in_snakemakes_report(groups):
    said = set(re.findall(r'^  "(\w+)": "[A-Z].*\.",$', CAPTIONS.read_text(encoding="utf-8"), re.M))
    drawn = {figure.name for build in draw.BUILDERS if (figure := build(groups["coco_like"]))}
    assert len(drawn) == len(draw.BUILDERS)
    assert drawn <= said
