"""A model without mmdet: its variants are ONNX files and results files, whose layouts say the rest."""

from pathlib import Path

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.config import complete_config
from cutpoint.plan.ladder import rungs
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.resolve_external import Layout
from cutpoint.plan.tables import latency_jobs, report_entries, table_row, timed_modules
from cutpoint.plan.variants import differences

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
LAYOUTS = {
    "columns": Layout("columns", "decoded", RecipeChoice("ultralytics")),
    "rows": Layout("rows", "e2e", RecipeChoice("final")),
    "raw": Layout("raw", "raw", RecipeChoice("yolox", (("iou_threshold", 0.65),))),
    "open": Layout("open", "decoded", RecipeChoice("queries"), open_input="size"),
}
MMDET = {"config": "m.py", "checkpoint": "m.pth"}
SCORE = {"tensor": "s", "activation": "sigmoid"}


def recognise(where, path, name, model):
    """A file's stem is its layout, unless the config names one."""
    return LAYOUTS[name or Path(path).stem.partition("_")[0]]


def plan_of(variants, model=None, evaluation=None, on="cpu", **config):
    config |= {
        "models": {"m": model or {}},
        "datasets": {name: {"images": name, "annotations": None} for name in ("d", "other")},
        "variants": variants,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(variants), **(evaluation or {})}],
    }
    return build_plan(complete_config(config, SCHEMA), on, recognise)


def resolve(entry, **arguments):
    return plan_of({"v": entry}, **arguments).evaluations[0].variant("v")


@pytest.mark.parametrize(
    ("entry", "export", "run", "cells"),
    [
        ({"onnx": "a/columns.onnx"}, "decoded-external-columns", "", ("columns", "ultralytics")),
        ({"onnx": "rows.onnx"}, "e2e-external-rows", "", ("rows", "final")),
        ({"onnx": "x.onnx", "layout": "raw"}, "raw-external-x", "", ("raw", "yolox+iou_threshold=0.65")),
        (
            {"onnx": "raw.onnx", "recipe": "mmdet3"},
            "raw-external-raw",
            "",
            ("raw", "yolox+iou_threshold=0.65"),
        ),
        (
            {"onnx": "raw.onnx", "recipe": {"base": "mmdet3", "score_thr": 0.3}},
            "raw-external-raw",
            "",
            ("raw", "yolox+score_thr=0.3+iou_threshold=0.65"),
        ),
        (
            {"onnx": "rows.onnx", "input": {"place": "corner"}, "batch": 2},
            "e2e-external-rows",
            "-place-corner-batch2",
            ("rows+place=corner", "final"),
        ),
        ({"onnx": "rows.onnx", "input": "stretch"}, "e2e-external-rows", "-stretch", ("stretch", "final")),
        (
            {"onnx": "columns.onnx", "precision": "int8", "calibration": {"dataset": "other", "images": 4}},
            "decoded-external-columns-int8-other-4images",
            "",
            ("columns", "ultralytics"),
        ),
    ],
)
def test_names_and_cells(entry, export, run, cells):
    plan = plan_of({"v": entry})
    evaluation = plan.evaluations[0]
    variant = evaluation.variant("v")
    assert variant.export.name == export
    assert variant.run.name == f"onnxruntime-{export}{run}"
    row = table_row(evaluation, variant)
    assert (row.input, row.recipe) == cells
    assert row.onnx == f"results/models/m/{export}.onnx"
    assert (variant.run.keeps_candidates, variant.run.candidates) == (True, variant.run)
    assert [run.name for run in evaluation.runs] == [variant.run.name]


