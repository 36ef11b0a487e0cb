"""A user's mistake: one message, exit code 1, no job."""

import pytest
from snake import CONFIG, run_snakemake

CASES = {
    "wrong path": (
        "data/demo/traffic/images",
        "data/demo/trafic",
        "datasets.traffic.images: no folder data/demo/trafic",
    ),
    "wrong checkpoint": ("atss_traffic.pth", "atss_trafic.pth", "did you mean 'data/demo/atss_traffic.pth'?"),
    "unknown variant": (
        "variants: [pytorch, raw]",
        "variants: [pytorch, rew]",
        "evaluations[1].variants: 'rew' is not among variants; did you mean 'raw'?",
    ),
    "unknown variant of the gate": (
        "evaluations:",
        "gate: [{variants: [rew], AP: {min: 0.4}}]\nevaluations:",
        "gate[0].variants: 'rew' is in no evaluation; did you mean 'raw'?",
    ),
    "misspelt key": (
        "    checkpoint:",
        "    chekpoint:",
        "models.demo: unknown key 'chekpoint'; did you mean 'checkpoint'?",
    ),
    "unknown class": (
        "traffic/instances.json",
        "traffic/instances.json\n    classes: {car: vehicle}",
        "datasets.traffic.classes.car: data/demo/traffic/instances.json has no category 'vehicle'",
    ),
    "no CUDA": ("device: cpu", "device: cuda", "device: cuda cannot be used here"),
    "key twice": ("  raw: {", "  raw_thr: {", "the key 'raw_thr' appears twice"),
}


@pytest.mark.parametrize(("old", "new", "message"), CASES.values(), ids=CASES)
def test_one_message_and_no_job(project, monkeypatch, old, new, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert old in CONFIG
    (project / "config/config.yaml").write_text(CONFIG.replace(old, new, 1 if "variants" not in new else -1))

    result = run_snakemake(project, "--cores", "1")

    assert result.code == 1
    complaints = [line for line in result.text.splitlines() if not line.startswith("Using workflow specific")]
    assert len(complaints) == 1, result.text
    assert complaints[0].startswith("cutpoint: ")
    assert message in complaints[0]
    assert complaints[0].endswith("(config: config/config.yaml)")
    assert not (project / "results").exists()


REMOTE_EXECUTOR = """
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)


class Executor(RemoteExecutor):
    def run_job(self, job):
        raise AssertionError("a job was submitted")

    async def check_active_jobs(self, active_jobs):
        yield

    def cancel_jobs(self, active_jobs):
        pass
"""


@pytest.fixture
def cluster(project):
    """A remote executor that must not get a job."""
    plugin = project / "src/snakemake_executor_plugin_fake/__init__.py"
    plugin.parent.mkdir()
    plugin.write_text(REMOTE_EXECUTOR)
    return project


def test_auto_is_refused_with_a_remote_executor(cluster):
    (cluster / "config/config.yaml").write_text(CONFIG.replace("device: cpu", "device: auto"))
    result = run_snakemake(cluster, "--executor", "fake", "--jobs", "4")
    assert result.code == 1
    assert "cutpoint: device: auto cannot be resolved here" in result.err
    assert "Traceback" not in result.text
    assert "a job was submitted" not in result.text


def test_a_remote_device_is_not_judged_here(cluster, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (cluster / "config/config.yaml").write_text(CONFIG.replace("device: cpu", "device: cuda"))
    result = run_snakemake(cluster, "--executor", "fake", "--jobs", "1")
    assert "cannot be used here" not in result.text
    assert "a job was submitted" in result.text


def test_jobs_beside_cores_is_a_local_run(project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (project / "config/config.yaml").write_text(CONFIG.replace("device: cpu", "device: cuda"))
    result = run_snakemake(project, "--cores", "1", "--jobs", "1")
    assert result.code == 1
    assert "device: cuda cannot be used here" in result.err
    assert not (project / "results/manifests").exists()


def test_a_file_that_is_not_planned_is_named(project):
    result = run_snakemake(project, "--dry-run", "results/detections/traffic/demo/e2e.json")
    assert result.code == 1
    assert "plans no variant 'e2e'; it plans pytorch, raw, raw_thr" in result.text
