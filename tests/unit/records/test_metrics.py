import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.metrics import SUMMARY, ClassMetrics, Metrics, read_metrics, write_metrics

CAR = ClassMetrics(category_id=3, name="car", AP=0.25, AP50=None, ground_truths=4)
METRICS = Metrics(**dict.fromkeys(SUMMARY, 0.1 + 0.2), images=7, detections=9, per_class=(CAR,))


def test_metrics_come_back_and_their_file_stays_as_it_ever_was(tmp_path):
    path = tmp_path / "raw.json"
    write_metrics(path, METRICS)
    assert list(read_json(path)) == [*SUMMARY, "images", "detections", "per_class"]
    assert '"AP": 0.30000000000000004,\n' in path.read_text()
    first = path.read_bytes()
    assert read_metrics(path) == METRICS
    write_metrics(path, read_metrics(path))
    assert path.read_bytes() == first


def test_a_refused_variant_says_why_and_has_no_number(tmp_path):
    path = tmp_path / "raw.json"
    numbers = dict.fromkeys((*SUMMARY, "detections"))
    write_metrics(path, Metrics(**numbers, images=7, per_class=(), refused="NaN in boxes"))
    assert (read_metrics(path).refused, read_metrics(path).AP) == ("NaN in boxes", None)


def test_metrics_without_a_number_are_refused_by_its_name(tmp_path):
    path = tmp_path / "raw.json"
    write_metrics(path, METRICS)
    content = read_json(path)
    del content["AP75"]
    write_json(path, content)
    with pytest.raises(UserError, match=r"raw\.json: object missing required field AP75"):
        read_metrics(path)
