"""The config becomes exports, runs and variants with readable names; what has no meaning is refused."""

from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.choices import InputChoice, RecipeChoice
from cutpoint.plan.config import complete_config
from cutpoint.plan.ladder import rungs
from cutpoint.plan.paths import autopsy_files
from cutpoint.plan.recipe_choices import autopsy_recipe
from cutpoint.plan.resolve import build_plan, check_names
from cutpoint.plan.resolve_variant import MAKING
from cutpoint.plan.tables import report_entries, table_row
from cutpoint.plan.variants import (
    CALIBRATION_IMAGES,
    Export,
    ResultsVariant,
    Run,
    RunVariant,
    Trace,
    differences,
    shape_value,
)

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
ONNX, TORCH = {"runtime": "onnxruntime"}, {"runtime": "pytorch"}
REFERENCE = {"pytorch": {**TORCH, "cut": "e2e"}}
OUTPUTS = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
INT8 = {"precision": "int8", "calibration": {"dataset": "other"}}
EXTERNAL = {**ONNX, "cut": "raw", "onnx": "theirs/yolo.v1.onnx", "outputs": OUTPUTS}
STEPS = [{"step": "threshold", "quantity": "class", "value": 0.05}, {"step": "max_per_img", "k": 5}]


def plan_of(variants, device="cpu", evaluation=None, model=None, recipes=None, config=None):
    config = (config or {}) | {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth", **(model or {})}},
        "datasets": {
            "d": {"images": "d", "annotations": None},
            "other": {"images": "o", "annotations": None},
        },
        "recipes": recipes or {},
        "variants": variants,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(variants), **(evaluation or {})}],
    }
    return build_plan(complete_config(config, SCHEMA), device)


def resolve(entry, device="cpu", **arguments):
    plan = plan_of({**REFERENCE, "v": entry}, device, **arguments)
    return plan.evaluations[0].variant("v")


def test_tf32_is_a_gpus_and_a_run_of_its_own():
    assert resolve({**ONNX, "cut": "raw", "tf32": True}, "cuda").run.name == "onnxruntime-raw-fp32-tf32"
    assert resolve({**TORCH, "cut": "raw", "tf32": True}, "tensorrt").run.name == "pytorch-raw-tf32"
    off, on = (resolve({**ONNX, "cut": "raw", "tf32": tf32}, "cuda") for tf32 in (False, True))
    assert differences(off, on) == ["tf32"]
    assert off.export == on.export
    with pytest.raises(UserError, match=r"v\.tf32: only cuda, tensorrt have it, and this runs on cpu"):
        resolve({**ONNX, "cut": "raw", "tf32": True}, "cpu")
    # the CPU has no choice, and fp16 none either
    half = resolve({**ONNX, "cut": "raw", "precision": "fp16"}, "cuda")
    variants = (off, on, half, resolve({**ONNX, "cut": "raw"}, "cpu"))
    evaluation = plan_of(REFERENCE).evaluations[0]
    assert [table_row(evaluation, v).tf32 for v in variants] == ["off", "on", None, None]


