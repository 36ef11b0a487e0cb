"""Projects to plan and run in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from everything import write_project
from snake import CONFIG, Result, copy_project, finish, run_snakemake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with the small config as its default."""
    copy_project(tmp_path)
    (tmp_path / "config/config.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every kind of variant, all its outputs recorded as up to date; not to be changed."""
    return finish(write_project(tmp_path_factory.mktemp("finished")))


@pytest.fixture
def plan(finished: Path, tmp_path: Path) -> Callable[..., Result]:
    """Plan again after a change to a copy of the finished project."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)

    def run(change: Callable[[Path], None], *arguments: str) -> Result:
        change(folder)
        result = run_snakemake(folder, "--dry-run", *arguments)
        assert result.code == 0, result.text
        return result

    return run
