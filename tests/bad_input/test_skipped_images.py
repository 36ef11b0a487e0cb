"""Bad images that are skipped are no problem: slices and results files may name them."""

import json

import pytest
from bad_input import RESULTS, SLICES, edit_config, find_problems, write_project

from cutpoint.records.preflight import read_dataset_findings


@pytest.mark.parametrize("spoil", ["empty", "missing", "folder"])
def test_a_skipped_image_is_no_problem(tmp_path, spoil):
    write_project(tmp_path)
    path = tmp_path / "images/2.jpg"
    path.unlink()
    if spoil == "empty":
        path.touch()
    elif spoil == "folder":
        path.mkdir()
    assert len(find_problems(tmp_path)) == 1
    edit_config("slices: slices.csv}", "slices: slices.csv, on_bad_image: skip}")(tmp_path)
    assert "2.jpg" in (tmp_path / SLICES).read_text()
    assert 2 in {entry["image_id"] for entry in json.loads((tmp_path / RESULTS).read_text())}
    assert find_problems(tmp_path) == []
    manifest = read_dataset_findings(tmp_path / "results/preflight/datasets/street.json").manifest
    assert manifest.ids == [1, 3]
    assert [image.file_name for image in manifest.skipped] == ["2.jpg"]