def test_a_file_of_fixed_shape_is_not_timed_in_batches():
    variants = {**REFERENCE, "v": {**ONNX, "cut": "raw", "shape": [64, 64]}}
    config = {"latency": {"batch": 2}}
    with pytest.raises(UserError, match=r"latency\.batch: 2 images, and variants\.v is a file of fixed"):
        plan_of(variants, config=config)
    assert plan_of({**REFERENCE, "v": {**ONNX, "cut": "raw"}}, config=config).evaluations


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
        ({**TORCH, "cut": "raw", "batch": 4}, None, "pytorch-raw-batch4", "mmdet3"),
        (
            {**ONNX, "cut": "raw", "precision": "fp16", "opset": 19, "exporter": "torchscript", "batch": 2},
            "raw-fp16-opset19-torchscript",
            "onnxruntime-raw-fp16-opset19-torchscript-batch2",
            "mmdet3",
        ),
        ({**ONNX, "cut": "e2e", **INT8}, "e2e-int8-other", "onnxruntime-e2e-int8-other", "mmdet3"),
        (
            {**ONNX, "cut": "raw", "precision": "int8", "calibration": {"dataset": "other", "images": 8}},
            "raw-int8-other-8images",
            "onnxruntime-raw-int8-other-8images",
            "mmdet3",
        ),
        (
            {**ONNX, "cut": "decoded", "scores": "fused", "recipe": "seed-topk-nms"},
            "decoded-fp32-fused",
            "onnxruntime-decoded-fp32-fused",
            "seed-topk-nms",
        ),
        (
            {**ONNX, "cut": "raw", "input": "stretch", "shape": [608, 608]},
            "raw-fp32-608x608",
            "onnxruntime-raw-fp32-608x608-stretch",
            "mmdet3",
        ),
        (
            {**ONNX, "cut": "e2e", "recipe": "mmdeploy", "topk_limit": 3840, "count": "free"},
            "e2e-fp32-count-free-topk-3840-mmdeploy",
            "onnxruntime-e2e-fp32-count-free-topk-3840-mmdeploy",
            "mmdeploy+topk_limit=3840",
        ),
        (
            {**ONNX, "cut": "e2e", "recipe": {"base": "mmdet3", "score_voting": False}},
            "e2e-fp32-no-voting",
            "onnxruntime-e2e-fp32-no-voting",
            "mmdet3+no-voting",
        ),
        (EXTERNAL, "raw-external-yolo_v1", "onnxruntime-raw-external-yolo_v1", "mmdet3"),
        (
            {**EXTERNAL, "cut": "e2e"},
            "e2e-external-yolo_v1",
            "onnxruntime-e2e-external-yolo_v1",
            "external",
        ),
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
        "pytorch-raw",
    ]
    assert list(plan.exports("m")) == ["raw-fp32"]
    assert plan.wanted_providers == [("cpu", "device"), ("cuda", "variants.cuda.provider")]


def test_e2e_brings_the_raw_run_that_is_otherwise_the_same():
    same = {"precision": "fp16", "opset": 21, "input": "stretch", "batch": 2}
    e2e = {**ONNX, "cut": "e2e", "recipe": "mmdeploy", "clip": "tensor", "topk_limit": 3840, **same}
    own, name = {**ONNX, "cut": "raw", **same}, "onnxruntime-raw-fp16-opset21-stretch-batch2"
    for variants, runs in (
        ({"e2e": e2e}, ["pytorch-raw", name]),
        ({"e2e": e2e, "raw": own}, [name, "pytorch-raw"]),
    ):
        plan = plan_of({**REFERENCE, **variants})
        evaluation = plan.evaluations[0]
        raw = evaluation.variant("e2e").run.candidates
        assert raw == resolve(own).run
        assert [run.name for run in evaluation.runs if run.cut == "raw"] == runs
        assert plan.export("m", "raw-fp16-opset21") == raw.export
    files = autopsy_files(evaluation, evaluation.variant("e2e"))
    assert files["variant_predictions"] == [f"results/predictions/d/m/{raw.name}/0.parquet"]
    assert files["reference_images"] == ["results/predictions/d/m/pytorch-raw/0.images.parquet"]
    assert autopsy_recipe(evaluation.variant("e2e")) == {
        "recipe": "mmdeploy",
        "clip": "tensor",
        "topk_limit": 3840,
    }


def test_what_is_external_brings_no_run():
    external = {**EXTERNAL, "cut": "e2e", "outputs": {**OUTPUTS, "label": {"tensor": "l"}}}
    variants = {**REFERENCE, "theirs": external, "file": {"results": "theirs.json"}}
    plan = plan_of(variants, evaluation={"diagnose": []})
    evaluation = plan.evaluations[0]
    assert [run.name for run in evaluation.runs if run.cut == "raw"] == ["pytorch-raw"]
    for name in ("theirs", "file"):
        variant = evaluation.variant(name)
        assert autopsy_files(evaluation, variant)["variant_predictions"] == []
        assert autopsy_recipe(variant) == {"recipe": None}


