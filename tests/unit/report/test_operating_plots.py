"""What the pictures of thresholds and scores draw: each line once, by all its names."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cutpoint.files import write_json
from cutpoint.report import operating_plots
from cutpoint.report.operating_plots import merge, plot_calibration, plot_operating_points

NAN = np.nan


def points(recalls, regained=(None, None)):
    """Two thresholds; twice as many boxes at the lower."""
    return [
        {"score_thr": thr, "precision": 0.9, "recall": recall, "f1": recall and 0.8, "regains_at": regains}
        | {"boxes_per_image": boxes}
        for thr, recall, regains, boxes in zip((0.3, 0.6), recalls, regained, (20.0, 10.0), strict=True)
    ]


def tenths(detections, correct, pairs, drift):
    """Two of the ten tenths; mean scores of 0.25 and 0.75."""
    return [
        {"from": low, "detections": n, "mean_score": low + 0.05, "correct": c, "pairs": p, "drift": d}
        for low, n, c, p, d in zip((0.2, 0.7), detections, correct, pairs, drift, strict=True)
    ]


CONTENTS = {
    "int8": (points((0.5, 0.2), (0.15, 0.4)), tenths((50, 9), (0.3, 0.9), (10, 9), (-0.02, 0.5))),
    "pytorch": (points((0.7, 0.4), (0.35, 0.65)), tenths((50, 40), (0.1, 1.0), (None, None), (None, None))),
    "raw": (points((0.7, 0.404), (0.3, 0.6)), tenths((50, 40), (0.1, 1.0), (50, 40), (0.0, 0.001))),
}


def entries(tmp_path, labelled=True, dataset="street"):
    made = []
    for variant, (of_points, scores) in CONTENTS.items():
        path = tmp_path / dataset / f"{variant}.json"
        blank = dict.fromkeys(("detections", "mean_score", "correct"))
        content = {
            "errors": None,
            "error_changes": None,
            "score_thr": 0.6 if labelled else None,
            "points": of_points if labelled else None,
            "scores": scores if labelled else [row | blank for row in scores],
            "refused": None,
        }
        write_json(path, content)
        made.append({"dataset": dataset, "model": "det", "variant": variant, "reference": "pytorch"})
        made[-1]["path"] = str(path)
    return made


@pytest.fixture
def drawn(monkeypatch):
    """Every line as (x, y, colour), in order of drawing, without those that only the legend has."""
    lines, plot = [], operating_plots.Axes.plot

    def record(self, x, y, **style):
        if len(x):
            lines.append(
                (list(x), [None if v is None or np.isnan(v) else round(v, 9) for v in y], style["color"])
            )
        return plot(self, x, y, **style)

    monkeypatch.setattr(operating_plots.Axes, "plot", record)
    return lines


def texts(path) -> list[str]:
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", path.read_text(), re.S)]


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


def test_points_and_where_the_recall_is_regained(tmp_path, drawn):
    out = tmp_path / "a.svg"
    plot_operating_points(points=entries(tmp_path), out=str(out))
    black, orange = operating_plots.REFERENCE["color"], operating_plots.COLOURS[0]
    thresholds = [0.3, 0.6]
    assert drawn == [
        (thresholds, [0.9, 0.9], black),
        (thresholds, [0.9, 0.9], orange),
        (thresholds, [0.7, 0.4], black),
        (thresholds, [0.5, 0.2], orange),
        (thresholds, [0.8, 0.8], black),
        (thresholds, [0.8, 0.8], orange),
        (thresholds, [20, 10], black),
        (thresholds, [20, 10], orange),
        # the reference's best threshold is 0.6: int8 has its recall of 0.4 there at 0.4
        ([0.4], [0.4], orange),
    ]
    said = texts(out)
    assert {"street, det", "pytorch (reference), raw", "int8", "score threshold"} <= set(said)
    assert {"precision", "recall", "F1", "boxes per image"} <= set(said)


def test_calibration_leaves_tenths_of_few_boxes_out(tmp_path, drawn):
    out = tmp_path / "a.svg"
    plot_calibration(points=entries(tmp_path), out=str(out))
    diagonal, *lines = drawn
    assert diagonal[:2] == ([0, 1], [0, 1])
    black, orange = operating_plots.REFERENCE["color"], operating_plots.COLOURS[0]
    shown = [([None if np.isnan(v) else round(v, 9) for v in x], y, colour) for x, y, colour in lines]
    assert shown == [
        ([0.25, 0.75], [0.1, 1.0], black),
        ([0.25, 0.75], [0.0, 0.0], black),
        ([0.25, None], [0.3, None], orange),
        ([0.25, 0.75], [-0.02, None], orange),
    ]
    assert {"pytorch (reference), raw", "int8", "mean score", "drift of the score"} <= set(texts(out))


def test_without_ground_truth_there_is_drift_alone(tmp_path):
    both = [*entries(tmp_path), *entries(tmp_path, labelled=False, dataset="bare")]
    plot_operating_points(points=both, out=str(tmp_path / "points.svg"))
    assert "bare, det" not in texts(tmp_path / "points.svg")
    plot_calibration(points=both, out=str(tmp_path / "calibration.svg"))
    said = texts(tmp_path / "calibration.svg")
    assert {"street, det", "bare, det"} <= set(said)
    assert said.count("no ground truth") == 1
    plot_operating_points(points=both[3:], out=str(tmp_path / "none.svg"))
    ElementTree.fromstring((tmp_path / "none.svg").read_text())


@pytest.mark.parametrize("plot", [plot_operating_points, plot_calibration])
def test_the_same_numbers_give_the_same_bytes(tmp_path, plot):
    made = entries(tmp_path)
    for name in ("a", "b"):
        plot(points=made, out=str(tmp_path / f"{name}.svg"))
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"<date" not in first
