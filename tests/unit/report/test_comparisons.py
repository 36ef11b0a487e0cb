import json

from cutpoint.report.comparisons import agreement_table, size_table


def boxes(**changes):
    drift = {"p50": 1e-7, "p90": 1e-6, "p99": 0.00025, "max": 0.01}
    found = {
        "reference": 100,
        "variant": 96,
        "missing": 5,
        "extra": 1,
        "shares": [{"iou": 0.5, "pairs": 95, "share": 0.97}, {"iou": 0.99, "pairs": 90, "share": 0.92}],
        "score_drift": drift | {"mean": -1e-6},
        "box_drift_px": {"p50": 0.00012, "p90": 0.1, "p99": 1.5, "max": 22.04},
        "f1": [
            {"score_thr": 0.05, "reference": 90, "variant": 90, "f1": 0.8},
            {"score_thr": 0.3, "reference": 50, "variant": 50, "f1": 1.0},
            {"score_thr": 0.5, "reference": 20, "variant": 20, "f1": 1.0},
            {"score_thr": 0.9, "reference": 0, "variant": 0, "f1": None},
        ],
    }
    return found | changes


def entries(folder, *contents):
    found = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(content))
        found.append({"variant": f"v{number}", "path": str(path)})
    return found


def test_agreement_missing_extra_and_drift(tmp_path):
    found = agreement_table(entries(tmp_path, {"boxes": boxes()}))
    assert dict(zip(found["heads"], found["rows"][0]["cells"], strict=True)) == {
        "IoU 0.5": "0.9700",
        "IoU 0.99": "0.9200",
        "missing": "5 of 100",
        "extra": "1 of 96",
        "score p50": "1.0e-07",
        "score p99": "2.5e-04",
        "score max": "1.0e-02",
        "px p50": "0.00012",
        "px p99": "1.5",
        "px max": "22",
        "best F1": "1.0000",
        "from score": "0.3",
    }


def test_without_pairs_there_is_no_drift(tmp_path):
    empty = dict.fromkeys(("p50", "p90", "p99", "max"))
    nothing = boxes(
        score_drift=empty | {"mean": None}, box_drift_px=empty, f1=[{"score_thr": 0.5, "f1": None}]
    )
    assert agreement_table(entries(tmp_path, {"boxes": nothing}))["rows"][0]["cells"][4:] == [""] * 8
    assert agreement_table([]) is None


def test_sizes_have_intervals_and_a_mark_where_they_differ(tmp_path):
    sizes = [
        {"size": "small", "delta_AP": -0.02, "delta_AP_ci95": [-0.03, -0.01], "different": True},
        {"size": "medium", "delta_AP": 0.001, "delta_AP_ci95": None, "different": None},
        {"size": "large", "delta_AP": None, "delta_AP_ci95": None, "different": None},
    ]
    found = size_table(entries(tmp_path, {"per_size": sizes}, {"per_size": None}))
    assert found["heads"] == ["small", "medium", "large"]
    assert found["rows"] == [{"variant": "v0", "cells": ["-0.0200 (-0.0300 to -0.0100) ≠", "+0.0010", ""]}]
    assert size_table(entries(tmp_path, {"per_size": None})) is None
    better = {"size": "small", "delta_AP": 0.02, "delta_AP_ci95": [0.01, 0.03], "different": True}
    cell = size_table(entries(tmp_path, {"per_size": [better]}))["rows"][0]["cells"][0]
    assert cell == "+0.0200 (+0.0100 to +0.0300) ≠ suspicious"
