import json

import pytest

from cutpoint.ladder import build_ladder

APS = {"pytorch": 0.4, "raw": 0.375, "fp16": 0.25}


def build(tmp_path, aps, published=None):
    rungs = []
    for number, (name, ap) in enumerate(aps.items()):
        paths = {"variant": name, "metrics": None, "comparison": None, "changes": [f"to {name}"]}
        values = {"latency": {"stages": {"total": {"p50": 10.0 + number}}}}
        if ap != "unlabelled":
            values["metrics"] = {"AP": ap}
        if name != "pytorch":
            values["comparison"] = {"agreement": 1 - number / 10}
        for kind, value in values.items():
            path = tmp_path / f"{name}.{kind}.json"
            path.write_text(json.dumps(value))
            paths[kind] = str(path)
        rungs.append(paths)
    out = tmp_path / "ladder.json"
    build_ladder(rungs=rungs, reference="pytorch", published_ap=published, out=str(out))
    return json.loads(out.read_text())


def test_steps_telescope_to_the_total(tmp_path):
    found = build(tmp_path, APS, published=0.394)
    assert (found["reference"], found["published_ap"]) == ("pytorch", 0.394)
    rungs = found["rungs"]
    assert [r["variant"] for r in rungs] == list(APS)
    assert [r["AP"] for r in rungs] == list(APS.values())
    assert [r["changes"] for r in rungs] == [["to pytorch"], ["to raw"], ["to fp16"]]
    assert rungs[0]["delta_to_previous"] is None
    assert rungs[1]["delta_to_previous"] == pytest.approx(-0.025)
    assert sum(r["delta_to_previous"] for r in rungs[1:]) == pytest.approx(APS["fp16"] - APS["pytorch"])
    assert rungs[2]["delta_to_reference"] == pytest.approx(-0.15)
    assert rungs[0]["delta_to_reference"] is None
    assert [r["agreement"] for r in rungs] == [None, 0.9, 0.8]
    assert [r["latency_p50_ms"] for r in rungs] == [10.0, 11.0, 12.0]


def test_the_reference_need_not_be_the_first_rung(tmp_path):
    rungs = build(tmp_path, {"raw": 0.375, "pytorch": 0.4})["rungs"]
    assert rungs[0]["delta_to_reference"] == pytest.approx(-0.025)
    assert rungs[1]["delta_to_previous"] == pytest.approx(0.025)


def test_without_annotations_there_are_no_deltas(tmp_path):
    rungs = build(tmp_path, dict.fromkeys(APS, "unlabelled"))["rungs"]
    assert {(r["AP"], r["delta_to_previous"], r["delta_to_reference"]) for r in rungs} == {(None, None, None)}
    assert [r["agreement"] for r in rungs] == [None, 0.9, 0.8]


def test_a_null_ap_is_no_zero(tmp_path):
    rungs = build(tmp_path, {"pytorch": 0.4, "raw": None, "fp16": 0.3})["rungs"]
    assert [r["delta_to_previous"] for r in rungs] == [None, None, None]
    assert rungs[2]["delta_to_reference"] == pytest.approx(-0.1)
