import json
from dataclasses import replace

import numpy as np
import pytest
from comparing import COMPARISON
from report_fixtures import latency, metrics
from tiny import atss_head, model_spec

from cutpoint.compare.ladder import build_ladder
from cutpoint.records.comparison import write_comparison
from cutpoint.records.resamples import Resamples, write_resamples
from cutpoint.records.verification import TensorCheck, Verification, write_verification

APS = {"pytorch": 0.4, "raw": 0.375, "fp16": 0.25}
IMAGES, RESAMPLES = 40, 200


def write_samples(path, ap, seed):
    """AP of one class that scatters around ``ap``; of every variant in the same resamples."""
    spread = np.random.default_rng(seed).normal(0, 0.002, RESAMPLES)
    values = np.full((1 + RESAMPLES, 4, 1), np.nan if ap is None else ap)
    values[1:, :, 0] += spread[:, None]
    write_resamples(path, Resamples(np.arange(IMAGES), np.array([1]), values, np.full((4, 2), IMAGES)))
    return str(path)


def write(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def detection(x):
    return {"image_id": 1, "category_id": 1, "bbox": [x, 0, 10, 10], "score": 0.5}


def build(folder, aps, published=None, notes=(), labelled=True, alone=None, reference="pytorch", recipes=()):
    rungs = []
    spec = write(folder / "spec.json", model_spec(atss_head()).to_dict())
    for number, (name, ap) in enumerate(aps.items()):
        timed = latency("pytorch" if name in notes else "raw", 1.0)
        timed["stages"]["total"]["p50"] = 10.0 + number**2
        rung = {"variant": name, "changes": [f"to {name}"], "spec": spec, "alone": None}
        rung["recipe"] = dict(recipes).get(name, "mmdet3")
        rung |= dict.fromkeys(["metrics", "samples", "comparison", "verify"])
        rung["latency"] = write(folder / f"{name}.latency.json", timed)
        # each rung loses one detection of four
        found = [detection(50 * k) for k in range(4 - number)]
        rung["detections"] = write(folder / f"{name}.detections.json", found)
        if labelled:
            rung["metrics"] = write(folder / f"{name}.metrics.json", metrics(0) | {"AP": ap})
            rung["samples"] = write_samples(folder / f"{name}.npz", ap, number)
        if name != reference:
            compared = replace(
                COMPARISON, agreement=1 - number / 10, delta_AP=-number / 8, delta_AP_ci95=(-1.0, 0.0)
            )
            rung["comparison"] = str(folder / f"{name}.comparison.json")
            write_comparison(rung["comparison"], compared)
            if alone == name:
                rung["alone"] = {"variant": f"only_{name}", "comparison": rung["comparison"]}
        if name != "pytorch":
            sizes = {"cls": 1e-6 * number, "box": 1e-3 * number, "count": None}
            tensors = tuple(TensorCheck(n, size, None, None, "", True, "") for n, size in sizes.items())
            rung["verify"] = str(folder / f"{name}.verify.json")
            write_verification(rung["verify"], Verification(name, "fp32", True, (), tensors, 1, ()))
        rungs.append(rung)
    base = {"variant": reference, "samples": str(folder / f"{reference}.npz") if labelled else None}
    out = folder / "ladder.json"
    build_ladder(rungs=rungs, reference=base, published_ap=published, out=str(out))
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
    total = sum(r["delta_to_previous"] for r in rungs[1:])
    assert total == pytest.approx(APS["fp16"] - APS["pytorch"], abs=1e-12)
    assert rungs[2]["delta_to_reference"] == pytest.approx(total, abs=1e-12)
    assert rungs[0]["delta_to_reference"] is None


def test_each_step_has_its_own_interval(tmp_path):
    rungs = build(tmp_path, APS)["rungs"]
    assert rungs[0]["delta_to_previous_ci95"] is None
    assert rungs[0]["delta_to_reference_ci95"] is None
    # of two independent scatters of .002 around the difference
    for rung, key, centre in ((1, "previous", -0.025), (2, "previous", -0.125), (2, "reference", -0.15)):
        low, high = rungs[rung][f"delta_to_{key}_ci95"]
        assert low < centre < high
        assert high - low == pytest.approx(2 * 1.96 * 0.002 * 2**0.5, rel=0.25)


def test_agreement_latency_and_tensors_of_a_step(tmp_path):
    rungs = build(tmp_path, APS)["rungs"]
    assert [r["agreement"] for r in rungs] == [None, 0.9, 0.8]
    # 4, 3 and 2 detections
    assert [r["agreement_to_previous"] for r in rungs] == [None, 6 / 7, 4 / 5]
    assert [r["latency_p50_ms"] for r in rungs] == [10.0, 11.0, 14.0]
    assert [r["latency_difference_ms"] for r in rungs] == [None, 1.0, 3.0]
    assert rungs[0]["tensor_difference"] is None
    assert rungs[2]["tensor_difference"] == {"name": "box", "max_abs": 2e-3}


def test_a_pytorch_without_compiled_nms_is_not_compared_in_speed(tmp_path):
    rungs = build(tmp_path, APS, notes=["pytorch"])["rungs"]
    assert [r["latency_difference_ms"] for r in rungs] == [None, None, 3.0]
    rungs = build(tmp_path, APS, notes=["pytorch", "raw"])["rungs"]
    assert [r["latency_difference_ms"] for r in rungs] == [None, 1.0, None]


def test_the_steps_of_a_recipe_that_differ_are_named(tmp_path):
    recipes = {"raw": "class-agnostic", "fp16": None}
    rungs = build(tmp_path, APS, recipes=recipes)["rungs"]
    assert [r["recipe_steps"] for r in rungs] == [[], ["nms space shifted → agnostic"], []]


def test_a_change_alone_stands_beside_the_steps_so_far(tmp_path):
    rungs = build(tmp_path, APS, alone="fp16")["rungs"]
    assert [r["alone"] for r in rungs[:2]] == [None, None]
    assert rungs[2]["alone"] == {"variant": "only_fp16", "delta_AP": -0.25, "delta_AP_ci95": [-1, 0]}


def test_the_reference_need_not_be_the_first_rung(tmp_path):
    rungs = build(tmp_path, {"raw": 0.375, "pytorch": 0.4})["rungs"]
    assert rungs[0]["delta_to_reference"] == pytest.approx(-0.025)
    assert rungs[1]["delta_to_previous"] == pytest.approx(0.025)
    assert rungs[1]["delta_to_reference"] is None


def test_without_annotations_there_are_no_deltas(tmp_path):
    rungs = build(tmp_path, APS, labelled=False)["rungs"]
    keys = ("AP", "delta_to_previous", "delta_to_previous_ci95", "delta_to_reference")
    assert {rung[key] for rung in rungs for key in keys} == {None}
    assert [r["agreement_to_previous"] for r in rungs] == [None, 6 / 7, 4 / 5]


def test_a_null_ap_is_no_zero(tmp_path):
    rungs = build(tmp_path, {"pytorch": 0.4, "raw": None, "fp16": 0.3})["rungs"]
    assert [r["delta_to_previous"] for r in rungs] == [None, None, None]
    assert rungs[2]["delta_to_reference"] == pytest.approx(-0.1)
