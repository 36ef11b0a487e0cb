"""Models without mmdet, run whole: where torch is not installed, and where no job may load it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
import yaml
from external_project import CONFIG, REAL, write_external_project
from snake import ROOT

from cutpoint.files import read_json

pytestmark = pytest.mark.slow

# the other models run without it
REAL_DATA = Path(os.environ.get("CUTPOINT_REAL", ROOT.parent / "shared" / "real"))
HAS_REAL = REAL_DATA.is_dir()
HEAVY = ("torch", "mmdet", "mmcv", "mmengine")
# stands in for a package, and leaves a mark when something imports it
STUB = """\
import os, sys
with open(os.environ["HEAVY_IMPORTS"], "a") as marks:
    marks.write(f"{__name__} by {sys.argv}\\n")
raise RuntimeError(f"{__name__} must not be imported")
"""


def with_real(real: Path) -> str:
    """The config with the real weights and photographs as another model."""
    config, added = yaml.safe_load(CONFIG), yaml.safe_load(REAL.format(real=real))
    for key, value in added.items():
        config[key] = config[key] + value if isinstance(value, list) else config[key] | value
    return yaml.safe_dump(config, sort_keys=False)


def call(folder: Path, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a program with nothing of the environment that the tests run in."""
    # a make that runs the tests passes its flags on
    foreign = ("PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS")
    own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return subprocess.run(command, cwd=folder, env=own | environment, capture_output=True, text=True)


def check_results(folder: Path, expected: Mapping[str, set[str]]) -> pd.DataFrame:
    """The report is there, with every row, and no file failed its check; the summary."""
    assert (folder / "results/report.html").stat().st_size > 100_000
    table = pd.read_csv(folder / "results/tables/summary.csv")
    assert {model: set(rows.variant) for model, rows in table.groupby("model")} == expected
    for path in (folder / "results/models").glob("*/*.verify.json"):
        assert read_json(path)["passed"], path
    return table.set_index(["model", "variant"])


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the light set-up in it, made by the command that the README names."""
    folder = write_external_project(tmp_path_factory.mktemp("light"))
    for name in ("Makefile", "pyproject.toml", "requirements-external.txt", "tools"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    python = getattr(sys, "_base_executable", sys.executable)
    done = call(folder, "make", "setup-external", PYTHON=python)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_light_set_up_has_neither_torch_nor_mmdet(light):
    code = f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])"
    found = call(light, light / ".venv-external/bin/python", "-c", code)
    assert (found.stdout.strip(), found.returncode) == ("[]", 0), found.stderr
    assert not (light / ".venv").exists()
    # a second call has nothing to do
    assert call(light, "make", "setup-external").stdout == ""


def test_a_file_is_described_and_its_config_plans_in_the_light_set_up(light):
    data = ("--images", "street/images", "--annotations", "street/instances.json")
    python = light / ".venv-external/bin/python"
    done = call(light, python, "-m", "cutpoint", "describe", "theirs/small.onnx", *data, "--out", "mine.yaml")
    assert done.returncode == 0, done.stderr
    assert "layout     ultralytics" in done.stdout
    planned = call(light, light / ".venv-external/bin/snakemake", "--configfile", "mine.yaml", "-n")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "import_external" in planned.stdout


def test_from_the_light_set_up_to_the_report(light):
    expected = {"small": {"pt", "fp32", "corner", "strict"}}
    if HAS_REAL:
        (light / "config/config.yaml").write_text(with_real(REAL_DATA))
        expected["nano"] = {"official"}
    done = call(light, light / ".venv-external/bin/snakemake", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    table = check_results(light, expected)
    if HAS_REAL:  # 12 of the 108 photographs
        assert table.AP["nano", "official"] > 0.25
        assert table.layout["nano", "official"] == "yolox"
    assert set(table.loc["small"].layout.dropna()) == {"ultralytics"}
    assert pd.isna(table.latency_p50_ms["small", "pt"])
    assert (table.latency_p50_ms.drop(("small", "pt")) > 0).all()


def test_no_process_imports_torch_where_it_is_installed(tmp_path):
    stubs, marks = tmp_path / "stubs", tmp_path / "marks.txt"
    for name in HEAVY:
        (stubs / name).mkdir(parents=True)
        (stubs / name / "__init__.py").write_text(STUB)
    folder = write_external_project(tmp_path / "project")
    environment = {"PYTHONPATH": os.pathsep.join([str(stubs), str(folder / "src")])}
    probe = call(folder, sys.executable, "-c", "import torch", HEAVY_IMPORTS=str(marks), **environment)
    assert probe.returncode == 1
    assert marks.read_text().startswith("torch by")
    marks.unlink()
    command = (sys.executable, "-m", "snakemake", "--cores", "2")
    done = call(folder, *command, HEAVY_IMPORTS=str(marks), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not marks.exists(), marks.read_text()
    check_results(folder, {"small": {"pt", "fp32", "corner", "strict"}})
