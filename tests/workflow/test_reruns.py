"""What reruns after a change, on a project whose outputs are all there."""

import pytest

pytestmark = pytest.mark.slow

AFTER_METRICS = {"summarize", "plot_ap", "plot_latency", "render_report"}


def test_nothing_is_to_be_done(changed):
    result = changed()
    assert "Nothing to be done" in result.text
    assert result.jobs == {}


def test_a_threshold_reruns_postprocess_and_what_follows_and_opens_no_session(changed):
    result = changed("config/config.yaml", "score_thr: 0.3", "score_thr: 0.4")
    assert result.jobs["postprocess"] == 1
    assert "results/detections/traffic/demo/raw_thr.json" in result.outputs
    assert {"evaluate", "resample", "compare"} | AFTER_METRICS <= set(result.jobs)
    sessions = {"predict", "predict_pytorch", "export_onnx", "trace_model", "verify_export", "time_variants"}
    assert not sessions & set(result.jobs)


def test_another_number_of_runs_times_again(changed):
    result = changed("config/config.yaml", "device: cpu", "device: cpu\nlatency: {min_runs: 7}")
    assert result.triggered == {"time_variants"}


def test_another_variant_times_all_again(changed):
    result = changed("config/config.yaml", "variants: [pytorch, raw]}", "variants: [pytorch, raw, raw_thr]}")
    assert result.jobs["time_variants"] == 1


def test_swapping_two_values_is_a_change(changed):
    two = "score_thr: 0.3, iou_threshold: 0.5"
    plan = changed("config/config.yaml", "score_thr: 0.3", two)
    assert plan.jobs["postprocess"] == 1


def test_a_deep_module_reruns_only_what_reaches_it(changed):
    result = changed("src/cutpoint/evaluate/coco.py", "", "\nEDITED = True\n")
    # the resamples are scored by the same code
    scored = {"evaluate", "resample", "compare", "measure_operating_points"}
    assert result.triggered == scored
    drawn = {"plot_operating_points", "plot_calibration"}
    assert set(result.jobs) == AFTER_METRICS | scored | drawn


def test_comments_rerun_nothing(changed, tmp_path):
    for path in (tmp_path / "project/src/cutpoint").rglob("*.py"):
        path.write_text(path.read_text() + "\n# a remark\n")
    assert changed().jobs == {}


def test_a_page_template_reruns_the_page_alone(changed):
    result = changed("src/cutpoint/report/templates/report.html.j2", "", "\n")
    assert result.jobs == {"render_report": 1}


def test_the_time_of_a_source_is_no_change(changed, tmp_path):
    (tmp_path / "project/src/cutpoint/evaluate/coco.py").touch()
    assert changed().jobs == {}


def test_forcerun_evaluate(changed):
    result = changed("", "", "", "--forcerun", "evaluate")
    assert result.jobs["evaluate"] == 3
    assert set(result.jobs) == AFTER_METRICS | {"evaluate"}


def test_a_margin_reruns_the_comparisons_alone(changed):
    result = changed("config/config.yaml", "device: cpu", "device: cpu\ncomparison: {margin: 0.01}")
    assert result.triggered == {"compare"}
    assert set(result.jobs) == AFTER_METRICS | {"compare"}


def test_another_device_reruns_what_touches_it(changed, monkeypatch):
    # planned for a cluster, where nothing is checked here
    result = changed("config/config.yaml", "device: cpu", "device: cuda", "--jobs", "1", "--cores", "1")
    assert {"predict", "predict_pytorch", "time_variants"} <= result.triggered
    assert not {"export_onnx", "build_manifest", "describe_model"} & set(result.jobs)
