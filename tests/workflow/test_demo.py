"""The main job: the default config, run whole. What its files promise is checked here."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.parquet as pq
import pytest
from snake import ROOT, copy_project, run_snakemake

sys.path.insert(0, str(ROOT / "tests/reference"))
sys.path.insert(0, str(ROOT / "examples"))

import parity
import postprocess as example

from cutpoint.files import read_json
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps import STEPS
from cutpoint.records.detections import Detections
from cutpoint.records.head import Floor
from cutpoint.records.model import ModelSpec, read_spec
from cutpoint.records.predictions import read_predictions

pytestmark = pytest.mark.slow

PAIRS = [("traffic", "demo_traffic"), ("coco_style", "demo_coco")]
EXACT = ("raw", "decoded", "e2e")
COLUMNS = [
    "dataset",
    "model",
    "variant",
    "runtime",
    "cut",
    "precision",
    "provider",
    "input",
    "recipe",
    "images",
    "images_skipped",
    "images_without_detections",
    "categories_left_out",
    "boxes_left_out",
    "AP",
    "AP50",
    "AP75",
    "evaluator",
    "delta_AP",
    "delta_AP_lo",
    "delta_AP_hi",
    "verdict",
    "agreement",
    "latency_p50_ms",
    "latency_p99_ms",
    "latency_samples",
    "latency_delta_ms",
    "latency_delta_ms_lo",
    "latency_delta_ms_hi",
    "images_per_s",
    "model_mb",
    "shape",
    "batch",
    "tf32",
    "layout",
    "is_reference",
    "refused",
    "reference_refused",
    "weak_reference",
    "baseline_off",
    "published_ap",
    "suspicious",
    "doubtful",
    "images_to_decide",
    "kept_otherwise",
    "export_failed",
    "export_failures",
    "without_compiled_nms",
    "unsteady",
    "disturbed",
    "foreign_cores",
    "throttled",
    "timed_batch",
    "timed_recipe",
    "notes",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("demo"))
    result = run_snakemake(folder, "--cores", "2", "--resources", "gpu=1", timeout=1500)
    assert result.code == 0, result.text[-4000:]
    (folder / "console.txt").write_text(result.text)
    return folder


@pytest.fixture(scope="module")
def summary(demo: Path) -> pd.DataFrame:
    return pd.read_csv(demo / "results/tables/summary.csv")


def predictions(demo: Path, dataset: str, model: str, run: str) -> dict:
    """Image id to geometry and rows of a run."""
    folder = demo / f"results/predictions/{dataset}/{model}/{run}"
    read = read_predictions([str(folder / "0.parquet")], [str(folder / "0.images.parquet")])
    return {image_id: (geometry, rows) for image_id, geometry, rows in read}


def spec_of(demo: Path, model: str) -> ModelSpec:
    return read_spec(demo / f"results/models/{model}/spec.json")


def test_a_second_call_has_nothing_to_do(demo):
    result = run_snakemake(demo, "--cores", "2", "--resources", "gpu=1")
    assert result.code == 0
    assert "Nothing to be done" in result.text


def test_the_console_is_calm_and_ends_with_the_answer(demo):
    lines = (demo / "console.txt").read_text().splitlines()
    assert len(lines) < 250
    # on a busy machine the last line names flags
    assert max(map(len, lines)) < 400
    assert not [line for line in lines if "\r" in line or "%|" in line]
    end = lines.index("report: results/report.html")
    assert len(lines[end + 1 :]) == 3
    assert "Gate passed: of 32 checks" in lines[-1]
    assert " jobs done in " in lines[end - 1]


def test_snakemakes_own_report_holds_the_results_with_captions(demo):
    made = run_snakemake(demo, "--report", "report.zip")
    assert made.code == 0, made.text[-2000:]
    with zipfile.ZipFile(demo / "report.zip") as archive:
        names = archive.namelist()
        page = archive.read("report/report.html").decode()
    assert "Where to look:" in page
    for dataset, model in PAIRS:
        assert f"<strong>{dataset}, {model}</strong>: pytorch, pytorch_raw, raw" in page
    start = page.index("{", page.index('<script id="results">'))
    results, _ = json.JSONDecoder().raw_decode(page, start)
    assert {"report.html", "tables/summary.csv", "tables/per_class.csv"} <= {
        path.removeprefix("results/") for path in results
    }
    for dataset, model in [*PAIRS, ("traffic_unlabelled", "demo_traffic")]:
        for kind, ending in (("figures", ".svg"), ("samples", ".jpg")):
            folder = f"results/{kind}/{dataset}/{model}/"
            assert [path for path in results if path.startswith(folder) and path.endswith(ending)], folder
    for path, row in results.items():
        assert any(name.endswith(row["name"]) for name in names), path
        caption = re.sub(r"<[^>]+>", "", row["caption"]).strip()
        assert len(caption) > 30, path
        assert caption[0].isupper(), path
        assert caption.endswith("."), path


def test_the_report_opens_offline(demo):
    page = (demo / "results/report.html").read_text()
    assert "demo_traffic" in page
    assert 'src="http' not in page
    assert '<link rel="stylesheet"' not in page


def test_the_gate_holds(demo):
    result = run_snakemake(demo, "gate", "--cores", "2", "--resources", "gpu=1")
    assert result.code == 0, result.text[-2000:]
    # raw, decoded and e2e on two labelled sets, raw and e2e on one without: the lower end is skipped there
    assert "cutpoint: gate passed: of 32 checks 30 passed, 2 skipped" in result.text
    assert "1 of 1 jobs done" in result.text
    assert "Gate passed: of 32 checks" in (demo / "results/report.html").read_text()


def test_a_run_held_against_itself_has_nothing_changed(demo, tmp_path):
    shutil.copy(demo / "results/capsule.zip", tmp_path / "capsule.zip")
    result = run_snakemake(demo, "compare_runs", "--cores", "2", "--config", f"baseline={tmp_path}")
    assert result.code == 0, result.text[-2000:]
    made = re.findall(r"^ *\d/3 (\w+)", result.text, flags=re.MULTILINE)
    assert made == ["hold_against", "render_comparison", "compare_runs"]
    for part, variants in (("inputs", ""), ("detections", " (18 variants)"), ("AP", " (14 variants)")):
        assert f"{part}: nothing changed{variants}" in result.out.splitlines()
    latency = [variant["latency"] for variant in read_json(demo / "results/runs/comparison.json")["variants"]]
    assert len(latency) == 18
    assert {entry["difference_ms"] for entry in latency} == {0}
    assert all(entry["difference_ci95"] for entry in latency)


def test_summary(summary):
    assert list(summary.columns) == COLUMNS
    assert len(summary) == 18
    labelled = summary[summary.dataset != "traffic_unlabelled"]
    assert labelled.AP.notna().all()
    bare = summary[summary.dataset == "traffic_unlabelled"]
    assert bare[["AP", "AP50", "AP75", "delta_AP"]].isna().all(axis=None)
    assert bare[bare.variant != "pytorch"].agreement.notna().all()
    compared = summary[summary.variant != "pytorch"]
    assert (compared.delta_AP_lo.notna() == (compared.dataset != "traffic_unlabelled")).all()
    assert set(summary.verdict[summary.variant == "pytorch"].isna()) == {True}
    # without ground truth nothing but lossless can be known
    assert set(bare.verdict.dropna()) == {"lossless", "inconclusive"}
    assert (summary.latency_p99_ms >= summary.latency_p50_ms).all()


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_the_detectors_are_good_but_not_perfect(summary, dataset, model):
    row = summary[(summary.dataset == dataset) & (summary.variant == "pytorch")].iloc[0]
    assert 0.50 < row.AP < 0.85
    assert 0.50 < row.AP75 < 0.85
    assert row.images >= 64


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_every_cut_keeps_the_ap(summary, dataset, model):
    rows = summary[(summary.dataset == dataset) & summary.variant.isin([*EXACT, "pytorch_raw"])]
    assert len(rows) == 4
    assert (rows.delta_AP.abs() <= 0.0005).all()
    # a candidate at the threshold itself may be kept by one side: then equivalent
    assert set(rows.verdict) <= {"lossless", "equivalent"}


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_a_higher_threshold_is_different(summary, dataset, model):
    row = summary[(summary.dataset == dataset) & (summary.variant == "raw_thr03")].iloc[0]
    assert row.verdict == "different"
    assert row.delta_AP_lo < row.delta_AP < row.delta_AP_hi < 0


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_every_export_is_verified(demo, dataset, model):
    for name in EXACT:
        verified = read_json(demo / f"results/models/{model}/{name}-fp32.verify.json")
        assert verified["passed"], verified["failures"]
        assert verified["images"] == 3


@pytest.mark.parametrize("variant", EXACT)
@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_detections_match_both_ways_or_tie(demo, dataset, model, variant, capsys):
    spec = spec_of(demo, model)
    recipe = resolve_recipe("mmdet3", spec.head)
    reference = predictions(demo, dataset, model, "pytorch-e2e")
    reference_candidates = predictions(demo, dataset, model, "pytorch-raw")
    found = predictions(demo, dataset, model, f"onnxruntime-{variant}-fp32")
    candidates = predictions(demo, dataset, model, "onnxruntime-raw-fp32")
    total, ties, unexplained = 0, [], []
    assert reference.keys() == found.keys()
    for image_id, (geometry, detections) in reference.items():
        rows = found[image_id][1]
        ours = rows if isinstance(rows, Detections) else apply_recipe(recipe, rows, geometry, spec)
        own = candidates[image_id][1] if isinstance(rows, Detections) else rows
        theirs = reference_candidates[image_id][1]
        verdict = parity.judge(detections, ours, theirs, own, recipe, geometry, spec)
        total += len(detections)
        ties += [f"image {image_id}: {line}" for line in verdict.ties]
        unexplained += [f"image {image_id}: {line}" for line in verdict.unexplained]
    with capsys.disabled():
        print(f"\n{dataset}, {variant}: {total} detections, {len(ties)} ties")
        print(*ties[:5], sep="\n")
    assert not unexplained
    assert total > 500
    assert len(ties) <= 0.01 * total


def test_the_judge_finds_a_lost_and_a_moved_box(demo):
    spec = spec_of(demo, "demo_traffic")
    recipe = resolve_recipe("mmdet3", spec.head)
    candidates = predictions(demo, "traffic", "demo_traffic", "onnxruntime-raw-fp32")
    geometry, rows = max(candidates.values(), key=lambda value: len(value[1]))
    whole = apply_recipe(recipe, rows, geometry, spec)
    lost = Detections(whole.boxes[1:], whole.scores[1:], whole.labels[1:])
    moved = Detections(whole.boxes.copy(), whole.scores, whole.labels)
    moved.boxes[0] += 5
    for variant, wrong in ((lost, 1), (moved, 2)):
        verdict = parity.judge(whole, variant, rows, rows, recipe, geometry, spec)
        assert verdict.matched == len(whole) - 1
        assert len(verdict.unexplained) == wrong
        assert not verdict.ties


@pytest.fixture(scope="module")
def everything(demo: Path) -> dict:
    """Per data set: the specification and, per image, geometry and every pair, without any floor."""
    found = {}
    for dataset, model in PAIRS:
        pipeline = OnnxPipeline(Session(demo / f"results/models/{model}/raw-fp32.onnx", "cpu"))
        spec = pipeline.spec
        pipeline.spec = spec.with_floor(Floor("class", 0.0, False))
        rows = []
        for entry in read_json(demo / f"results/manifests/{dataset}.json")["images"]:
            tensor, geometry = pipeline.prepare(pipeline.decode(str(demo / entry["path"])))
            rows.append((geometry, pipeline.read(pipeline.infer(tensor, geometry), geometry)))
        found[dataset] = spec, rows
    return found


@pytest.mark.parametrize("step", ["threshold", "top_k", "multiply_factor", "clip", "nms", "max_per_img"])
@pytest.mark.parametrize("dataset", [pair[0] for pair in PAIRS])
def test_every_step_bites(everything, dataset, step):
    spec, rows = everything[dataset]
    whole = resolve_recipe("mmdet3", spec.head)
    without = whole.without(STEPS[step])
    changed = 0
    for geometry, candidates in rows:
        a, b = (apply_recipe(recipe, candidates, geometry, spec) for recipe in (whole, without))
        same = len(a) == len(b) and all(
            np.allclose(x, y, atol=1e-4) for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
        )
        changed += not same
    assert changed >= 0.05 * len(rows)


@pytest.mark.parametrize("cut", ["raw", "decoded"])
@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_the_example_equals_the_recipe(demo, dataset, model, cut):
    path = demo / f"results/models/{model}/{cut}-fp32.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = predictions(demo, dataset, model, f"onnxruntime-{cut}-fp32")
    spec = spec_of(demo, model)
    recipe = resolve_recipe("mmdet3", spec.head)
    for entry in read_json(demo / f"results/manifests/{dataset}.json")["images"][:16]:
        boxes, scores, labels, _ = example.detect(session, cv2.imread(str(demo / entry["path"])))
        geometry, candidates = rows[entry["id"]]
        expected = apply_recipe(recipe, candidates, geometry, spec)
        np.testing.assert_array_equal(labels, expected.labels)
        np.testing.assert_allclose(boxes, expected.boxes, atol=1e-3)
        np.testing.assert_allclose(scores, expected.scores, atol=1e-6)


def test_the_example_prints_detections(demo):
    entry = read_json(demo / "results/manifests/traffic.json")["images"][4]
    command = [sys.executable, str(ROOT / "examples/postprocess.py")]
    files = [str(demo / "results/models/demo_traffic/raw-fp32.onnx"), str(demo / entry["path"])]
    done = subprocess.run(
        [*command, *files, "--score-thr", "0.3"], capture_output=True, text=True, check=True
    )
    detections = json.loads((demo / "results/detections/traffic/demo_traffic/raw_thr03.json").read_text())
    expected = [d for d in detections if d["image_id"] == entry["id"]]
    assert len(done.stdout.splitlines()) == len(expected) > 0


def test_onnx_variants_need_neither_torch_nor_mmdet(demo):
    code = (
        "import json, sys\n"
        "from cutpoint.latency.worker import open_variant, time_images\n"
        "from cutpoint.predict.shard import predict_onnx\n"
        "job = {'runtime': 'onnxruntime', 'model': sys.argv[1], 'provider': 'cpu', 'threads': 1, "
        "'recipe': 'mmdet3', 'cut': 'raw', 'input': 'mmdet', 'tf32': False}\n"
        "opened = open_variant(job)\n"
        "assert time_images(opened, [sys.argv[2]])['total'] > 0\n"
        "print([name for name in ('torch', 'mmdet', 'mmengine') if name in sys.modules])\n"
    )
    entry = read_json(demo / "results/manifests/traffic.json")["images"][0]
    model = str(demo / "results/models/demo_traffic/raw-fp32.onnx")
    command = [sys.executable, "-c", code, model, str(demo / entry["path"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_latency_finds_the_same_detections(demo, dataset, model):
    """The worker's floor is the recipe's own threshold; nothing may be lost by it."""
    from cutpoint.latency.worker import open_variant

    path = str(demo / f"results/models/{model}/raw-fp32.onnx")
    job = {
        "runtime": "onnxruntime",
        "model": path,
        "provider": "cpu",
        "threads": 2,
        "cut": "raw",
        "input": "mmdet",
        "tf32": False,
    }
    opened = open_variant({**job, "recipe": {"base": "mmdet3", "score_thr": 0.3}})
    pipeline = opened.pipeline
    assert pipeline.spec.head.floor.value == 0.3
    detections = read_json(demo / f"results/detections/{dataset}/{model}/raw_thr03.json")
    for entry in read_json(demo / f"results/manifests/{dataset}.json")["images"][:16]:
        tensor, geometry = pipeline.prepare(pipeline.decode(str(demo / entry["path"])))
        read = pipeline.read(pipeline.infer(tensor, geometry), geometry)
        scores = opened.finish(read, geometry).scores.tolist()
        assert scores == pytest.approx([d["score"] for d in detections if d["image_id"] == entry["id"]])


def test_files_keep_the_contract(demo):
    latency = read_json(demo / "results/latency/traffic/demo_traffic/raw.json")
    assert set(latency["stages"]) == {"decode", "preprocess", "inference", "postprocess", "total"}
    assert all({"p50", "p90", "p95", "p99", "mean", "n"} <= set(s) for s in latency["stages"].values())
    low, high = latency["stages"]["total"]["p50_ci95"]
    assert low <= latency["stages"]["total"]["p50"] <= high
    assert latency["node_placement"]["nodes"]["CPUExecutionProvider"] > 100
    assert latency["memory"]["host_peak_mib"] > 50
    assert latency["warm_up"]["runs"] >= 3 * len(latency["warm_up"]["shapes"])
    assert latency["stages"]["total"]["n"] >= 32
    assert latency["provider_asked"] == latency["provider_got"] == "cpu"
    comparison = read_json(demo / "results/comparisons/traffic/demo_traffic/raw.json")
    keys = {"reference", "delta_AP", "delta_AP_ci95", "verdict", "agreement", "autopsy"}
    assert keys <= set(comparison)
    assert comparison["lossless"]["tolerances"] == {"corner_px": 0.05, "score": 0.0001}
    assert not (demo / "results/comparisons/traffic/demo_traffic/pytorch.json").exists()
    metrics = read_json(demo / "results/metrics/coco_style/demo_coco/raw.json")
    names = {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"}
    assert set(metrics) == names | {"images", "detections", "per_class"}
    assert len(metrics["per_class"]) == 80
    assert sum(row["AP"] is not None for row in metrics["per_class"]) >= 10
    ladder = read_json(demo / "results/ladders/traffic/demo_traffic.json")
    steps = [rung["delta_to_previous"] for rung in ladder["rungs"][1:]]
    assert sum(steps) == pytest.approx(ladder["rungs"][-1]["delta_to_reference"], abs=1e-12)
    assert all(rung["delta_to_previous_ci95"] for rung in ladder["rungs"][1:])


def test_autopsies_add_up_and_name_the_planted_differences(demo):
    for path in sorted((demo / "results/comparisons").rglob("*.json")):
        found = read_json(path)
        pairs = next(share["pairs"] for share in found["boxes"]["shares"] if share["iou"] == 0.9)
        for side, steps in found["autopsy"].items():
            assert sum(steps.values()) == found["boxes"][side] - pairs, path
            assert "not_followed" not in steps, path
            # every graph does what the recipe does on the raw run's candidates, and so does PyTorch, but for
            # a pair at the threshold of NMS, which rounding decides by the processor
            assert steps.get("graph", 0) <= 1, path
            cases = pq.read_table(str(path).replace("comparisons", "autopsies").replace(".json", ".parquet"))
            ties = [case for case in cases.to_pylist() if case["step"] == "graph"]
            assert all(abs(case["value"] - case["there"]) < 1e-6 for case in ties), path
        if path.stem == "raw_thr03":
            assert set(found["autopsy"]["reference"]) <= {"threshold", "nms"}
            assert set(found["autopsy"]["variant"]) == {"nms"}
    folder = demo / "results/autopsies/traffic/demo_traffic"
    cases = pq.read_table(folder / "e2e_clip_tensor.parquet").to_pylist()
    assert {row["moved_by"] for row in cases if row["step"] == "drifted"} == {"clip"}


def test_operating_points_of_a_threshold(demo):
    folder = demo / "results/operating_points/traffic/demo_traffic"
    reference, higher = (read_json(folder / f"{name}.json") for name in ("pytorch", "raw_thr03"))
    assert [reference["error_changes"], higher["score_thr"]] == [None, reference["score_thr"]]
    # above the threshold the same boxes are left
    assert higher["points"][-8:] == [
        point | {"regains_at": other["regains_at"]}
        for point, other in zip(reference["points"][-8:], higher["points"][-8:], strict=True)
    ]
    blind = read_json(demo / "results/operating_points/traffic_unlabelled/demo_traffic/raw.json")
    assert blind["points"] is None
    assert sum(row["pairs"] for row in blind["scores"]) > 0
