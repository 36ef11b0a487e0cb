"""A detections file holds detections, or why there are none."""

import pytest

from cutpoint.errors import UserError
from cutpoint.records.detections import Refused, read_results, refusal, refusal_of_pair, write_refusal

REASON = "cls_0 has NaN on image id 7 (a.jpg)"
FOUND = '[{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]\n'


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "found.json", tmp_path / "empty.json", tmp_path / "refused.json"
    paths[0].write_text(FOUND)
    paths[1].write_text("[]\n")
    write_refusal(paths[2], REASON)
    return paths


def test_detections_are_read_and_a_refusal_is_raised(files):
    found, empty, refused = files
    assert read_results(found).bbox.tolist() == [[1, 2, 3, 4]]
    assert (len(read_results(empty)), refusal(found), refusal(empty)) == (0, None, None)
    assert refusal(refused) == REASON
    with pytest.raises(Refused) as error:
        read_results(refused)
    # one that is not expected is a message, not a traceback
    assert error.value.reason == str(error.value) == REASON
    assert isinstance(error.value, UserError)


def test_of_two_variants_the_refused_one_is_named(files):
    found, _, refused = files
    assert refusal_of_pair(found, found) is None
    assert refusal_of_pair(found, refused) == REASON
    assert refusal_of_pair(refused, found) == f"the reference is refused: {REASON}"
