"""What the shipped configs plan."""

import os
import re

import pytest
from snake import CONFIG, ROOT, copy_project, finish, run_snakemake


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
        "inspect_dataset": 3,
        "show_oddities": 2,
        "inspect_model": 2,
        "gather_findings": 1,
        "check_inputs": 1,
        "build_manifest": 3,
        "build_slices": 3,
        "map_labels": 3,
        "build_truth": 2,
        "describe_model": 2,
        "trace_model": 2,
        "export_onnx": 8,
        "verify_export": 8,
        "predict": 10,
        "predict_pytorch": 6,
        "postprocess": 18,
        "evaluate": 14,
        "resample": 14,
        "resample_slices": 14,
        "time_variants": 3,
        "latency": 18,
        "autopsy": 15,
        "compare": 15,
        "measure_operating_points": 18,
        "ladder": 2,
        "summarize": 1,
        "plot": 3,
        "draw_samples": 3,
        "evaluate_gate": 1,
        "render_report": 1,
        "capsule": 1,
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
    resampled = [path for path in demo.outputs if path.startswith("results/resamples/")]
    assert len(resampled) == 14
    assert not any("traffic_unlabelled" in path for path in resampled)


def test_cores_are_shared_by_the_runs_and_pytorchs_take_one(project):
    # three runs of three shards, three of one: the autopsy brings PyTorch's raw
    text = CONFIG.replace("instances.json\n", "instances.json\n    shards: 3\n")
    (project / "config/config.yaml").write_text(text)
    planned = run_snakemake(project, "--dry-run", "--cores", "24")
    assert (planned.jobs["predict"], planned.jobs["predict_pytorch"]) == (4, 8)
    blocks = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", planned.text, re.M)
    threads = {name: re.search(r"^    threads: (\d+)$", block, re.M) for name, block in blocks}
    # twenty-four cores, twelve jobs
    assert threads["predict"][1] == "2"
    assert threads["predict_pytorch"] is None


def test_a_job_for_each_gpu_fits_on_the_cores(project):
    text = CONFIG.replace("device: cpu", "device: cuda")
    (project / "config/config.yaml").write_text(text)
    for gpus, threads in ((1, "8"), (2, "6"), (4, "3")):
        # with --jobs nobody asks whether this machine has a GPU
        own = ("--jobs", "4", "--cores", "12", "--resources", f"gpu={gpus}")
        planned = run_snakemake(project, "--dry-run", *own)
        assert planned.code == 0, planned.text
        for rule in ("predict", "predict_pytorch"):
            for block in blocks(planned)[rule]:
                assert re.search(r"^    threads: (\d+)$", block, re.M)[1] == threads
                assert re.search(r"^    resources: .*gpu=1\b", block, re.M)


def blocks(result):
    """What is planned of each rule's jobs, by rule."""
    found = {}
    for name, block in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", result.text, re.M):
        found.setdefault(name, []).append(re.sub(r"^    (jobid|reason): .*\n", "", block, flags=re.M))
    return {name: sorted(jobs) for name, jobs in found.items()}


def test_shards_change_the_runs_and_their_post_processing_and_nothing_else(project):
    path, plans = project / "config/config.yaml", {}
    for shards in (1, 3, 16):
        path.write_text(CONFIG.replace("instances.json\n", f"instances.json\n    shards: {shards}\n"))
        plans[shards] = run_snakemake(project, "--dry-run", "--cores", "2")
        assert plans[shards].code == 0, plans[shards].text
    whole, *parted = plans.values()
    # two variants without annotations keep one shard
    assert whole.jobs["postprocess"] == 5
    assert not {"postprocess_shard", "merge_detections"} & whole.jobs.keys()
    for shards, plan in ((3, parted[0]), (16, parted[1])):
        made = {"postprocess": 2, "postprocess_shard": 3 * shards, "merge_detections": 3}
        assert {rule: plan.jobs[rule] for rule in made} == made
    changed = {"predict", "predict_pytorch", "postprocess", "postprocess_shard", "merge_detections"}
    # of one shard or of several, these read the detections; the autopsies read the shards themselves
    for plan in parted:
        rest, other = blocks(whole), blocks(plan)
        assert {name for name in rest | other if rest.get(name) != other.get(name)} == changed | {"autopsy"}
        assert other["time_variants"] == rest["time_variants"]
        assert len(other["time_variants"]) == 2