def test_what_is_external_is_diagnosed_unless_the_config_names_others():
    variants = {**REFERENCE, "mine": {**ONNX, "cut": "decoded"}, "file": {"results": "theirs.json"}}
    evaluation = plan_of(variants, device="cuda").evaluations[0]
    assert [variant.name for variant in evaluation.diagnosed] == ["file"]
    # the raw file in fp32, which no variant has
    run = evaluation.fingerprint_run
    assert (run.export.name, run.provider) == ("raw-fp32", "cuda")
    assert run in evaluation.runs
    paths = [entry["path"] for entry in report_entries(plan_of(variants))["diagnoses"]]
    assert paths == ["results/diagnoses/d/m/file.json"]
    chosen = plan_of(variants, evaluation={"diagnose": ["mine"]}).evaluations[0]
    assert [variant.name for variant in chosen.diagnosed] == ["mine"]
    none = plan_of(variants, evaluation={"diagnose": []}).evaluations[0]
    assert (none.diagnosed, none.fingerprint_run) == ((), None)
    assert plan_of(REFERENCE).evaluations[0].fingerprint_run is None
    of_file = plan_of(variants, evaluation={"reference": "file"}).evaluations[0]
    assert of_file.diagnosed == ()
    with pytest.raises(UserError, match=r"diagnose: pytorch is the reference; leave it out"):
        plan_of(variants, evaluation={"diagnose": ["pytorch"]})
    with pytest.raises(UserError, match=r"diagnose: 'my' is not among this evaluation's variants"):
        plan_of(variants, evaluation={"diagnose": ["my"]})


def test_steps_written_out_are_a_recipe():
    variant = resolve({**ONNX, "cut": "raw", "recipe": "own"}, recipes={"own": {"steps": STEPS}})
    assert (variant.recipe_text, variant.recipe.definition) == ("own", {"steps": STEPS})
    nameless = resolve({**ONNX, "cut": "e2e", "recipe": {"steps": STEPS}})
    assert nameless.recipe_text.startswith("steps-")
    assert nameless.export.name == f"e2e-fp32-{nameless.recipe_text}"
    other = resolve({**ONNX, "cut": "e2e", "recipe": {"steps": STEPS[:1]}})
    assert other.export.name != nameless.export.name
    with pytest.raises(UserError, match=r"variants.v.recipe: recipe step 2 'max_per_im': unknown"):
        resolve({**ONNX, "cut": "raw", "recipe": {"steps": [STEPS[0], {"step": "max_per_im", "k": 5}]}})


def test_cuts_share_a_trace_and_a_reduced_one_is_made_from_fp32():
    entries = {cut: {**ONNX, "cut": cut, **INT8, "opset": 19} for cut in ("raw", "e2e")}
    plan = plan_of({**REFERENCE, **entries})
    assert {export.trace.name for export in plan.exports("m").values()} == {"trace-int8-other-opset19"}
    trace = plan.trace("m", "trace-int8-other-opset19")
    assert trace.fp32 == plan.trace("m", "trace-fp32-opset19")
    assert [dataset.name for dataset in plan.datasets] == ["d", "other"]
    with pytest.raises(UserError, match="plans no trace of m 'trace-fp32'"):
        plan.trace("m", "trace-fp32")


def test_int8_is_not_calibrated_on_what_is_scored():
    entry = {**ONNX, "cut": "raw", "precision": "int8", "calibration": {"dataset": "d"}}
    with pytest.raises(
        UserError, match=r"evaluations\[0\]: variant v is calibrated on d, whose images d are"
    ):
        resolve(entry)


def test_a_results_file_is_a_variant_without_a_run():
    variants = {**REFERENCE, "theirs": {"results": "./their//dets.json"}}
    plan = plan_of(variants, evaluation={"diagnose": []})
    evaluation = plan.evaluations[0]
    variant = evaluation.variant("theirs")
    assert variant == ResultsVariant("theirs", "their/dets.json")
    assert [run.name for run in evaluation.runs] == ["pytorch-e2e", "pytorch-raw"]
    row = table_row(evaluation, variant)
    empty = ("runtime", "cut", "precision", "recipe", "batch", "latency", "onnx", "verify")
    assert [getattr(row, key) for key in empty] == [None] * 8
    assert row.comparison == "results/comparisons/d/m/theirs.json"
    assert row.remarks == ("external: their/dets.json",)


