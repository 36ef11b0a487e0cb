"""`snakemake compare_runs`, and a gate with a baseline: what is planned, printed and refused."""

import shutil
from pathlib import Path

import pytest
from run_files import write_run
from snake import CONFIG, run_snakemake

from cutpoint.files import read_json

# the capsule is a source here: nothing that makes it has to run
ONLY = ("--cores", "1", "--allowed-rules", "compare_runs", "hold_against", "render_comparison")


@pytest.fixture(scope="module")
def capsules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("capsules")
    write_run(folder / "same")
    write_run(folder / "changed", score_thr=0.4)
    return folder


@pytest.fixture
def held(project: Path, capsules: Path) -> Path:
    (project / "results").mkdir()
    shutil.copy(capsules / "same/capsule.zip", project / "results/capsule.zip")
    return project


def test_equal_runs_and_a_changed_one(held, capsules):
    result = run_snakemake(held, "compare_runs", *ONLY, "--config", f"baseline={capsules}/same")
    assert result.code == 0, result.text
    lines = result.out.splitlines()
    assert "inputs: nothing changed" in lines
    assert "detections: nothing changed (2 variants)" in lines
    assert "AP: nothing changed (2 variants)" in lines
    assert any(line.startswith("latency: ") for line in lines)

    result = run_snakemake(
        held, "compare_runs", *ONLY, "--config", f"baseline={capsules}/changed/capsule.zip"
    )
    assert result.code == 0, result.text
    assert "inputs: changed: 1 in config\n  recipes.low.score_thr: 0.4 -> 0.3\n" in result.out
    assert "detections: changed in 1 of 2 variants\n  street, det, raw: 4 of 12 images differ" in result.out
    page = (held / "results/runs/comparison.html").read_text()
    assert "recipes.low.score_thr" in page
    assert read_json(held / "results/runs/comparison.json")["inputs"]["files"] == []


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ((), "cutpoint: baseline: no run to compare with; add --config baseline=PATH"),
        (("--config", "baseline=nowhere.zip"), "cutpoint: baseline: no file nowhere.zip"),
        (("--config", "baseline=results"), "cutpoint: baseline: results is this run's own capsule"),
    ],
)
def test_a_baseline_that_is_none_is_refused_in_one_line(held, baseline, said):
    result = run_snakemake(held, "compare_runs", *ONLY, *baseline)
    assert result.code == 1
    assert said in result.err
    assert "Traceback" not in result.text


def test_a_damaged_baseline_is_refused_by_the_job(held):
    (held / "old.zip").write_bytes((held / "results/capsule.zip").read_bytes()[:3000])
    result = run_snakemake(held, "compare_runs", *ONLY, "--config", "baseline=old.zip")
    assert result.code == 1
    assert "old.zip: a damaged capsule" in result.text
    assert not (held / "results/runs/comparison.json").exists()


def test_a_gate_with_a_baseline_plans_the_comparison_and_a_list_does_not(project, capsules):
    rule = "{variants: [raw], AP: {min: 0.1}}"
    (project / "config/config.yaml").write_text(CONFIG + f"gate: [{rule}]\n")
    jobs = run_snakemake(project, "--dry-run").jobs
    assert jobs["capsule"] == 1
    assert "hold_against" not in jobs
    against = "{variants: [raw], baseline_images_changed: {max: 0}}"
    gate = f"gate: {{baseline: {capsules}/same, rules: [{rule}, {against}]}}\n"
    (project / "config/config.yaml").write_text(CONFIG + gate)
    result = run_snakemake(project, "--dry-run")
    assert result.jobs["hold_against"] == 1
    assert "results/runs/gate.json" in result.outputs
    (project / "config/config.yaml").write_text(CONFIG + gate.replace("/same", "/none"))
    result = run_snakemake(project, "--dry-run")
    assert result.code == 1
    assert "cutpoint: gate.baseline: no file" in result.err