def test_what_is_written_replaces_the_layouts_and_is_in_the_name():
    plain = resolve({"onnx": "columns.onnx"})
    assert plain.export.external.written == "{}"
    # the layout's own cut is nothing new
    assert resolve({"onnx": "columns.onnx", "cut": "decoded"}) == plain
    other = resolve(
        {"onnx": "columns.onnx", "outputs": {"score": SCORE}, "constants": {"size": "network_wh"}}
    )
    assert other.export.external.written == (
        '{"constants": {"size": "network_wh"}, "outputs": {"score": '
        '{"activation": "sigmoid", "background": null, "tensor": "s"}}}'
    )
    assert other.export.name.startswith("decoded-external-columns-")
    # an input is written into the import only if the layout has none
    for file, written in (("columns", "{}"), ("open", '{"input": {"size": [64, 64]}}')):
        variant = resolve({"onnx": f"{file}.onnx", "input": {"size": [64, 64]}})
        assert variant.export.external.written == written
        assert variant.run.input.definition == {"base": "own", "size": [64, 64]}
    raw = resolve({"onnx": "columns.onnx", "cut": "raw"})
    assert (raw.run.cut, raw.export.external.written) == ("raw", '{"cut": "raw"}')


def test_a_converted_file_is_made_from_the_imported_one():
    plan = plan_of({"half": {"onnx": "columns.onnx", "precision": "fp16"}})
    half = plan.evaluations[0].variant("half")
    assert (half.export.name, half.export.imported.name) == (
        "decoded-external-columns-fp16",
        "decoded-external-columns",
    )
    assert [export.name for export in plan.exports("m").values()] == [half.export.name]
    assert plan.export("m", "decoded-external-columns") == half.export.imported
    assert half.export.imported.imported == half.export.imported
    assert table_row(plan.evaluations[0], half).remarks == ("made from columns.onnx",)
    # the file of an mmdet model only states its precision
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
    entry = {
        "runtime": "onnxruntime",
        "cut": "raw",
        "onnx": "x.onnx",
        "outputs": outputs,
        "precision": "fp16",
    }
    theirs = resolve(entry, model=MMDET, evaluation={"reference": "v"})
    assert (theirs.export.name, theirs.export.is_converted) == ("raw-external-x", False)


def test_the_first_variant_is_the_reference_unless_one_is_named():
    variants = {"pt": {"results": "p.json"}, "fp32": {"onnx": "columns.onnx"}, "e2e": {"onnx": "rows.onnx"}}
    evaluation = plan_of(variants).evaluations[0]
    assert evaluation.reference.name == "pt"
    # all are diagnosed, also the results file: it may be made in another way; mistakes with the first file
    assert [variant.name for variant in evaluation.diagnosed] == ["pt", "fp32", "e2e"]
    assert evaluation.fingerprint_run == evaluation.variant("fp32").run
    evaluation = plan_of(variants, evaluation={"reference": "e2e"}).evaluations[0]
    assert evaluation.fingerprint_run == evaluation.reference.run
    assert [variant.name for variant in evaluation.diagnosed] == ["pt", "fp32"]
    named = plan_of(variants, evaluation={"diagnose": ["pt"]}).evaluations[0]
    assert [variant.name for variant in named.diagnosed] == ["pt"]
    with pytest.raises(UserError, match="fp32 is the reference; leave it out"):
        plan_of(variants, evaluation={"reference": "fp32", "diagnose": ["fp32"]})


def test_results_files_alone_are_a_plan():
    variants = {"pt": {"results": "p.json"}, "theirs": {"results": "t.json"}}
    plan = plan_of(variants, model={"classes": {1: "person", 3: "car"}})
    evaluation = plan.evaluations[0]
    assert (evaluation.runs, evaluation.diagnosed, evaluation.reference.name) == ((), (), "pt")
    assert (plan.exports("m"), plan.models[0].classes) == ({}, '{"1": "person", "3": "car"}')
    with pytest.raises(UserError, match=r"diagnose: no variant is an ONNX file in fp32"):
        plan_of(variants, evaluation={"diagnose": ["theirs"]})


def test_numbers_of_classes_need_to_know_the_classes():
    pt = {"results": "p.json", "category_ids": "label"}
    message = (
        r"variants\.pt\.category_ids: label numbers the classes of m, and no ONNX file names them; write"
    )
    with pytest.raises(UserError, match=message):
        plan_of({"pt": pt})
    assert plan_of({"pt": pt}, model={"classes": ["car"]})
    assert plan_of({"pt": pt, "fp32": {"onnx": "columns.onnx"}})
    assert plan_of({"pt": {**pt, "category_ids": "dataset"}})