def test_only_a_results_file_says_how_it_is_numbered():
    ids = {"category_ids": "label", "image_ids": "stem"}
    variants = {**REFERENCE, "theirs": {"results": "dets.json", **ids}}
    evaluation = plan_of(variants, evaluation={"diagnose": []}).evaluations[0]
    variant = evaluation.variant("theirs")
    assert variant == ResultsVariant("theirs", "dets.json", **ids)
    said = "external: dets.json, category_ids label, image_ids stem"
    assert table_row(evaluation, variant).remarks == (said,)
    with pytest.raises(UserError, match=r"variants\.v\.image_ids: only a results file has it; remove it"):
        resolve({**ONNX, "cut": "raw", "image_ids": "stem"})
    with pytest.raises(UserError, match="theirs is a results file, so it is not known how"):
        plan_of(
            {**REFERENCE, "theirs": {"results": "dets.json"}}, evaluation={"ladder": ["pytorch", "theirs"]}
        )


def test_remarks_say_what_no_column_says():
    plan = plan_of({**REFERENCE, "v": {**ONNX, "cut": "e2e", **INT8, "opset": 19, "count": "free"}})
    row = table_row(plan.evaluations[0], plan.evaluations[0].variant("v"))
    assert row.remarks == ("free count", "opset 19", "calibrated on 32 images of other")
    assert row.precision_report == "results/models/m/trace-int8-other-opset19.precision.json"
    assert table_row(plan.evaluations[0], plan.evaluations[0].variant("pytorch")).remarks == ()


def test_the_shape_of_an_external_file_is_not_claimed():
    plan = plan_of({**REFERENCE, "v": EXTERNAL})
    row = table_row(plan.evaluations[0], plan.evaluations[0].variant("v"))
    assert (row.shape, row.remarks) == (None, ("external: theirs/yolo.v1.onnx",))
    assert row.onnx == "results/models/m/raw-external-yolo_v1.onnx"


