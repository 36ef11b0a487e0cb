import json

import pytest
from tiny import atss_head, model_spec, yolox_head

from cutpoint.errors import UserError
from cutpoint.records.head import Floor
from cutpoint.records.image import Pad
from cutpoint.records.model import as_spec, read_spec, read_trained_order, write_spec


def test_decoded_has_factors_where_the_head_has_them():
    assert atss_head().decoded_names == ["boxes", "scores", "factors", "level_counts"]
    assert atss_head(factor=None).decoded_names == ["boxes", "scores", "level_counts"]
    assert [atss_head().anchors_per_cell(0), yolox_head().anchors_per_cell(0)] == [2, 1]


def test_the_specification_survives_json():
    for head in (atss_head(), yolox_head()):
        spec = model_spec(head)
        back = as_spec(json.loads(json.dumps(spec.to_dict())), "a file")
        assert back == spec
        assert back.digest == spec.digest


def test_an_input_recipe_with_padding_survives_json():
    spec = model_spec(yolox_head())
    pad = Pad(to_square=True, size=(416, 320), divisor=32, value=(114.0, 114.0, 114.0))
    values = spec.to_dict()
    values["input"]["pad"] = json.loads(json.dumps(pad.__dict__))
    assert as_spec(values, "a file").input.pad == pad


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
    assert as_spec(old, "a file") == spec


def test_the_kind_of_the_head_travels_and_dense_needs_none():
    spec = model_spec(atss_head())
    content = json.loads(json.dumps(spec.to_dict()))
    assert content["head"]["kind"] == "dense"
    # format 1 knew one kind
    del content["head"]["kind"]
    assert as_spec(content, "a file") == spec


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ["head", "kind"],
            "grids",
            r"spec\.json: head\.kind: 'grids' is unknown .*knows dense, rois, queries, external; install",
        ),
        (["head", "num_classes"], "3", r"spec\.json: head: num_classes: expected int, got str"),
        (["head", "floor", "quantity"], "area", r"spec\.json: head: floor\.quantity: invalid enum value"),
        (["input", "mean"], [1.0], r"spec\.json: input\.mean: expected array of length 3"),
        (["classes"], None, r"spec\.json: classes: expected array"),
        (["format"], 99, r"spec\.json: format: 99, and this version of Cutpoint reads up to"),
    ],
)
def test_a_file_that_is_no_specification_is_refused_with_path_and_key(tmp_path, path, value, message):
    file = tmp_path / "spec.json"
    write_spec(file, model_spec(atss_head()))
    content = json.loads(file.read_text())
    *inner, last = path
    place = content
    for key in inner:
        place = place[key]
    place[last] = value
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_spec(file)


def test_the_order_of_training_stands_beside_the_specification(tmp_path):
    file, spec = tmp_path / "spec.json", model_spec(atss_head())
    for order in (None, ["bus", "car"]):
        write_spec(file, spec, order)
        assert read_spec(file) == spec
        assert read_trained_order(file) == order
    assert next(iter(json.loads(file.read_text()))) == "format"
