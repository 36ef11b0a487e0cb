"""The config becomes exports, runs and variants with readable names; what has no meaning is refused."""

from pathlib import Path

import pytest

from cutpoint.config import complete_config
from cutpoint.errors import UserError
from cutpoint.plan import Export, Recipe, Run, Variant, differences, shape_value
from cutpoint.resolve import build_plan, check_names

SCHEMA = Path(__file__).resolve().parents[2] / "workflow/schemas/config.schema.yaml"
ONNX, TORCH = {"runtime": "onnxruntime"}, {"runtime": "pytorch"}
REFERENCE = {"pytorch": {**TORCH, "cut": "e2e"}}


def plan_of(variants, device="cpu", evaluation=None, model=None, recipes=None):
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth", **(model or {})}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "recipes": recipes or {},
        "variants": variants,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(variants), **(evaluation or {})}],
    }
    return build_plan(complete_config(config, SCHEMA), device)


def resolve(entry, device="cpu", **arguments):
    plan = plan_of({**REFERENCE, "v": entry}, device, **arguments)
    return plan.evaluations[0].variant("v")


@pytest.mark.parametrize(
    ("entry", "export", "run", "recipe"),
    [
        ({**ONNX, "cut": "raw"}, "raw-fp32", "onnxruntime-raw-fp32", "mmdet3"),
        ({**ONNX, "cut": "decoded"}, "decoded-fp32", "onnxruntime-decoded-fp32", "mmdet3"),
        (
            {**ONNX, "cut": "raw", "shape": [608, 416]},
            "raw-fp32-608x416",
            "onnxruntime-raw-fp32-608x416",
            "mmdet3",
        ),
        (
            {**ONNX, "cut": "e2e", "clip": "tensor"},
            "e2e-fp32-clip-tensor",
            "onnxruntime-e2e-fp32-clip-tensor",
            "mmdet3+clip-tensor",
        ),
        (
            {**ONNX, "cut": "raw", "recipe": {"base": "mmdet3", "score_thr": 0.3}},
            "raw-fp32",
            "onnxruntime-raw-fp32",
            "mmdet3+score_thr=0.3",
        ),
        (
            {**ONNX, "cut": "e2e", "recipe": {"base": "mmdet3", "max_per_img": 300, "score_thr": 0.3}},
            "e2e-fp32-score_thr-0_3-max_per_img-300",
            "onnxruntime-e2e-fp32-score_thr-0_3-max_per_img-300",
            "mmdet3+score_thr=0.3+max_per_img=300",
        ),
        ({**TORCH, "cut": "raw"}, None, "pytorch-raw", "mmdet3"),
        ({**TORCH, "cut": "raw", "provider": "cuda"}, None, "pytorch-raw-cuda", "mmdet3"),
        ({**ONNX, "cut": "raw", "provider": "cpu"}, "raw-fp32", "onnxruntime-raw-fp32", "mmdet3"),
    ],
)
def test_names(entry, export, run, recipe):
    variant = resolve(entry)
    assert (variant.run.export.name if variant.run.export else None) == export
    assert variant.run.name == run
    assert variant.recipe_text == recipe


def test_a_named_recipe_reads_as_what_it_does():
    recipes = {"strict": {"base": "mmdet3", "score_thr": 0.5}}
    variant = resolve({**ONNX, "cut": "raw", "recipe": "strict"}, recipes=recipes)
    assert variant.recipe_text == "mmdet3+score_thr=0.5"
    assert variant.recipe.definition == {"base": "mmdet3", "score_thr": 0.5}
    with pytest.raises(UserError, match="unknown recipe 'strickt'; did you mean 'strict'"):
        resolve({**ONNX, "cut": "raw", "recipe": "strickt"}, recipes=recipes)


@pytest.mark.parametrize(
    ("device", "entry", "run", "provider"),
    [
        ("cuda", {**ONNX, "cut": "raw"}, "onnxruntime-raw-fp32", "cuda"),
        ("cuda", {**ONNX, "cut": "raw", "provider": "cpu"}, "onnxruntime-raw-fp32-cpu", "cpu"),
        ("tensorrt", {**TORCH, "cut": "raw"}, "pytorch-raw", "cuda"),
        ("tensorrt", {**TORCH, "cut": "raw", "provider": "cuda"}, "pytorch-raw", "cuda"),
        ("tensorrt", {**ONNX, "cut": "raw", "provider": "cuda"}, "onnxruntime-raw-fp32-cuda", "cuda"),
    ],
)
def test_provider(device, entry, run, provider):
    variant = resolve(entry, device)
    assert (variant.run.name, variant.run.provider) == (run, provider)


def test_variants_share_a_run_and_runs_an_export():
    plan = plan_of(
        {
            **REFERENCE,
            "raw": {**ONNX, "cut": "raw"},
            "strict": {**ONNX, "cut": "raw", "recipe": {"base": "mmdet3", "score_thr": 0.5}},
            "cuda": {**ONNX, "cut": "raw", "provider": "cuda"},
        }
    )
    assert [run.name for run in plan.evaluations[0].runs] == [
        "pytorch-e2e",
        "onnxruntime-raw-fp32",
        "onnxruntime-raw-fp32-cuda",
    ]
    assert list(plan.exports("m")) == ["raw-fp32"]
    assert plan.wanted_providers == [("cpu", "device"), ("cuda", "variants.cuda.provider")]