def test_merged_parts_are_not_kept_and_not_missed(project):
    path = project / "config/config.yaml"
    text = CONFIG.replace("instances.json\n", "instances.json\n    shards: 3\n")
    path.write_text(text)
    finish(project)
    for part in project.glob("results/detections/*/*/*/*.json"):
        part.unlink()
    assert run_snakemake(project, "--dry-run").jobs == {}
    path.write_text(text.replace("score_thr: 0.3", "score_thr: 0.4"))
    again = run_snakemake(project, "--dry-run")
    made = {rule: again.jobs[rule] for rule in ("postprocess_shard", "merge_detections", "evaluate")}
    assert made == {"postprocess_shard": 3, "merge_detections": 1, "evaluate": 1}
    assert not {"predict", "predict_pytorch", "postprocess", "time_variants"} & again.jobs.keys()


def test_without_a_ladder_none_is_built(project):
    assert "ladder" not in run_snakemake(project, "--dry-run").jobs


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
        "trace-fp32.onnx",
    ]


def test_coco_plans_every_job_on_a_clone_without_the_data(tmp_path):
    folder = copy_project(tmp_path)
    result = run_snakemake(folder, "--dry-run", "--configfile", "config/coco.yaml", "--config", "device=cpu")
    assert result.code == 0, result.text
    assert result.jobs == {
        "fetch": 2,
        "fetch_folder": 1,
        "inspect_dataset": 1,
        "show_oddities": 1,
        "inspect_model": 1,
        "gather_findings": 1,
        "check_inputs": 1,
        "build_manifest": 1,
        "map_labels": 1,
        "build_truth": 1,
        "describe_model": 1,
        "trace_model": 1,
        "export_onnx": 3,
        "verify_export": 3,
        "predict": 12,
        "predict_pytorch": 8,
        "postprocess_shard": 20,
        "merge_detections": 5,
        "evaluate": 5,
        "resample": 5,
        "time_variants": 1,
        "latency": 5,
        "autopsy": 4,
        "measure_operating_points": 5,
        "compare": 4,
        "ladder": 1,
        "summarize": 1,
        "plot": 1,
        "draw_samples": 1,
        "render_report": 1,
        "capsule": 1,
    }


def planned(folder, config):
    result = run_snakemake(folder, "--dry-run", "--configfile", config, "--config", "device=cpu")
    assert result.code == 0, result.text
    return result


def test_zoo_plans_every_head_on_a_clone_without_the_data(tmp_path):
    jobs = planned(copy_project(tmp_path), "config/zoo.yaml").jobs
    heads = jobs["describe_model"]
    assert heads >= 50
    # a file of weights a head, and COCO's annotations
    assert (jobs["fetch"], jobs["fetch_folder"]) == (heads + 1, 1)
    assert jobs["export_onnx"] == jobs["verify_export"] == 3 * heads
    # PAA and LAD have two rows without their voting in place of e2e
    assert jobs["evaluate"] == 5 * heads + 2


def test_study_makes_each_precision_from_one_trace(tmp_path):
    result = planned(copy_project(tmp_path), "config/study.yaml")
    traces = [path.rpartition("/")[2] for path in result.outputs if "demo_coco/trace-" in path]
    assert sorted(traces) == [
        "trace-fp16.onnx",
        "trace-fp16.precision.json",
        "trace-fp32-opset19.onnx",
        "trace-fp32-torchscript.onnx",
        "trace-fp32.onnx",
        "trace-int8-calibration-20images.onnx",
        "trace-int8-calibration-20images.precision.json",
    ]
    assert result.jobs["trace_model"] == 6
    assert (result.jobs["to_fp16"], result.jobs["to_int8"]) == (2, 2)
    assert "results/manifests/calibration.json" in result.outputs