def test_mmdet_models_and_others_share_a_config():
    config = {
        "models": {"m": MMDET, "n": {}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": {
            "pytorch": {"runtime": "pytorch", "cut": "e2e"},
            "theirs": {"results": "t.json"},
            "file": {"onnx": "rows.onnx"},
            "unused": {"onnx": "columns.onnx"},
        },
        "evaluations": [
            {"model": "m", "dataset": "d", "variants": ["pytorch", "theirs"]},
            {"model": "n", "dataset": "d", "variants": ["file", "theirs"]},
        ],
    }
    plan = build_plan(complete_config(config, SCHEMA), "cpu", recognise)
    assert [e.reference.name for e in plan.evaluations] == ["pytorch", "file"]
    config["evaluations"][0]["variants"].append("file")
    with pytest.raises(
        UserError, match=r"variants\.file: the key 'runtime' is missing, which a file of an mm"
    ):
        build_plan(complete_config(config, SCHEMA), "cpu", recognise)


def test_two_readings_of_one_file_are_two_exports_but_one_name_is_refused():
    variants = {"a": {"onnx": "columns.onnx"}, "b": {"onnx": "columns.onnx", "outputs": {"score": SCORE}}}
    assert len(plan_of(variants).exports("m")) == 2
    with pytest.raises(
        UserError, match=r"variants\.a and variants\.b differ, but each would make the export"
    ):
        plan_of({"a": {"onnx": "one/columns.onnx"}, "b": {"onnx": "two/columns.onnx"}})


LINE = {
    "base": {"onnx": "columns.onnx"},
    "corner": {"onnx": "columns.onnx", "input": {"place": "corner"}},
    "black": {"onnx": "columns.onnx", "input": {"place": "corner", "fill": 0}},
    "normal": {"onnx": "columns.onnx", "input": {"mean": [1, 2, 3], "std": [1, 1, 1]}},
    "stretch": {"onnx": "columns.onnx", "input": "stretch"},
    "int8": {"onnx": "columns.onnx", "precision": "int8", "calibration": {"dataset": "other"}},
    "strict": {"onnx": "columns.onnx", "recipe": {"base": "mmdet3", "score_thr": 0.3}},
    "other": {"onnx": "rows.onnx"},
    "read": {"onnx": "columns.onnx", "outputs": {"score": SCORE}},
    "raw": {"onnx": "raw.onnx"},
    "loose": {"onnx": "raw.onnx", "recipe": {"base": "mmdet3", "iou_threshold": 0.7}},
}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("base", "corner", ["input place"]),
        ("corner", "black", ["input fill"]),
        ("base", "black", ["input place", "input fill"]),
        ("base", "normal", ["input mean and std"]),
        ("base", "stretch", ["input"]),
        ("corner", "stretch", ["input", "input place"]),
        ("base", "int8", ["precision"]),
        ("base", "strict", ["recipe score_thr"]),
        ("base", "other", ["onnx"]),
        ("strict", "other", ["onnx", "recipe score_thr"]),
        ("base", "read", ["reading"]),
        ("base", "raw", ["onnx"]),
        ("raw", "loose", ["recipe iou_threshold"]),
    ],
)
def test_differences(one, other, found):
    evaluation = plan_of(LINE).evaluations[0]
    assert differences(evaluation.variant(one), evaluation.variant(other)) == found


def test_rungs_say_what_changed():
    ladder = ["read", "base", "corner", "black"]
    found = rungs(plan_of(LINE, evaluation={"ladder": ladder}).evaluations[0])
    assert [list(rung["changes"]) for rung in found] == [
        [],
        ["how its outputs are read"],
        ["input columns → columns+place=corner"],
        ["input columns+place=corner → columns+place=corner+fill=0"],
    ]
    with pytest.raises(UserError, match="differ in one thing, but differ in input place, input fill"):
        plan_of(LINE, evaluation={"ladder": ["base", "black"]})


def test_a_long_input_has_a_short_name():
    written = {"resize": "letterbox", "size": [416, 416], "place": "corner", "fill": 114.0, "divide_by": None}
    variant = resolve({"onnx": "rows.onnx", "input": written})
    assert variant.run.input.definition == {"base": "own", **written}
    assert variant.run.input.text == (
        "rows+divide_by=none+place=corner+resize=letterbox+size=416x416+fill=114"
    )
    assert len(variant.run.name) < 60
    # the order of the keys in the config does not matter
    again = resolve({"onnx": "rows.onnx", "input": dict(reversed(written.items()))})
    assert again.run == variant.run


