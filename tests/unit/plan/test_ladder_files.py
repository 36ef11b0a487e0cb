"""Which files comparisons and the ladder read, and which variants stand beside a step."""

from dataclasses import replace
from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.ladder import ladder_files, rungs
from cutpoint.plan.paths import comparison_files, samples_file, side_specs
from cutpoint.plan.recipe_choices import known_recipe
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.variants import NOTHING, External

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
ONNX = {"runtime": "onnxruntime"}
TENSORS = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
VARIANTS = {
    "pytorch": {"runtime": "pytorch", "cut": "e2e"},
    "pytorch_raw": {"runtime": "pytorch", "cut": "raw"},
    "raw": {**ONNX, "cut": "raw"},
    "raw_stretch": {**ONNX, "cut": "raw", "input": "stretch"},
    "raw_agnostic": {**ONNX, "cut": "raw", "recipe": "class-agnostic"},
    "stretch_agnostic": {**ONNX, "cut": "raw", "input": "stretch", "recipe": "class-agnostic"},
    "theirs": {"results": "theirs.json"},
    "external": {**ONNX, "cut": "e2e", "onnx": "f.onnx", "outputs": TENSORS | {"label": {"tensor": "l"}}},
    "external_raw": {**ONNX, "cut": "raw", "onnx": "g.onnx", "outputs": TENSORS},
}


def evaluation(annotations="a.json", variants=VARIANTS, **changes):
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": annotations}},
        "variants": variants,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(variants), **changes}],
    }
    return build_plan(complete_config(config, SCHEMA), "cpu").evaluations[0]


def test_a_change_alone_is_of_the_variant_that_differs_from_the_reference_in_it():
    ladder = ["raw", "raw_stretch", "stretch_agnostic"]
    found = rungs(evaluation(reference="raw", ladder=ladder))
    assert [rung["alone"] and rung["alone"]["variant"] for rung in found] == [
        None,
        "raw_stretch",
        "raw_agnostic",
    ]
    assert found[2]["alone"]["comparison"] == "results/comparisons/d/m/raw_agnostic.json"
    # from pytorch nothing differs in the input or the recipe alone
    found = rungs(evaluation(ladder=["pytorch", "pytorch_raw", *ladder]))
    assert [rung["alone"] and rung["alone"]["variant"] for rung in found] == [
        None,
        "pytorch_raw",
        None,
        None,
        None,
    ]


def test_nothing_is_alone_beside_an_external_reference():
    found = rungs(evaluation(reference="theirs", ladder=["raw", "raw_stretch"]))
    assert [rung["alone"] for rung in found] == [None, None]


def test_the_ladder_reads_the_reference_and_the_changes_alone_too():
    files = ladder_files(evaluation(reference="raw", ladder=["raw_stretch", "stretch_agnostic"]))
    assert "results/resamples/d/m/raw.npz" in files
    assert "results/comparisons/d/m/raw_agnostic.json" in files
    assert "results/detections/d/m/raw_stretch.json" in files
    assert len(files) == len(set(files))
    bare = ladder_files(evaluation(None, reference="raw", ladder=["raw_stretch", "stretch_agnostic"]))
    assert not any("resamples" in path or "metrics" in path for path in bare)


@pytest.mark.parametrize("annotations", ["a.json", None])
def test_a_comparison_reads_resamples_where_there_are_annotations(annotations):
    e = evaluation(annotations)
    files = comparison_files(e, e.variant("raw"))
    assert ("variant_samples" in files) == ("reference_samples" in files) == (annotations is not None)
    assert files["reference"] == "results/detections/d/m/pytorch.json"
    assert (samples_file(e, e.reference) is None) == (annotations is None)


def test_each_side_is_read_with_its_own_specification():
    e = evaluation()
    assert side_specs(e, e.variant("raw")) == dict.fromkeys(
        ("reference_spec", "variant_spec"), "results/models/m/spec.json"
    )
    assert side_specs(e, e.variant("theirs")) == {"reference_spec": "results/models/m/spec.json"}
    theirs = e.variant("external_raw")
    export = replace(theirs.export, external=External("g.onnx", NOTHING, "yolox"))
    alone = replace(theirs, run=replace(theirs.run, export=export))
    own = "results/models/m/raw-external-g.spec.json"
    assert side_specs(replace(e, reference=e.variant("theirs")), alone) == {"variant_spec": own}
    assert rungs(replace(e, ladder=(alone,)))[0]["spec"] == own
    assert own in ladder_files(replace(e, ladder=(alone,)))


def test_the_recipe_of_external_detections_is_not_known():
    e = evaluation()
    recipes = {name: known_recipe(e.variant(name)) for name in VARIANTS}
    assert (recipes["theirs"], recipes["external"]) == (None, None)
    assert (recipes["external_raw"], recipes["raw_agnostic"]) == ("mmdet3", "class-agnostic")


STEPS = [
    {"step": "threshold", "quantity": "class", "value": 0.05},
    {"step": "multiply_factor"},
    {"step": "max_per_img", "k": 5},
]
MOVED = [{"step": "multiply_factor"}, {"step": "threshold", "quantity": "product", "value": 0.05}, STEPS[2]]


def test_recipes_written_out_may_differ_in_one_step():
    steps = {"own": STEPS, "moved": MOVED, "shorter": MOVED[:2], "shortest": MOVED[1:2]}
    variants = {name: {**ONNX, "cut": "raw", "recipe": {"steps": value}} for name, value in steps.items()}

    def ladder(*names):
        return evaluation(variants={**VARIANTS, **variants}, ladder=list(names)).ladder

    assert len(ladder("own", "moved", "shorter", "shortest")) == 4
    message = (
        "own and shorter must differ in one thing, but differ in threshold moved, quantity class → product, "
        "max_per_img left out; put variants between them"
    )
    with pytest.raises(UserError, match=message):
        ladder("own", "shorter")