def test_two_definitions_of_one_name_are_refused():
    def variant(name, recipe):
        return RunVariant(name, Run("onnxruntime", "e2e", "cpu", Export("e2e", recipe=recipe)), recipe)

    # both would be named e2e-fp32-score_thr-0_3
    one, other = (RecipeChoice("mmdet3", (("score_thr", value),)) for value in (0.3, "0_3"))
    check_names([variant("a", one), variant("b", one)])
    with pytest.raises(UserError, match=r"variants.a and variants.b differ.*export e2e-fp32-score_thr-0_3"):
        check_names([variant("a", one), variant("b", other)])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**TORCH, "cut": "decoded"}, "variants.v.cut: pytorch has the cuts raw and e2e"),
        ({**TORCH, "cut": "raw", "shape": [608, 608]}, "variants.v.shape: only an exported file has it"),
        ({**TORCH, "cut": "e2e", "clip": "tensor"}, "variants.v.clip: only an exported file has it"),
        ({**TORCH, "cut": "raw", "precision": "fp16"}, "variants.v.precision: only an exported file has it"),
        ({**TORCH, "cut": "raw", "opset": 19}, "variants.v.opset: only an exported file has it"),
        ({**TORCH, "cut": "e2e", "input": "seed-unit"}, "variants.v.input: pytorch e2e is mmdet's own test"),
        ({**TORCH, "cut": "e2e", "recipe": "mmdeploy"}, "variants.v.recipe: pytorch e2e is mmdet's own"),
        ({**ONNX, "cut": "raw", "clip": "tensor"}, "variants.v.clip: tensor is a form of the cut e2e"),
        ({**ONNX, "cut": "raw", "scores": "fused"}, "variants.v.scores: fused is a form of the cut decoded"),
        ({**ONNX, "cut": "decoded", "count": "free"}, "variants.v.count: free is a form of the cut e2e"),
        ({**ONNX, "cut": "raw", "topk_limit": 9}, "variants.v.topk_limit: 9 is a form of the cut e2e"),
        ({**ONNX, "cut": "e2e", "recipe": "seed-per-class"}, "seed-per-class cannot be part of a graph"),
        ({**ONNX, "cut": "raw", "shape": [32, 32], "batch": 2}, "variants.v.batch: a file of fixed shape"),
        ({**ONNX, "cut": "raw", "precision": "int8"}, "variants.v: int8 takes its ranges from images"),
        (
            {**ONNX, "cut": "raw", "calibration": {"dataset": "d"}},
            "variants.v.calibration: only int8 is calibrated, not fp32",
        ),
        (
            {**ONNX, "cut": "raw", "precision": "int8", "calibration": {"dataset": "othr"}},
            "variants.v.calibration.dataset: 'othr' is not among datasets; did you mean 'other'",
        ),
        (
            {**ONNX, "cut": "raw", "input": "seed-225", "shape": [608, 608]},
            "variants.v.input: seed-225 keeps each image's own size",
        ),
        ({**ONNX, "cut": "raw", "onnx": "x.onnx"}, "variants.v.onnx: .* needs both onnx and outputs"),
        ({**ONNX, "cut": "raw", "outputs": OUTPUTS}, "variants.v.outputs: .* add onnx"),
        (
            {**EXTERNAL, "opset": 19},
            "variants.v.opset: it says how Cutpoint makes a file, but this file exists",
        ),
        ({**EXTERNAL, "cut": "e2e", "recipe": "mmdeploy"}, "post-processing of an e2e file is inside it"),
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
    "mmdeploy": {**ONNX, "cut": "raw", "recipe": "mmdeploy"},
    "decoded": {**ONNX, "cut": "decoded", "recipe": "mmdeploy"},
    "fused": {**ONNX, "cut": "decoded", "recipe": "mmdeploy", "scores": "fused"},
    "int8": {**ONNX, "cut": "raw", **INT8},
    "less": {**ONNX, "cut": "raw", "precision": "int8", "calibration": {"dataset": "other", "images": 8}},
    "opset": {**ONNX, "cut": "raw", "opset": 19},
    "batch": {**ONNX, "cut": "raw", "batch": 2},
    "seed225": {**ONNX, "cut": "raw", "input": "seed-225"},
    "theirs": EXTERNAL,
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
        ("raw", "mmdeploy", ["recipe base"]),
        ("strict", "mmdeploy", ["recipe base", "recipe score_thr"]),
        ("decoded", "fused", ["scores"]),
        ("raw", "int8", ["precision"]),
        ("int8", "less", ["calibration"]),
        ("pytorch_raw", "opset", ["runtime", "opset"]),
        ("opset", "batch", ["batch", "opset"]),
        ("raw", "seed225", ["input"]),
        ("raw", "theirs", ["onnx"]),
        ("raw", "raw", []),
    ],
)
def test_differences(one, other, found):
    evaluation = plan_of(LINE).evaluations[0]
    assert differences(evaluation.variant(one), evaluation.variant(other)) == found


def test_rungs_say_what_changed():
    ladder = ["fused", "decoded", "mmdeploy", "raw", "int8", "less"]
    found = rungs(plan_of(LINE, evaluation={"ladder": ladder}).evaluations[0])
    assert [list(rung["changes"]) for rung in found] == [
        [],
        ["scores fused → class"],
        ["cut decoded → raw"],
        ["recipe mmdeploy → mmdet3"],
        ["precision fp32 → int8"],
        ["calibration 32 of other → 8 of other"],
    ]
    found = rungs(plan_of(LINE, evaluation={"ladder": ["raw", "theirs"]}).evaluations[0])
    assert list(found[1]["changes"]) == ["file Cutpoint's own → theirs/yolo.v1.onnx"]


def test_pytorch_without_tensorrt_is_one_difference():
    evaluation = plan_of(LINE, "tensorrt").evaluations[0]
    assert differences(evaluation.variant("pytorch_raw"), evaluation.variant("raw")) == ["runtime"]
    # a device of its own is one, beside the runtime
    evaluation = plan_of({**LINE, "v": {**ONNX, "cut": "raw", "provider": "cpu"}}, "tensorrt").evaluations[0]
    assert differences(evaluation.variant("pytorch_raw"), evaluation.variant("v")) == ["runtime", "provider"]
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
    with pytest.raises(UserError, match=r"evaluations\[1\]: model 'm' on dataset 'd' appears twice"):
        build_plan(complete_config(config, SCHEMA), "cpu")


