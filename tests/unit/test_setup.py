"""tools/setup.sh: finds an interpreter that works, says so when there is none, and skips what is done."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIM_WITHOUT_INTERPRETER = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"
WITHOUT_VENV = f"""#!/bin/sh
case "$2" in *ensurepip*) exit 1 ;; esac
exec {sys.executable} "$@"
"""
TOO_OLD = """#!/bin/sh
exit 1
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "tools").mkdir(parents=True)
    for name in ("tools/setup.sh", "requirements.txt", "requirements-external.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def setup(project, interpreters, *arguments, **environment):
    """Run it with these interpreters, and no others, on the search path."""
    bin_folder = project.parent / "bin"
    for tool in ("sh", "cat", "dirname", "cksum", "rm", "grep"):
        executable(bin_folder / tool, f'#!/bin/sh\nexec {shutil.which(tool)} "$@"\n')
    for name, text in interpreters.items():
        executable(bin_folder / name, text)
    return subprocess.run(
        ["/bin/sh", "tools/setup.sh", *arguments],
        cwd=project,
        env={**{key: value for key, value in os.environ.items() if key != "PYTHON"}, "PATH": str(bin_folder)}
        | environment,
        capture_output=True,
        text=True,
    )


def test_no_interpreter_that_works(project):
    done = setup(project, {"python3.13": SHIM_WITHOUT_INTERPRETER, "python3": TOO_OLD})
    assert done.returncode == 1
    assert done.stderr == (
        "setup: no CPython 3.11, 3.12 or 3.13 among: python3.13 python3.12 python3.11 python3; "
        "install one, or name it: make PYTHON=/path/to/python3.12 ...\n"
    )
    assert not (project / ".venv").exists()


def test_no_venv_module(project):
    done = setup(project, {"python3.13": SHIM_WITHOUT_INTERPRETER, "python3.12": WITHOUT_VENV})
    assert done.returncode == 1
    assert done.stderr.startswith("setup: found python3.12, but without the modules venv and ensurepip;")
    assert "apt-get install python3-venv" in done.stderr


def test_the_named_interpreter_is_the_only_one_tried(project):
    named = executable(project.parent / "my python", TOO_OLD)
    done = setup(project, {"python3.12": WITHOUT_VENV}, PYTHON=str(named))
    assert done.returncode == 1
    assert f"among: {named};" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "folder", "requirements"),
    [((), ".venv", "requirements.txt"), (("external",), ".venv-external", "requirements-external.txt")],
)
def test_a_second_call_skips_what_is_done(project, arguments, folder, requirements):
    executable(project / folder / "bin/python", "#!/bin/sh\nexit 0\n")
    files = [project / name for name in (requirements, "pyproject.toml", "tools/setup.sh")]
    stamp = subprocess.run(
        ["cksum"], input=b"".join(file.read_bytes() for file in files), capture_output=True, check=True
    )
    (project / folder / "setup.stamp").write_bytes(stamp.stdout)
    assert setup(project, {}, *arguments).returncode == 0

    (project / requirements).write_text("other\n")
    assert setup(project, {}, *arguments).returncode == 1


def test_requirements_are_a_lock_that_every_machine_can_install():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines)
    assert versions["torch"] == "2.13.0"
    assert int(versions["setuptools"].split(".")[0]) < 81
    assert {"ruff", "snakefmt", "pytest", "snakemake", "mmdet", "mmcv-lite"} <= set(versions)
    assert not any(
        "+" in version or "://" in line for line, version in zip(lines, versions.values(), strict=True)
    )
    # what a CUDA build of torch brings along; nvidia-ml-py is pure Python and reads a card's state
    cuda = [name for name in versions if name.startswith(("nvidia-", "triton"))]
    assert cuda == ["nvidia-ml-py"]
