"""Files that users give are read, or refused for what they are."""

import json

import numpy as np
import pytest

from cutpoint.errors import UserError
from cutpoint.records.annotations import read_annotations, read_category_names, read_given

WHERE = "datasets.street.annotations given.json"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{", "ends in the middle"),
        (b"<!DOCTYPE html>", "it is a web page"),
        (b"\xef\xbb\xbf\n<html>", "it is a web page"),
        (b"[" * 100_000, "nested too deeply"),
        (b"7", "not a COCO detection file"),
        (b'[{"image_id": 1, "bbox": [], "score": 1}]', "a list, as in a results file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "it is a gzip file"),
        ('{"images": []}'.encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, raw, message):
    path = tmp_path / "given.json"
    path.write_bytes(raw)
    with pytest.raises(UserError) as error:
        read_annotations(path, WHERE)
    assert str(error.value).startswith(f"{WHERE}: {message}")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(UserError, match=rf"^{WHERE}: no such file$"):
        read_given(tmp_path / "none.json", WHERE)
    with pytest.raises(UserError, match=r"is a folder; name the JSON file in it$"):
        read_given(tmp_path, WHERE)


def test_a_byte_order_mark_and_nan_are_read(tmp_path):
    path = tmp_path / "given.json"
    path.write_bytes(b'\xef\xbb\xbf{"images": [NaN], "name": "caf\xc3\xa9"}')
    content = read_annotations(path, WHERE)
    assert content["name"] == "café"
    assert np.isnan(content["images"][0])


def test_names_of_the_categories_come_in_the_files_order(tmp_path):
    path = tmp_path / "given.json"
    path.write_text(json.dumps({"categories": [{"id": 9, "name": "bus"}, {"id": 2, "name": "car"}]}))
    assert read_category_names(path, WHERE) == ["bus", "car"]


@pytest.mark.parametrize("categories", [None, 5, [{"id": 1}], ["a"]])
def test_categories_without_names_are_no_annotations(tmp_path, categories):
    path = tmp_path / "given.json"
    path.write_text(json.dumps({"categories": categories} if categories else {}))
    with pytest.raises(UserError, match="not a COCO detection file: it has no categories with names"):
        read_category_names(path, WHERE)


def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "given.json"
    path.write_text(json.dumps({"categories": [{"id": 1, "name": 7}]}))
    with pytest.raises(UserError, match="names that are not text"):
        read_category_names(path, WHERE)