def test_the_long_ladder_is_of_few_runs(tmp_path):
    result = planned(copy_project(tmp_path), "config/ladder.yaml")
    # PyTorch's two, and one of each input: all else are recipes on the same candidates
    assert (result.jobs["predict_pytorch"], result.jobs["predict"]) == (2, 2)
    assert (result.jobs["postprocess"], result.jobs["ladder"]) == (14, 1)


def test_a_model_from_its_file_alone_is_planned_before_the_file_is_there(tmp_path):
    """One file, six runs of it for the inputs of the ladder, all else recipes; nothing of mmdet."""
    result = planned(copy_project(tmp_path), "config/external.yaml")
    assert "data/downloads/weights/yolox_nano.onnx" in result.outputs
    assert (result.jobs["fetch"], result.jobs["fetch_folder"]) == (2, 1)  # file, annotations; images
    assert (result.jobs["import_external"], result.jobs["predict"]) == (1, 6)
    assert (result.jobs["postprocess"], result.jobs["ladder"], result.jobs["fingerprint"]) == (19, 1, 1)
    assert not {"describe_model", "trace_model", "predict_pytorch", "verify_export"} & set(result.jobs)


ELSEWHERE = """\
  theirs: {results: theirs.json}
  external:
    runtime: onnxruntime
    cut: raw
    onnx: theirs.onnx
    outputs: OUTPUTS
"""


def test_external_files_are_imported(project):
    outputs = "{box: {tensor: b}, score: {tensor: s, activated: true}}"
    text = CONFIG.replace("evaluations:", ELSEWHERE.replace("OUTPUTS", outputs) + "evaluations:")
    text = text.replace("[pytorch, raw, raw_thr]", "[pytorch, raw, raw_thr, theirs, external]")
    (project / "config/config.yaml").write_text(text)
    (project / "theirs.json").write_text("[]")
    (project / "theirs.onnx").write_bytes(b"\x08\x08")
    result = run_snakemake(project, "--dry-run")
    assert result.code == 0, result.text
    assert (result.jobs["import_results"], result.jobs["import_onnx"]) == (1, 1)
    # theirs has no latency; of both data sets: two and four of the others
    assert (result.jobs["postprocess"], result.jobs["latency"], result.jobs["evaluate"]) == (6, 6, 5)
    assert "results/models/demo/raw-external-theirs.onnx" in result.outputs
    # both are diagnosed, by the mistakes of one model on one data set
    assert (result.jobs["fingerprint"], result.jobs["diagnose"]) == (1, 2)


def test_strict_waits_for_the_verification_of_each_export(project):
    assert "accept_export" not in run_snakemake(project, "--dry-run").jobs
    (project / "config/config.yaml").write_text("verify: strict\n" + CONFIG)
    assert run_snakemake(project, "--dry-run").jobs["accept_export"] == 1
    target = "results/predictions/traffic/demo/onnxruntime-raw-fp32/0.parquet"
    assert "accept_export" in run_snakemake(project, "--dry-run", target).jobs


def test_imported_modules_are_inputs_of_what_builds_the_model(project):
    (project / "config/config.yaml").write_text("imports: [heads.mine]\n" + CONFIG)
    assert "no module 'heads.mine'" in run_snakemake(project, "--dry-run").text
    (project / "heads").mkdir()
    (project / "heads/mine.py").touch()
    result = run_snakemake(project, "--dry-run", "--printshellcmds")
    assert result.code == 0, result.text
    lines = [line for line in result.text.splitlines() if line.startswith("    input:")]
    # inspect, describe, trace, verify, PyTorch's two runs and what their autopsies add, the timing of both
    # data sets, and the capsule
    assert sum("heads/mine.py" in line for line in lines) == 11


def test_a_recipe_diff_is_made_on_demand(project):
    folder = "results/recipe_diffs/traffic/demo"
    result = run_snakemake(project, "--dry-run", f"{folder}/raw--raw_thr.json")
    assert result.code == 0, result.text
    assert (result.jobs["recipe_diff"], result.jobs["predict"]) == (1, 1)
    assert "recipe_diff" not in run_snakemake(project, "--dry-run").jobs
    refused = run_snakemake(project, "--dry-run", f"{folder}/raw--pytorch.json")
    assert refused.code == 1
    assert "recipe diff of raw and pytorch: both must be recipes on the candidates of one" in refused.text
