"""The figures with one line a variant: their numbers, their names, and what makes a number doubtful."""

import itertools
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from chart_fixtures import made_groups, picture, row_of, texts

from cutpoint.report.charts import ap, ladder, latency, stages
from cutpoint.report.charts.draw import BUILDERS


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    return made_groups(tmp_path_factory.mktemp("charts"))


def changed(group, name, /, **cells):
    return replace(group, rows=[replace(r, **cells) if r.variant == name else r for r in group.rows])


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__module__.rpartition(".")[2])
def test_the_same_numbers_give_the_same_bytes(groups, build):
    figure, again = build(groups["coco_like"]), build(groups["coco_like"])
    assert figure.svg == again.svg
    ElementTree.fromstring(figure.svg)
    assert figure.csv == again.csv
    assert figure.caption.endswith(".")
    assert {"variant", *figure.pick} <= set(figure.csv.splitlines()[0].split(","))


def test_ap_shows_numbers_or_agreement_where_there_is_no_ground_truth(groups):
    said = texts(ap.build(groups["street"]).svg)
    assert {"-0.0213", "0.5587", "pytorch (reference)", "failed"} <= set(said)
    figure = ap.build(groups["unlabelled"])
    assert "There is no ground truth" in figure.caption
    assert {"0.9100", "agreement"} <= set(texts(figure.svg))
    assert "baseline off, failed" in texts(ap.build(groups["coco_like"]).svg)


def test_ap_draws_the_interval_of_each_variant(groups):
    row = row_of(ap.build(groups["street"]), variant="raw-int8")
    assert (row["low"], row["value"], row["high"]) == pytest.approx((-0.03, -0.0213, -0.012))


def test_the_legend_lists_only_the_cuts_that_are_there(groups):
    said = texts(ap.build(groups["street"]).svg)
    assert "e2e" in said
    assert not {"decoded", "results file"} & set(said)


def test_the_steps_of_the_ladder_hang_on_each_other(groups):
    figure = ladder.build(groups["street"])
    assert [row["rung"] for row in figure.rows] == [1, 2, 3, 4]
    for before, after in itertools.pairwise(figure.rows):
        assert after["from"] == before["to"]
    last = figure.rows[3]
    assert (last["from"], last["to"], last["kind"]) == (pytest.approx(0.5798), pytest.approx(0.5587), "loss")
    # the interval of a step stands where its bar starts from
    assert (last["low"], last["high"]) == pytest.approx((0.5798 - 0.0221, 0.5798 - 0.0201))
    said = texts(figure.svg)
    assert "cut e2e → raw, precision fp32 → int8" in [row["note"] for row in figure.rows]
    assert {"-0.0211", "AP (fraction)", "pytorch (reference)"} <= set(said)


def test_rung_0_is_the_published_ap(groups):
    figure = ladder.build(groups["coco_like"])
    assert (figure.rows[0]["variant"], figure.rows[0]["rung"], figure.rows[0]["to"]) == ("published", 0, 0.57)
    assert {"published", "0.5700"} <= set(texts(figure.svg))
    assert "authors publish" in figure.caption
    assert "authors publish" not in ladder.build(groups["street"]).caption


def test_without_ground_truth_the_ladder_is_of_agreement(groups):
    figure = ladder.build(groups["unlabelled"])
    assert [row["to"] for row in figure.rows] == [None, 1, 1, 0.91]
    assert {"0.9100", "agreement with the rung before"} <= set(texts(figure.svg))


def test_a_single_step_of_a_recipe_is_named(groups):
    group = replace(groups["street"])
    rungs = [replace(r, changes=("recipe a → b",), recipe_steps=("k 2 → 3",)) for r in group.ladder.rungs]
    group.__dict__["ladder"] = replace(group.ladder, rungs=tuple(rungs))
    said = texts(ladder.build(group).svg)
    assert "k 2 → 3" in said
    assert "recipe a → b" not in said


def test_latency_has_units_and_pytorch_its_caveat(groups):
    said = texts(latency.build(groups["street"]).svg)
    assert {"latency [ms]", "p99 [ms]", "21.45", "without compiled NMS"} <= set(said)


@pytest.mark.parametrize("module", [latency, stages])
def test_a_disturbed_time_is_called_so_in_its_figures(groups, module):
    said = texts(module.build(changed(groups["street"], "raw", disturbed=True)).svg)
    assert said.count("disturbed") == 1


def test_stages_are_as_long_as_their_medians(groups):
    figure = stages.build(groups["street"])
    of_int8 = [row for row in figure.rows if row["variant"] == "raw-int8"]
    assert [row["p50"] for row in of_int8] == pytest.approx([3.6, 2.4, 14.25, 1.2, 21.45])
    assert row_of(figure, variant="raw-int8", stage="inference")["p99"] == pytest.approx(14.25 * 1.5)
    said = texts(figure.svg)
    assert {"median of each stage [ms]", "inference"} <= set(said)
    assert "host to device" not in said
    assert said.count("raw") == 1


def test_what_was_not_timed_is_not_in_the_figures_of_time(groups):
    group = replace(groups["street"])
    group.__dict__["latencies"] = {"pytorch": groups["street"].latencies["pytorch"]}
    assert "raw" not in texts(latency.build(group).svg)
    group.__dict__["latencies"] = {}
    assert latency.build(group) is None
    assert stages.build(group) is None


def test_a_hidden_variant_leaves_and_a_highlighted_one_stands_out(groups):
    figure = ap.build(groups["street"])
    assert "raw-int8" in texts(figure.svg)
    assert "raw-int8" not in texts(picture(figure, hide=["raw-int8"]))
    assert 'opacity="0.15"' not in figure.svg
    assert 'opacity="0.15"' in picture(figure, mark=["raw-int8"])


def test_names_with_quotes_and_html_are_texts(groups):
    name = """a"b'<script>\\${x}"""
    said = texts(ap.build(changed(groups["street"], "raw", variant=name)).svg)
    assert name in said
