"""Each bad input gives its message before a heavy job runs; the sound project gives none."""

import shutil
from collections import Counter

import pytest
from bad_input import ROOT, find_problems, write_project
from bad_input_rows import ROWS
from bad_input_table import make_table


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    write_project(folder)
    return folder


@pytest.fixture
def project(sound, tmp_path):
    """A copy of the sound project. It is removed, because there are many."""
    folder = tmp_path / "project"
    shutil.copytree(sound, folder)
    yield folder
    shutil.rmtree(folder)


def test_the_sound_project_has_no_problem(project):
    assert find_problems(project) == []


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_message(project, row):
    row.change(project)
    assert "\n".join(find_problems(project)) == row.message


def test_each_row_is_another_input():
    for values in ([row.name for row in ROWS], [row.what for row in ROWS]):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_the_table_in_the_docs():
    """If this fails: run tools/bad_input_table.py."""
    assert (ROOT / "docs/bad-input.md").read_text() == make_table()