def test_an_input_is_written_out_for_mmdets_models_too():
    reference = {"pytorch": {"runtime": "pytorch", "cut": "e2e"}}
    entry = {"runtime": "onnxruntime", "cut": "decoded", "input": {"place": "centre", "fill": 114}}
    run = plan_of({**reference, "v": entry}, model=MMDET).evaluations[0].variant("v").run
    assert (run.name, run.input.text) == (
        "onnxruntime-decoded-fp32-place-centre-fill-114",
        "mmdet+place=centre+fill=114",
    )
    assert run.input.definition == {"base": "mmdet", "place": "centre", "fill": 114}
    for name in ("own", "mmdet"):
        own = plan_of({**reference, "v": {**entry, "input": name}}, model=MMDET).evaluations[0].variant("v")
        assert (own.run.input.definition, own.run.name) == ("mmdet", "onnxruntime-decoded-fp32")
    tensor = {**entry, "cut": "e2e", "clip": "tensor"}
    assert plan_of({**reference, "v": tensor}, model=MMDET)
    with pytest.raises(UserError, match=r"v\.input\.place: an e2e file with clip: image .* use clip: tensor"):
        plan_of({**reference, "v": {**tensor, "clip": "image"}}, model=MMDET)
    with pytest.raises(UserError, match=r"v: input\.size: with resize none an image keeps its own size"):
        plan_of({**reference, "v": {**entry, "input": {"resize": "none", "size": [1, 1]}}}, model=MMDET)
    fixed = {**entry, "shape": [64, 64], "input": {"resize": "none"}}
    with pytest.raises(
        UserError, match=r"v\.input: mmdet\+resize=none keeps each image's own size; use shape"
    ):
        plan_of({**reference, "v": fixed}, model=MMDET)


ONNX = {"onnx": "columns.onnx"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"runtime": "pytorch", "cut": "e2e"},
            r"v\.runtime: pytorch needs an mmdet model, and models\.m has no config and checkpoint; give the",
        ),
        ({"runtime": "onnxruntime", "cut": "raw"}, r"variants\.v: it has no file, and needs an mmdet model"),
        ({**ONNX, "runtime": "pytorch"}, r"v\.runtime: pytorch needs an mmdet model"),
        ({**ONNX, "shape": [64, 64]}, r"v\.shape: it says how Cutpoint makes a file from an mmdet model"),
        ({**ONNX, "opset": 19}, r"v\.opset: it says how .* this file exists; remove it"),
        ({**ONNX, "exporter": "torchscript"}, r"v\.exporter: it says how"),
        ({**ONNX, "clip": "tensor"}, r"v\.clip: it says how"),
        ({**ONNX, "scores": "fused"}, r"v\.scores: it says how"),
        ({**ONNX, "topk_limit": 5}, r"v\.topk_limit: it says how"),
        ({**ONNX, "input": "mmdet"}, r"v\.input: mmdet is an mmdet model's own test pipeline"),
        ({**ONNX, "input": {"base": "mmdet", "fill": 0}}, r"v\.input: mmdet is an mmdet model's own"),
        ({**ONNX, "input": {"resize": "none", "frame": [1, 1]}}, r"v: input\.frame: with resize none"),
        (
            {**ONNX, "outputs": {"score": {"tensor": "s", "activated": True}}},
            r"v\.outputs\.score\.activated: it is for mmdet models",
        ),
        ({**ONNX, "precision": "int8"}, r"variants\.v: int8 takes its ranges from images"),
        ({**ONNX, "calibration": {"dataset": "other"}}, r"v\.calibration: only int8 is calibrated"),
        ({**ONNX, "tf32": True}, r"v\.tf32: only cuda, tensorrt have it"),
    ],
)
def test_refused(entry, message):
    with pytest.raises(UserError, match=message):
        resolve(entry)


