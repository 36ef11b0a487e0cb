"""Projects to plan and run in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from snake import CONFIG, Result, copy_project, finish, run_snakemake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with the small config as its default."""
    copy_project(tmp_path)
    (tmp_path / "config/config.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with every output there and recorded as up to date; not to be changed."""
    folder = copy_project(tmp_path_factory.mktemp("finished"))
    (folder / "config/config.yaml").write_text(CONFIG)
    return finish(folder)


@pytest.fixture
def changed(finished: Path, tmp_path: Path) -> Callable[..., Result]:
    """Plan again after a change to a copy of the finished project."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)

    def plan(path: str = "", old: str = "", new: str = "", *arguments: str) -> Result:
        if path:
            text = (folder / path).read_text()
            assert old in text
            (folder / path).write_text(text.replace(old, new) if old else text + new)
        return run_snakemake(folder, "--dry-run", *arguments)

    return plan
