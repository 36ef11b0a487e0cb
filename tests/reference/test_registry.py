"""Every class in mmdet's registry and every config that mmdet ships is served, or refused by name."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict
from zoo_support import load_zoo, section, why_not

from cutpoint.detector.build import build_detector
from cutpoint.detector.describe import read_head
from cutpoint.detector.support import SLOTS, find_refusal
from cutpoint.errors import UserError

ROOT = Path(__file__).parents[2]
# The folders of mmdet/models whose classes may stand in a slot.
FOLDERS = {
    "detector": ("detectors", "mot", "vis", "reid"),
    "head": ("dense_heads",),
    "RoI head": ("roi_heads",),
    "box head": ("roi_heads.bbox_heads",),
    "RoI extractor": ("roi_heads.roi_extractors",),
    "shared head": ("roi_heads.shared_heads",),
    "backbone": ("backbones",),
    "neck": ("necks",),
}
# Registered beside detectors, and none.
PARTS = {"FcModule", "GlobalAveragePooling", "LinearReIDHead"}


@pytest.fixture(scope="module")
def zoo() -> dict[str, Config]:
    return load_zoo()


@pytest.mark.parametrize("what", FOLDERS)
def test_each_class_of_a_slot_is_served_or_refused_with_a_reason(what):
    register_all_modules(init_default_scope=True)
    slot = next(slot for slot in SLOTS if slot.what == what)
    known = {
        name
        for name, kind in MODELS.module_dict.items()
        if kind.__module__.rpartition(".")[0] in {f"mmdet.models.{folder}" for folder in FOLDERS[what]}
    } - PARTS
    assert known
    assert not slot.served & slot.refused.keys()
    assert known - slot.served - slot.refused.keys() == set()
    assert all(len(reason) > 15 for reason in slot.refused.values())


@pytest.mark.real
def test_each_shipped_config_is_served_or_refused_by_the_name_of_a_part(zoo):
    reasons = {name: why_not(config) for name, config in zoo.items()}
    assert len(reasons) > 700
    unknown = {name: reason for name, reason in reasons.items() if reason and "unknown" in reason}
    assert unknown == {}
    assert sum(reason is None for reason in reasons.values()) > 500
    page = section()
    assert f"| all | {len(zoo)} |" in page
    assert page.count("\n- ") == len({reason for reason in reasons.values() if reason})


@pytest.mark.real
def test_cutpoints_own_zoo_is_served(zoo):
    models = yaml.safe_load((ROOT / "config/zoo.yaml").read_text())["models"].values()
    names = [model["config"].removeprefix("mmdet::") for model in models]
    assert len(names) > 50
    assert {name: why_not(zoo[name]) for name in names} == dict.fromkeys(names)


@pytest.mark.real
def test_what_the_tables_serve_can_be_described(zoo):
    """With the smallest backbone, as the tables' answer to its own part needs no building."""
    judged: dict[str, tuple[str, Config]] = {}
    for name, config in zoo.items():
        if find_refusal(config) is None:
            judged.setdefault(signature(config), (name, config))
    assert len(judged) > 50
    failed = {}
    for name, config in judged.values():
        try:
            detector = build_detector(shrunk(config), None)
            head = read_head(detector, None)
        except UserError as error:
            failed[name] = str(error)
        else:
            assert head.num_classes > 0
    assert failed == {}


def signature(config: Config) -> str:
    """What the description of a head depends on, without numbers."""
    model = {key: value for key, value in config.model.items() if key not in UNREAD}
    return json.dumps(without_numbers(model), sort_keys=True, default=str)


UNREAD = ("backbone", "neck", "train_cfg", "data_preprocessor", "init_cfg", "pretrained")
NUMBERS = {"strides", "scales", "ratios", "basesize", "in_channels", "num_classes"}


def without_numbers(node):
    if isinstance(node, dict):
        losses = {key for key in node if key.startswith("loss") and key != "loss_cls"}
        kept = {key: value for key, value in node.items() if key not in losses | NUMBERS}
        return {key: without_numbers(value) for key, value in kept.items()}
    if isinstance(node, list | tuple):
        parts = [without_numbers(part) for part in node]
        return [part for number, part in enumerate(parts) if part not in parts[:number]]
    return 0 if isinstance(node, int | float) and not isinstance(node, bool) else node


def shrunk(config: Config) -> Config:
    """The config with a backbone that is built at once, and few of what there may be many of."""
    model = copy.deepcopy(config.model)
    # the branches of the one are read, and the other is run to find its stride
    if model.backbone.type != "TridentResNet" and model.type != "CenterNet":
        model.backbone = ConfigDict(type="ResNet", depth=18, base_channels=8)
    limit(model)
    return Config({"model": model})


LIMITS = {"num_classes": 3, "num_layers": 1, "stacked_convs": 1, "fc_out_channels": 64}


def limit(node) -> None:
    if isinstance(node, dict):
        for key, most in LIMITS.items():
            if isinstance(node.get(key), int):
                node[key] = min(node[key], most)
        for value in node.values():
            limit(value)
    elif isinstance(node, list | tuple):
        for part in node:
            limit(part)
