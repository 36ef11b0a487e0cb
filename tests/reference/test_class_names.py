"""Whose class names hold, and the order of the categories that a detector was trained with."""

import json

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from models import SMALL_ATSS, YOLOX

from cutpoint.detector.build import load_config
from cutpoint.detector.classes import find_class_names, trained_order
from cutpoint.detector.describe import describe_model
from cutpoint.errors import UserError
from cutpoint.records.model import as_spec

STREET = ["car", "bus", "person"]


@pytest.fixture
def street(tmp_path):
    (tmp_path / "c.py").write_text(SMALL_ATSS)
    return load_config(str(tmp_path / "c.py"))


def names(tmp_path, config, meta, choice=None, count=3):
    path = str(tmp_path / "w.pth")
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": meta}, path)
    return find_class_names("street", config, path, count, choice)


@pytest.mark.parametrize(
    "meta",
    [
        {"dataset_meta": {"classes": tuple(STREET)}},
        {"dataset_meta": {"CLASSES": STREET}},
        {"CLASSES": STREET},
        {"dataset_meta": {"classes": np.array(STREET)}},
        {"dataset_meta": {"classes": dict(enumerate(STREET))}},
        {"dataset_meta": {"classes": None}},
        {"dataset_meta": None},
        {},
        None,
    ],
)
def test_class_names_of_checkpoint_and_config_agree(tmp_path, street, meta):
    assert names(tmp_path, street, meta) == STREET
    assert names(tmp_path, street, meta, "config") == STREET


def test_a_default_of_the_data_sets_class_does_not_conflict(tmp_path, street):
    street.test_dataloader.dataset.pop("metainfo")
    assert names(tmp_path, street, {"CLASSES": ("a", "b", "c")}) == ["a", "b", "c"]


def test_class_names_without_a_checkpoints(tmp_path, street):
    assert find_class_names("street", street, None, 3) == STREET
    coco = find_class_names("m", load_config(YOLOX), None, 80)
    assert (len(coco), coco[0], coco[79]) == (80, "person", "toothbrush")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    street.test_dataloader.dataset.metainfo.classes = str(tmp_path / "names.txt")
    assert find_class_names("street", street, None, 3) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            ["bus", "car", "person"],
            r"\(3: 'bus', 'car', 'person'\) differ .*\(3: 'car', 'bus', 'person'\); set it to",
        ),
        (["car", "bus", "man"], r"\(3: 2 alike, then 'man'\) differ .* \(3: 2 alike, then 'person'\)"),
        (
            [f"c{n}" for n in range(80)],
            r"\(80: 'c0', 'c1', 'c2', 'c3' and 76 more\) differ .*\(the head has 3, as the config has\)",
        ),
    ],
)
def test_class_names_that_differ_need_a_choice(tmp_path, street, other, message):
    meta = {"dataset_meta": {"classes": other}}
    with pytest.raises(UserError, match=rf"models\.street\.class_names: .*w\.pth {message}"):
        names(tmp_path, street, meta)
    assert names(tmp_path, street, meta, "config") == STREET
    assert names(tmp_path, street, meta, "checkpoint", len(other)) == other


def test_class_names_of_the_wrong_number_say_where_they_are_from(tmp_path, street):
    dataset = street.test_dataloader.dataset
    with pytest.raises(
        UserError, match=r"head has 4 classes, but metainfo\.classes of .*c\.py names 3: 'car'"
    ):
        names(tmp_path, street, {}, count=4)
    dataset.pop("metainfo")
    message = r"checkpoint .*w\.pth names 2: 'a', 'b'; set metainfo\.classes .*the 3 .*class_names to config$"
    with pytest.raises(UserError, match=message):
        names(tmp_path, street, {"CLASSES": ["a", "b"]})
    with pytest.raises(UserError, match=r"the default of CocoDataset in .*c\.py names 80: 'person'"):
        names(tmp_path, street, {})
    dataset.type = "BaseDetDataset"
    with pytest.raises(UserError, match=r"c\.py is not set, and neither BaseDetDataset nor"):
        names(tmp_path, street, {})
    with pytest.raises(UserError, match=r"class_names is checkpoint, but .*w\.pth names no classes"):
        names(tmp_path, street, {}, "checkpoint")
    with pytest.raises(
        UserError, match=r"w\.pth: the class names in its meta must be a list of texts, found \[1"
    ):
        names(tmp_path, street, {"CLASSES": [1, 2, 3]})


def write_training(tmp_path, name, order):
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": n} for i, n in enumerate(order)],
    }
    (tmp_path / name).write_text(json.dumps(content))
    return {
        "type": "CocoDataset",
        "data_root": str(tmp_path),
        "ann_file": name,
        "metainfo": {"classes": STREET},
    }


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (STREET, None),
        (["car", "dog", "bus", "person"], None),
        (["car", "bus"], None),
        (["bus", "car", "person"], ["bus", "car", "person"]),
        (["car", "dog", "person"], ["car", "person"]),  # mmdet numbers person 1, the classes say 2
    ],
)
def test_the_order_of_the_training_file_is_that_of_mmdets_labels(tmp_path, street, order, expected):
    dataset = write_training(tmp_path, "train.json", order)
    street.train_dataloader = {"dataset": {"type": "RepeatDataset", "times": 2, "dataset": dataset}}
    assert trained_order(street, STREET) == expected
    trained = DATASETS.build(dataset | {"pipeline": [], "lazy_init": True})
    trained.load_data_list()
    labels = [order[index] for index in trained.cat2label]
    assert (labels if labels != STREET[: len(labels)] else None) == expected


def test_the_order_of_training_files_that_are_not_here_is_unknown(tmp_path, street):
    assert trained_order(street, STREET) is None
    good = write_training(tmp_path, "good.json", STREET)
    bad = write_training(tmp_path, "bad.json", STREET[::-1])
    absent = {**good, "ann_file": "absent.json"}
    (tmp_path / "broken.json").write_text("[")
    for parts, expected in (
        ([good, absent, {**good, "ann_file": "broken.json"}], None),
        ([good, bad], STREET[::-1]),
        ([{**bad, "type": "VOCDataset"}], None),
    ):
        street.train_dataloader = {"dataset": {"type": "ConcatDataset", "datasets": parts}}
        assert trained_order(street, STREET) == expected


def test_the_order_of_training_stands_in_the_description(tmp_path):
    text = (
        SMALL_ATSS
        + f"\ntrain_dataloader = dict(dataset={write_training(tmp_path, 't.json', STREET[::-1])})\n"
    )
    plain, found = describe(tmp_path, SMALL_ATSS), describe(tmp_path, text)
    assert found == plain | {"trained_order": STREET[::-1]}
    assert as_spec(found, "a file").digest == as_spec(plain, "a file").digest


def describe(tmp_path, text):
    (tmp_path / "c.py").write_text(text)
    out = tmp_path / "spec.json"
    describe_model(
        model="street", config=str(tmp_path / "c.py"), checkpoint=None, candidate_floor=None, out=str(out)
    )
    return json.loads(out.read_text())


def test_class_names_must_be_as_many_as_the_heads_classes(tmp_path):
    with pytest.raises(UserError, match=r"models\.street: the head has 4 classes, .* names 3"):
        describe(tmp_path, SMALL_ATSS.replace("num_classes=3", "num_classes=4"))
    assert not (tmp_path / "spec.json").exists()
