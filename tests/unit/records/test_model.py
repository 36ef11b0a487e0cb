import json

from tiny import atss_head, model_spec, yolox_head

from cutpoint.records.image import Pad
from cutpoint.records.model import Floor, ModelSpec


def test_decoded_has_factors_where_the_head_has_them():
    assert atss_head().decoded_names == ["boxes", "scores", "factors", "level_counts"]
    assert atss_head(factor=None).decoded_names == ["boxes", "scores", "level_counts"]
    assert [atss_head().anchors_per_cell(0), yolox_head().anchors_per_cell(0)] == [2, 1]


def test_the_specification_survives_json():
    for head in (atss_head(), yolox_head()):
        spec = model_spec(head)
        back = ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
        assert back == spec
        assert back.digest == spec.digest


def test_an_input_recipe_with_padding_survives_json():
    spec = model_spec(yolox_head())
    pad = Pad(to_square=True, size=(416, 320), divisor=32, value=(114.0, 114.0, 114.0))
    values = spec.to_dict()
    values["input"]["pad"] = json.loads(json.dumps(pad.__dict__))
    assert ModelSpec.from_dict(values).input.pad == pad


def test_the_digest_changes_with_the_floor_alone():
    spec = model_spec(atss_head())
    other = spec.with_floor(Floor("class", 0.06, False))
    assert other.digest != spec.digest
    assert other.classes == spec.classes
    assert spec.head.floor.value == 0.05


def test_a_specification_of_format_1_is_read_with_todays_words():
    nms = {"step": "nms", "iou_threshold": 0.5, "space": "per_class", "max_per_class": 9}
    threshold = {"step": "threshold", "quantity": "class", "value": 0.05}
    spec = model_spec(atss_head(recipe=(threshold, nms, {"step": "max_per_img", "k": 2})))
    old = json.loads(json.dumps(spec.to_dict()))
    old["head"]["floor"] = {"on": "class", "value": 0.05, "inclusive": False}
    old["head"]["recipe"] = [
        {"step": "threshold", "on": "class", "value": 0.05},
        {"step": "nms", "iou_threshold": 0.5, "space": "per_class", "per_class_cap": 9},
        {"step": "cap", "k": 2},
    ]
    assert ModelSpec.from_dict(old) == spec
