import numpy as np
import pytest

from cutpoint.errors import UserError
from cutpoint.files import write_json
from cutpoint.records.detections import Refused, make_results, read_results, write_refusal

ENTRIES = [
    {"image_id": 2**40, "category_id": 3, "bbox": [0.1, 2, 30.5, 4], "score": 0.9},
    {"image_id": 7, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 1},
]


def test_a_file_comes_back_as_columns(tmp_path):
    path = tmp_path / "detections.json"
    write_json(path, ENTRIES)
    results = read_results(path)
    assert results.image_id.tolist() == [2**40, 7]
    assert results.category_id.tolist() == [3, 1]
    assert results.bbox.tolist() == [[0.1, 2, 30.5, 4], [1, 2, 3, 4]]
    assert results.score.tolist() == [0.9, 1]
    assert results.corners.tolist() == [[0.1, 2, 0.1 + 30.5, 6], [1, 2, 4, 6]]
    assert results.to_coco() == ENTRIES
    assert results.bbox.dtype == results.score.dtype == np.float64


def test_rows_are_taken_by_mask_index_and_image():
    results = make_results(ENTRIES)
    assert results.take(np.array([False, True])).to_coco() == ENTRIES[1:]
    assert results.take(np.array([1, 0])).to_coco() == ENTRIES[::-1]
    assert results.of_images({7, 8}).to_coco() == ENTRIES[1:]


def test_the_same_detections_in_the_same_order_are_the_same():
    results = make_results(ENTRIES)
    assert results.is_same_as(make_results(ENTRIES))
    others = ENTRIES[::-1], ENTRIES[:1], [], [ENTRIES[0], ENTRIES[1] | {"score": 0.99}]
    assert not any(results.is_same_as(make_results(entries)) for entries in others)
    assert make_results([]).is_same_as(make_results([]))


def test_no_detections_are_columns_too(tmp_path):
    path = tmp_path / "detections.json"
    write_json(path, [])
    results = read_results(path)
    assert len(results) == 0
    assert results.corners.shape == (0, 4)


def test_a_refused_variant_has_none(tmp_path):
    path = tmp_path / "detections.json"
    write_refusal(path, "cls_0 has NaN")
    with pytest.raises(Refused, match="cls_0 has NaN"):
        read_results(path)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ([ENTRIES[0], {**ENTRIES[1], "score": "high"}], r"\[1\]\.score: expected float, got str"),
        ([{**ENTRIES[0], "bbox": [1, 2, 3]}], r"\[0\]\.bbox: expected array of length 4"),
        ([{"image_id": 1}], r"\[0\]: object missing required field category_id"),
    ],
)
def test_another_file_is_refused_with_path_and_key(tmp_path, content, key):
    path = tmp_path / "detections.json"
    write_json(path, content)
    with pytest.raises(UserError, match=f"detections.json: {key}"):
        read_results(path)
