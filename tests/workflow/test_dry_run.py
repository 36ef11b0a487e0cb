"""What the shipped configs plan."""

import os

import pytest
from snake import ROOT, copy_project, run_snakemake


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The default config on a clone whose every file is newer than any other."""
    folder = copy_project(tmp_path_factory.mktemp("demo"))
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path)
    return run_snakemake(folder, "--dry-run")


def test_demo_plans_the_whole_line(demo):
    assert demo.code == 0, demo.text
    assert demo.jobs == {
        "build_manifest": 3,
        "describe_model": 2,
        "trace_model": 2,
        "export_onnx": 8,
        "verify_export": 8,
        "predict": 10,
        "predict_pytorch": 5,
        "postprocess": 18,
        "evaluate": 14,
        "time_variants": 3,
        "latency": 18,
        "compare": 15,
        "ladder": 2,
        "summarize": 1,
        "plot_ap": 1,
        "plot_latency": 1,
        "plot_stages": 1,
        "draw_samples": 15,
        "render_report": 1,
    }


def test_demo_never_trains_or_draws_scenes(demo):
    rules = run_snakemake(ROOT, "--list-rules").out.split()
    assert "predict" in rules
    assert not {"train_detector", "draw_labelled", "draw_unlabelled", "score_detector"} & set(rules)
    assert not any(path.startswith(("data/", "results/demo-build/")) for path in demo.outputs)


def test_without_annotations_nothing_is_scored(demo):
    metrics = [path for path in demo.outputs if path.startswith("results/metrics/")]
    assert len(metrics) == 14
    assert not any("traffic_unlabelled" in path for path in metrics)


def test_recipes_share_a_run_and_runs_an_export(demo):
    runs = {path.split("/")[4] for path in demo.outputs if path.startswith("results/predictions/traffic/")}
    assert runs == {
        "pytorch-e2e",
        "pytorch-raw",
        "onnxruntime-raw-fp32",
        "onnxruntime-decoded-fp32",
        "onnxruntime-e2e-fp32",
        "onnxruntime-e2e-fp32-clip-tensor",
    }
    exports = [path for path in demo.outputs if path.endswith(".onnx") and "demo_coco/" in path]
    assert sorted(path.rpartition("/")[2] for path in exports) == [
        "decoded-fp32.onnx",
        "e2e-fp32-clip-tensor.onnx",
        "e2e-fp32.onnx",
        "raw-fp32.onnx",
        "trace-dynamic.onnx",
    ]


def test_coco_plans_every_job_on_a_clone_without_the_data(tmp_path):
    folder = copy_project(tmp_path)
    result = run_snakemake(folder, "--dry-run", "--configfile", "config/coco.yaml", "--config", "device=cpu")
    assert result.code == 0, result.text
    assert result.jobs == {
        "fetch": 2,
        "fetch_folder": 1,
        "build_manifest": 1,
        "describe_model": 1,
        "trace_model": 1,
        "export_onnx": 3,
        "verify_export": 3,
        "predict": 12,
        "predict_pytorch": 8,
        "postprocess": 5,
        "evaluate": 5,
        "time_variants": 1,
        "latency": 5,
        "compare": 4,
        "ladder": 1,
        "summarize": 1,
        "plot_ap": 1,
        "plot_latency": 1,
        "plot_stages": 1,
        "draw_samples": 4,
        "render_report": 1,
    }
