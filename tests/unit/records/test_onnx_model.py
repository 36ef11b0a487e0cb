import pytest

from cutpoint.records.json_file import as_record
from cutpoint.records.onnx_model import Metadata, upgrade_metadata


def test_metadata_of_format_1_are_read_in_todays_words():
    old = {"cut": "e2e", "spec": {}, "foreign": "theirs.onnx", "recipe": {"steps": [{"step": "cap", "k": 5}]}}
    metadata = as_record(old, Metadata, "m.onnx", upgrade_metadata)
    assert metadata.external == "theirs.onnx"
    assert metadata.recipe == {"steps": [{"step": "max_per_img", "k": 5}]}


@pytest.mark.parametrize("name", [None, "theirs.onnx"])
def test_metadata_of_today_are_left_as_they_are(name):
    content = {"format": 2, "cut": "raw", "spec": {}, "external": name}
    assert as_record(content, Metadata, "m.onnx", upgrade_metadata).external == name
