"""The workflow run from another folder than the clone: with ``--directory``, and as a module of another."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from everything import write_project
from external_project import CONFIG as EXTERNAL
from external_project import write_external_project
from snake import CONFIG, ROOT, Result, copy_project, make_outputs, run_snakemake

SMALL = (
    EXTERNAL.replace("limit: 12", "limit: 3").replace("pt, fp32, corner,", "fp32,").replace("corner, ", "")
)
MODULE = """\
configfile: "mine.yaml"

module cutpoint:
    snakefile: "{clone}/Snakefile"
    config: config["cutpoint"]

use rule * from cutpoint as cutpoint_*

rule mine:
    default_target: True
    input: rules.cutpoint_all.input
    output: "mine.txt"
    shell: "touch {{output}}"
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("clone"))


def plan(clone: Path, folder: Path, *arguments: str):
    return run_snakemake(clone, "--directory", str(folder), "--dry-run", *arguments)


def test_the_default_config_and_its_data_are_those_of_the_clone(clone, tmp_path):
    here, there = plan(clone, clone), plan(clone, tmp_path)
    assert there.code == 0, there.text
    assert there.jobs == here.jobs != {}
    assert f"{clone}/data/demo/traffic/instances.json" in there.text


def test_what_the_working_directory_has_comes_first(clone, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(CONFIG.replace("instances.json", "mine.json"))
    (tmp_path / "data/demo/traffic").mkdir(parents=True)
    shutil.copy(clone / "data/demo/traffic/instances.json", tmp_path / "data/demo/traffic/mine.json")
    result = plan(clone, tmp_path)
    assert result.code == 0, result.text
    assert result.jobs["evaluate"] == 3
    listed = result.text.replace(",", "").split()
    assert "data/demo/traffic/mine.json" in listed
    assert f"{clone}/data/demo/traffic/images" in listed


def test_what_lies_nowhere_is_named_with_the_places(clone, tmp_path):
    (tmp_path / "mine.yaml").write_text(CONFIG.replace("traffic/images", "trafic/images"))
    result = plan(clone, tmp_path, "--configfile", str(tmp_path / "mine.yaml"))
    assert result.code == 1
    message = f"no folder data/demo/trafic/images (looked from {tmp_path}, beside the Snakefile"
    assert message in result.err


def test_what_can_be_fetched_is_fetched_into_the_working_directory(clone, tmp_path):
    config = clone / "config/coco.yaml"
    result = plan(clone, tmp_path, "--configfile", str(config), "--config", "device=cpu")
    assert result.code == 0, result.text
    assert (result.jobs["fetch"], result.jobs["fetch_folder"]) == (2, 1)
    assert "data/downloads/coco/instances_val2017.json" in result.outputs


def test_with_the_snakefile_and_a_config_of_the_clone(clone, tmp_path):
    """Nothing lies in the folder where Snakemake is called."""
    files = ("--snakefile", str(clone / "Snakefile"), "--configfile", str(clone / "config/coco.yaml"))
    result = run_snakemake(tmp_path, *files, "--config", "device=cpu", "--dry-run", clone=clone)
    assert result.code == 0, result.text
    assert (result.jobs["fetch"], result.jobs["fetch_folder"]) == (2, 1)


def test_with_the_snakefile_that_the_catalogue_of_workflows_finds(clone):
    there = run_snakemake(clone, "--snakefile", "workflow/Snakefile", "--dry-run")
    assert there.code == 0, there.text
    assert there.jobs == {**plan(clone, clone).jobs, "everything": 1}


def test_the_entry_of_the_catalogue_is_complete():
    """What it asks for: its docs/about/adding_workflows.md and scripts/generate-catalog.py."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}
    assert {type(value) for value in usage["software-stack-deployment"].values()} == {bool}
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "config/README.md").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))


def write_module(folder: Path, clone: Path, config: str, prefix: str = "") -> None:
    """A workflow of the user with this one as a module."""
    text = MODULE.format(clone=clone)
    if prefix:
        config_line = '    config: config["cutpoint"]\n'
        text = text.replace(config_line, f'{config_line}    prefix: "{prefix}"\n')
    (folder / "flow").mkdir()
    (folder / "flow/Snakefile").write_text(text)
    inner = "".join(f"  {line}\n" for line in config.splitlines())
    (folder / "mine.yaml").write_text(f"cutpoint:\n{inner}")


def run_module(folder: Path, clone: Path, *arguments: str) -> Result:
    """From a folder that has neither the workflow nor the clone."""
    return run_snakemake(folder, "--snakefile", "flow/Snakefile", *arguments, clone=clone, timeout=500)


def test_a_module_with_a_prefix_plans_the_same_jobs_below_it(clone, tmp_path):
    config = (clone / "config/coco.yaml").read_text().replace("device: auto", "device: cpu")
    write_module(tmp_path, clone, config, prefix="study/one")
    module = run_module(tmp_path, clone, "--dry-run")
    assert module.code == 0, module.text
    alone = plan(clone, tmp_path, "--configfile", str(clone / "config/coco.yaml"), "--config", "device=cpu")
    jobs = module.jobs
    assert (jobs.pop("mine"), jobs) == (1, {f"cutpoint_{rule}": count for rule, count in alone.jobs.items()})
    moved = {f"study/one/{path}" if path.startswith("results/") else path for path in alone.outputs}
    assert set(module.outputs) == moved | {"mine.txt"}


def test_with_a_prefix_no_job_gets_a_path_without_it(tmp_path, tmp_path_factory):
    """Snakemake does not change the paths in params; every kind of variant has some."""
    clone = write_project(tmp_path_factory.mktemp("clone"))
    (clone / "other/labels").mkdir()
    (clone / "other/data.yaml").write_text("names: [car]\n")
    config = (clone / "config/config.yaml").read_text()
    yolo = "{images: other/images, annotations: other/data.yaml, format: yolo}"
    config = config.replace("{images: other/images, annotations: null}", yolo)
    shutil.copytree(clone / "mine", tmp_path / "mine")
    write_module(tmp_path, clone, config, prefix="study/one")
    planned = run_module(tmp_path, clone, "--dry-run")
    assert planned.code == 0, planned.text
    assert planned.jobs["cutpoint_convert_annotations"] == 1
    make_outputs(tmp_path, planned.outputs)
    touched = run_module(tmp_path, clone, "--touch", "--forceall", "--cores", "1")
    assert touched.code == 0, touched.text
    records = list((tmp_path / ".snakemake/metadata").rglob("*"))
    texts = [path.read_text() for path in records if path.is_file()]
    params = {str(value) for text in texts for value in json.loads(text)["params"]}
    assert sum("study/one/results/" in value for value in params) > 20
    assert [value for value in params if re.search(r"'(results|logs)/", value)] == []


@pytest.mark.slow
def test_a_module_with_a_prefix_runs(tmp_path, tmp_path_factory):
    """The user's files are where the config says, and what is written lies below the prefix."""
    clone = write_external_project(tmp_path_factory.mktemp("theirs"))
    config = SMALL.replace("street/", f"{clone}/street/").replace("theirs/", f"{clone}/theirs/")
    write_module(tmp_path, clone, config, prefix="study/one")
    done = run_module(tmp_path, clone, "--cores", "2")
    assert done.code == 0, done.text
    assert sorted(path.name for path in (tmp_path / "study/one").iterdir()) == ["logs", "results"]
    made = {path.name for path in tmp_path.iterdir()} - {".snakemake"}
    assert made == {"flow", "mine.txt", "mine.yaml", "study"}
    table = (tmp_path / "study/one/results/tables/summary.csv").read_text().splitlines()
    assert len(table) == 3
    assert (tmp_path / "study/one/results/latency/street/small/samples.parquet").exists()
    assert "rungs" in (tmp_path / "study/one/results/ladders/street/small.json").read_text()
    again = run_module(tmp_path, clone, "--cores", "2", "--dry-run")
    assert again.jobs == {}, again.text


def test_a_module_plans_the_same_jobs(clone, tmp_path):
    write_module(tmp_path, clone, (clone / "config/config.yaml").read_text())
    module = run_module(tmp_path, clone, "--dry-run")
    assert module.code == 0, module.text
    expected = {f"cutpoint_{rule}": count for rule, count in plan(clone, clone).jobs.items()}
    jobs = module.jobs
    assert (jobs.pop("mine"), jobs) == (1, expected)