def test_two_definitions_of_one_name_are_refused():
    def variant(name, recipe):
        export = Export("e2e", "fp32", "dynamic", "image", recipe)
        run = Run(f"onnxruntime-{export.name}", "onnxruntime", "e2e", "fp32", "cpu", "mmdet", export)
        return Variant(name, run, recipe)

    # both would be named e2e-fp32-score_thr-0_3
    one, other = (Recipe("mmdet3", (("score_thr", value),)) for value in (0.3, "0_3"))
    check_names([variant("a", one), variant("b", one)])
    with pytest.raises(UserError, match=r"variants.a and variants.b differ.*export e2e-fp32-score_thr-0_3"):
        check_names([variant("a", one), variant("b", other)])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**TORCH, "cut": "decoded"}, "variants.v.cut: pytorch has the cuts raw and e2e"),
        ({**TORCH, "cut": "raw", "shape": [608, 608]}, "variants.v.shape: only an exported file has it"),
        ({**TORCH, "cut": "e2e", "clip": "tensor"}, "variants.v.clip: only an exported file has it"),
        ({**ONNX, "cut": "raw", "clip": "tensor"}, "variants.v.clip: tensor is a form of the cut e2e"),
        (
            {**TORCH, "cut": "e2e", "recipe": {"base": "mmdet3", "score_thr": 0.3}},
            "variants.v.recipe: pytorch e2e is mmdet's own predict",
        ),
    ],
)
def test_combinations_without_meaning(entry, message):
    with pytest.raises(UserError, match=message):
        resolve(entry)


def test_pytorch_raw_takes_a_recipe():
    variant = resolve({**TORCH, "cut": "raw", "recipe": {"base": "mmdet3", "nms_pre": 50}})
    assert variant.recipe.overrides == (("nms_pre", 50),)


LINE = {
    **REFERENCE,
    "pytorch_raw": {**TORCH, "cut": "raw"},
    "raw": {**ONNX, "cut": "raw"},
    "e2e": {**ONNX, "cut": "e2e"},
    "tensor": {**ONNX, "cut": "e2e", "clip": "tensor"},
    "strict": {**ONNX, "cut": "raw", "recipe": {"base": "mmdet3", "score_thr": 0.5}},
    "stricter": {**ONNX, "cut": "raw", "recipe": {"base": "mmdet3", "score_thr": 0.6, "nms_pre": 5}},
}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("pytorch", "pytorch_raw", ["cut"]),
        ("pytorch_raw", "raw", ["runtime"]),
        ("pytorch", "raw", ["runtime", "cut"]),
        ("e2e", "tensor", ["clip"]),
        ("raw", "strict", ["recipe score_thr"]),
        ("strict", "stricter", ["recipe score_thr", "recipe nms_pre"]),
        ("raw", "raw", []),
    ],
)
def test_differences(one, other, found):
    evaluation = plan_of(LINE).evaluations[0]
    assert differences(evaluation.variant(one), evaluation.variant(other)) == found


def test_pytorch_without_tensorrt_is_one_difference():
    evaluation = plan_of(LINE, "tensorrt").evaluations[0]
    assert differences(evaluation.variant("pytorch_raw"), evaluation.variant("raw")) == ["runtime"]
    evaluation = plan_of({**LINE, "v": {**ONNX, "cut": "raw", "provider": "cpu"}}, "tensorrt").evaluations[0]
    assert differences(evaluation.variant("raw"), evaluation.variant("v")) == ["provider"]


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"model": "mm"}, r"evaluations\[0\].model: 'mm' is not among models; did you mean 'm'\?"),
        ({"dataset": "dd"}, r"evaluations\[0\].dataset: 'dd' is not among datasets"),
        ({"variants": ["pytorch", "row"]}, r"evaluations\[0\].variants: 'row' is not among variants"),
        ({"reference": "rew"}, r"evaluations\[0\].reference: 'rew' is not among this evaluation's"),
        ({"variants": ["raw"]}, r"evaluations\[0\].reference: no variant with runtime pytorch and cut e2e"),
        ({"ladder": ["pytorch", "rew"]}, r"evaluations\[0\].ladder: 'rew' is not among"),
        (
            {"ladder": ["pytorch", "raw"]},
            r"pytorch and raw must differ in one thing, but differ in runtime, cut",
        ),
    ],
)
def test_evaluation_is_refused(evaluation, message):
    with pytest.raises(UserError, match=message):
        plan_of(LINE, evaluation=evaluation)


def test_reference_is_mmdets_own_unless_named():
    assert plan_of(LINE).evaluations[0].reference.name == "pytorch"
    assert plan_of(LINE, evaluation={"reference": "raw"}).evaluations[0].reference.name == "raw"


def test_a_pair_twice_is_refused():
    entry = {"model": "m", "dataset": "d", "variants": ["pytorch"]}
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": REFERENCE,
        "evaluations": [entry, entry],
    }
    with pytest.raises(UserError, match=r"evaluations\[1\]: model 'm' on dataset 'd' is there twice"):
        build_plan(complete_config(config, SCHEMA), "cpu")


@pytest.mark.parametrize("cut", ["raw", "e2e"])
def test_threshold_below_the_floor_is_refused(cut):
    entry = {**ONNX, "cut": cut, "recipe": {"base": "mmdet3", "score_thr": 0.1}}
    resolve(entry, model={"candidate_floor": 0.1})
    with pytest.raises(UserError, match=r"thresholds at 0.1, below the floor.*candidate_floor \(0.2\)"):
        resolve(entry, model={"candidate_floor": 0.2})


def test_paths_are_normalised():
    plan = plan_of(REFERENCE, model={"checkpoint": "./data//x.pth", "config": "mmdet::atss/a.py"})
    assert plan.model("m").checkpoint == "data/x.pth"
    assert plan.model("m").config == "mmdet::atss/a.py"


def test_unplanned_names_are_named():
    with pytest.raises(UserError, match="plans no model 'x'; it plans m"):
        plan_of(REFERENCE).model("x")


def test_shape_value():
    assert shape_value("dynamic") == "dynamic"
    assert shape_value("608x416") == [608, 416]
