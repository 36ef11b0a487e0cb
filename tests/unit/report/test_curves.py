"""The figures of thresholds and scores: each line once, by all its names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chart_fixtures import picture, row_of, texts
from report_fixtures import summary_row

from cutpoint.files import write_json
from cutpoint.report.charts import calibration, drift, operating_points
from cutpoint.report.charts.curves import curves_of, merge
from cutpoint.report.group import Group

NAN = np.nan


def points(recalls, regained=(None, None)):
    """Two thresholds; twice as many boxes at the lower."""
    return [
        {"score_thr": thr, "precision": 0.9, "recall": recall, "f1": recall and 0.8, "regains_at": regains}
        | {"boxes_per_image": boxes}
        for thr, recall, regains, boxes in zip((0.3, 0.6), recalls, regained, (20.0, 10.0), strict=True)
    ]


def bins(detections, correct, pairs, drifts):
    """Two of the ten bins; mean scores of 0.25 and 0.75."""
    return [
        {"from": low, "detections": n, "mean_score": low + 0.05, "correct": c, "pairs": p, "drift": d}
        for low, n, c, p, d in zip((0.2, 0.7), detections, correct, pairs, drifts, strict=True)
    ]


CONTENTS = {
    "int8": (points((0.5, 0.2), (0.15, 0.4)), bins((50, 9), (0.3, 0.9), (10, 9), (-0.02, 0.5))),
    "pytorch": (points((0.7, 0.4), (0.35, 0.65)), bins((50, 40), (0.1, 1.0), (None, None), (None, None))),
    "raw": (points((0.7, 0.404), (0.3, 0.6)), bins((50, 40), (0.1, 1.0), (50, 40), (0.0, 0.001))),
}


def group_of(folder: Path, labelled=True, refused=()) -> Group:
    rows, made = [], []
    for variant, (of_points, scores) in CONTENTS.items():
        path = folder / f"{variant}.json"
        blank = dict.fromkeys(("detections", "mean_score", "correct"))
        content = {"errors": None, "error_changes": None, "score_thr": 0.6 if labelled else None}
        content |= {"points": of_points if labelled else None}
        content |= {"scores": scores if labelled else [row | blank for row in scores]}
        write_json(path, content | {"refused": "NaN" if variant in refused else None})
        made.append({"variant": variant, "path": str(path)})
        rows.append(summary_row(variant=variant, is_reference=variant == "pytorch"))
    return Group(rows, [], {"points": made})


@pytest.mark.parametrize(
    ("other", "together"),
    [
        ([0.5, 0.2], True),
        ([0.509, 0.2], True),
        ([0.511, 0.2], False),
        ([0.5, NAN], True),
        ([NAN, NAN], True),
    ],
)
def test_lines_that_cannot_be_told_apart_are_one(other, together):
    curves = {"other": (np.array([other]),), "reference": (np.array([[0.5, 0.2]]),)}
    expected = [["reference", "other"]] if together else [["reference"], ["other"]]
    assert merge(curves, "reference", ((0.01,),)) == expected


def test_each_row_has_its_own_nearness_and_every_array_counts():
    values = {"ref": (0.5, 0.0, 0.1), "a": (0.505, 0.0, 0.1), "b": (0.5, 0.005, 0.1), "c": (0.5, 0.0, 0.2)}
    curves = {name: (np.array([[x], [y]]), np.array([[z]])) for name, (x, y, z) in values.items()}
    assert merge(curves, "ref", ((0.01, 0.002), (0.05,))) == [["ref", "a"], ["b"], ["c"]]


def test_names_join_the_first_line_they_fit():
    curves = {name: (np.array([[value]]),) for name, value in {"a": 0.7, "ref": 0.5, "b": 0.701}.items()}
    assert merge(curves, "ref", ((0.01,),)) == [["ref"], ["a", "b"]]


def test_points_have_all_their_values_and_the_names_of_their_line(tmp_path):
    figure = operating_points.build(group_of(tmp_path))
    assert len(figure.rows) == 6
    row = row_of(figure, variant="int8", score_thr=0.6)
    assert (row["recall"], row["precision"], row["F1"], row["boxes_per_image"]) == (0.2, 0.9, 0.8, 10)
    # the reference's best threshold is 0.6: int8 has its recall of 0.4 there at 0.4
    assert row["regains_at"] == 0.4
    assert row_of(figure, variant="int8", score_thr=0.3)["regains_at"] is None
    said = texts(figure.svg)
    assert said.count("pytorch (reference) and raw") == 1
    assert {"int8", "score threshold", "F1", "recall", "precision", "boxes per image"} <= set(said)


def test_a_line_is_drawn_once_and_stays_while_one_of_its_variants_is_shown(tmp_path):
    figure = calibration.build(group_of(tmp_path))
    black = 'stroke="currentColor" stroke-width="3.5"'
    assert figure.svg.count(black) == 1
    assert picture(figure, hide=["pytorch"]).count(black) == 1
    assert picture(figure, hide=["pytorch", "raw"]).count(black) == 0
    # the line of a variant that is highlighted does not step back
    marked = picture(figure, mark=["raw"])
    assert [part.split(">")[0].count("0.15") for part in marked.split(black)[1:]] == [0]


def test_calibration_has_every_bin_and_draws_those_of_enough_boxes(tmp_path):
    figure = calibration.build(group_of(tmp_path))
    row = row_of(figure, variant="int8", score="0.7-0.8")
    assert (row["boxes"], row["mean_score"], row["correct"]) == (9, 0.75, 0.9)
    # two dots of pytorch's line, one of int8's
    assert figure.svg.count("translate(") - without_dots(figure) == 3


def without_dots(figure) -> int:
    spec = figure.spec | {"layer": figure.spec["layer"][:-1]}
    return replace(figure, spec=spec).svg.count("translate(")


def test_drift_is_that_of_the_pairs(tmp_path):
    figure = drift.build(group_of(tmp_path))
    assert {row["variant"] for row in figure.rows} == {"int8", "raw"}
    assert row_of(figure, variant="int8", score="0.2-0.3")["drift"] == -0.02
    assert {"drift of the score", "score of the reference"} <= set(texts(figure.svg))


def test_without_ground_truth_there_is_drift_alone(tmp_path):
    group = group_of(tmp_path, labelled=False)
    assert operating_points.build(group) is None
    assert calibration.build(group) is None
    assert drift.build(group) is not None


def test_a_refused_variant_has_no_line_and_beside_a_refused_reference_there_is_none(tmp_path):
    curves = curves_of(group_of(tmp_path, refused=("int8",)))
    assert curves.lines == [["pytorch", "raw"]]
    assert curves_of(group_of(tmp_path, refused=("pytorch",))) is None


def test_where_all_are_hidden_a_picture_is_still_made(tmp_path):
    for module in (operating_points, calibration, drift):
        picture(module.build(group_of(tmp_path)), hide=list(CONTENTS))