@pytest.mark.parametrize("cut", ["raw", "e2e"])
def test_threshold_below_the_floor_is_refused(cut):
    entry = {**ONNX, "cut": cut, "recipe": {"base": "mmdet3", "score_thr": 0.1}}
    resolve(entry, model={"candidate_floor": 0.1})
    with pytest.raises(UserError, match=r"thresholds at 0.1, below the floor.*candidate_floor \(0.2\)"):
        resolve(entry, model={"candidate_floor": 0.2})
    resolve(entry, model={"candidate_floor": 300})  # a number of pairs


@pytest.mark.parametrize("choice", [None, "checkpoint", "config"])
def test_whose_class_names_hold_is_the_models(choice):
    assert plan_of(REFERENCE, model={"class_names": choice}).model("m").class_names == choice


def test_paths_are_normalised():
    plan = plan_of(REFERENCE, model={"checkpoint": "./data//x.pth", "config": "mmdet::atss/a.py"})
    assert plan.model("m").checkpoint == "data/x.pth"
    assert plan.model("m").config == "mmdet::atss/a.py"


def test_unplanned_names_are_named():
    with pytest.raises(UserError, match="plans no model 'x'; it plans m"):
        plan_of(REFERENCE).model("x")


def test_names_leave_out_what_the_schema_sets():
    """The defaults stand in the schema; the names of exports and runs are made of what differs from them."""
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": {"v": {**ONNX, "cut": "raw"}, "int8": {**ONNX, "cut": "raw", **INT8}},
        "evaluations": [],
    }
    config["evaluations"] = [{"model": "m", "dataset": "d", "variants": ["v"]}]
    entries = complete_config(config, SCHEMA)["variants"]
    run, trace = Run("onnxruntime", "raw", "cpu"), Trace()
    keys = {**MAKING, "precision": trace.precision, "batch": run.batch, "tf32": run.tf32}
    assert {key: entries["v"][key] for key in keys} == keys
    assert InputChoice.read(entries["v"]["input"]) == run.input
    assert entries["v"]["recipe"] is None
    assert entries["int8"]["calibration"]["images"] == CALIBRATION_IMAGES
    for made, forms in (
        (trace, ("shape", "opset", "exporter")),
        (Export("raw"), ("scores", "clip", "count", "topk_limit")),
    ):
        assert [MAKING[key] for key in forms] == [getattr(made, key) for key in forms]


def test_shape_value():
    assert shape_value("dynamic") == "dynamic"
    assert shape_value("608x416") == [608, 416]


def dataset_of(**keys):
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": "d.json", **keys}},
        "variants": REFERENCE,
        "evaluations": [{"model": "m", "dataset": "d", "variants": ["pytorch"]}],
    }
    return build_plan(complete_config(config, SCHEMA), "cpu").datasets[0]


def test_choices_about_annotations_are_the_data_sets():
    choices = {"label_order": "file", "categories_without_class": "leave_out", "invalid_boxes": "drop"}
    found = dataset_of(**choices)
    assert {key: getattr(found, key) for key in choices} == choices
    assert hash(found) != hash(dataset_of())
    for key, value in choices.items():
        with pytest.raises(UserError, match=rf"^datasets\.d\.{key}: only for a data set with annotations"):
            dataset_of(annotations=None, **{key: value})
        with pytest.raises(UserError, match=rf"^datasets\.d\.{key}: 'x' is not allowed"):
            dataset_of(**{key: "x"})
    with pytest.raises(UserError, match=r"^datasets\.d\.label_order: file .* remove one$"):
        dataset_of(classes={"a": "b"}, label_order="file")
    assert dataset_of(classes={"a": "b"}, label_order="names").class_map == {"a": "b"}


@pytest.mark.parametrize("key", ["reference", "ladder", "diagnose"])
def test_an_evaluation_uses_only_its_own_variants(key):
    """A variant that the config defines and this evaluation does not list has no files there."""
    named = "raw" if key == "reference" else ["pytorch_raw", "raw"]
    with pytest.raises(UserError, match=rf"\.{key}: 'raw' is not among this evaluation's variants"):
        plan_of(LINE, evaluation={"variants": ["pytorch", "pytorch_raw"], key: named})