OUTPUTS = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
THEIRS = {"runtime": "onnxruntime", "cut": "raw", "onnx": "x.onnx", "outputs": OUTPUTS}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**THEIRS, "layout": "columns"}, r"v\.layout: only for a file of a model without mmdet"),
        ({**THEIRS, "constants": {"a": 1}}, r"v\.constants: only for a file of a model without mmdet"),
        ({**THEIRS, "outputs": {"box": {"tensor": "b"}}}, r"v\.outputs: the key 'score' is missing; add it"),
        (
            {**THEIRS, "outputs": {**OUTPUTS, "score": {"tensor": "s"}}},
            r"v\.outputs\.score: the key 'activated' is missing; add it",
        ),
        (
            {**THEIRS, "outputs": {**OUTPUTS, "factor": SCORE}},
            r"v\.outputs\.factor: activation and background are for models without mmdet",
        ),
    ],
)
def test_mmdet_models_have_their_own_keys(entry, message):
    with pytest.raises(UserError, match=message):
        resolve(entry, model=MMDET, evaluation={"reference": "v"})


def test_class_names_of_an_mmdet_model_are_its_own():
    with pytest.raises(UserError, match=r"models\.m\.classes: only for a model without mmdet"):
        plan_of({"v": {"results": "r.json"}}, model={**MMDET, "classes": ["a"]})


def test_the_description_of_an_mmdet_models_file_is_what_it_was():
    """The params of its import decide whether it runs again."""
    theirs = resolve(THEIRS, model=MMDET, evaluation={"reference": "v"})
    assert theirs.export.external.written == (
        '{"outputs": {"box": {"format": "xyxy", "normalised": false, "tensor": "b"}, "frame": "network", '
        '"layout": "rows", "score": {"activated": true, "tensor": "s"}}}'
    )


def test_a_converted_file_has_a_report_and_its_calibration_is_told():
    entry = {"onnx": "rows.onnx", "precision": "int8", "calibration": {"dataset": "other", "images": 4}}
    plan = plan_of({"fp32": {"onnx": "rows.onnx"}, "int8": entry})
    (evaluation,) = plan.evaluations
    rows = {name: table_row(evaluation, evaluation.variant(name)) for name in ("fp32", "int8")}
    assert rows["fp32"].precision_report is None
    report = "results/models/m/e2e-external-rows-int8-other-4images.precision.json"
    assert rows["int8"].precision_report == report
    assert rows["int8"].remarks == ("made from rows.onnx", "calibrated on 4 images of other")
    assert rows["int8"].precision == "int8"
    assert [entry["path"] for entry in report_entries(plan)["precisions"]] == [report]


@pytest.mark.parametrize(
    ("device", "entry", "suffix", "gpus", "tf32"),
    [
        ("cuda", {}, "", 1, "off"),
        ("cuda", {"tf32": True}, "-tf32", 1, "on"),
        ("cpu", {"provider": "cuda", "batch": 4}, "-batch4-cuda", 1, "off"),
        ("cpu", {"provider": "tensorrt"}, "-tensorrt", 1, "off"),
        ("cuda", {"provider": "cpu"}, "-cpu", 0, None),
        ("tensorrt", {"precision": "fp16"}, "", 1, None),
    ],
)
def test_providers_and_batches_work_for_external_files(device, entry, suffix, gpus, tf32):
    plan = plan_of({"v": {"onnx": "rows.onnx", **entry}}, on=device)
    (evaluation,) = plan.evaluations
    variant = evaluation.variant("v")
    assert variant.run.name == f"onnxruntime-{variant.export.name}{suffix}"
    assert variant.run.gpus == gpus
    assert table_row(evaluation, variant).tf32 == tf32
    (job,) = latency_jobs(evaluation, [])
    assert (job["provider"], job["by_hand"], job["cut"]) == (variant.run.provider, True, "e2e")
    assert (job["config"], job["checkpoint"]) == (None, None)
    assert job["model"] == f"results/models/m/{variant.export.name}.onnx"
    assert timed_modules([job]) == ["cutpoint.latency.coordinator", "cutpoint.latency.handwritten"]
    assert (variant.run.provider in dict(plan.wanted_providers)) is True
