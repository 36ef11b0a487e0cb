"""The workflow run from another folder than the clone: with ``--directory``, and as a module of another."""

import shutil
from pathlib import Path

import pytest
from snake import CONFIG, copy_project, run_snakemake

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


def test_a_module_plans_the_same_jobs(clone, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(clone=clone))
    inner = "".join(f"  {line}\n" for line in (clone / "config/config.yaml").read_text().splitlines())
    (tmp_path / "mine.yaml").write_text(f"cutpoint:\n{inner}")
    module = run_snakemake(tmp_path, "--dry-run", clone=clone)
    assert module.code == 0, module.text
    expected = {f"cutpoint_{rule}": count for rule, count in plan(clone, clone).jobs.items()}
    jobs = module.jobs
    assert (jobs.pop("mine"), jobs) == (1, expected)
