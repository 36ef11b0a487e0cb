"""The plan tells all mistakes of a config at once, and no mistake that only follows from another one."""

from pathlib import Path

import pytest
import yaml

from cutpoint.errors import UserError, UserErrors
from cutpoint.plan.digests import Digests
from cutpoint.plan.make import make_project

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """\
device: cpu
models:
  demo: {config: config/demo/atss_traffic.py, checkpoint: data/demo/atss_traffic.pth}
datasets:
  traffic: {images: data/demo/traffic/images, annotations: data/demo/traffic/instances.json}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  decoded: {runtime: onnxruntime, cut: decoded}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw, decoded], ladder: [raw, decoded]}
"""


@pytest.fixture
def mistakes(tmp_path):
    def find(*changes):
        text = CONFIG
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "config.yaml"
        path.write_text(text)
        with pytest.raises(UserError) as error:
            make_project(yaml.safe_load(text), [path], clone=ROOT, digests=Digests(tmp_path / "cache.json"))
        several = isinstance(error.value, UserErrors)
        return [m.partition(";")[0] for m in (error.value.messages if several else [str(error.value)])]

    return find


def test_all_of_the_schema(mistakes):
    assert mistakes(
        ("checkpoint:", "chekpoint:"),
        ("cut: raw", "cut: rwa"),
        ("annotations:", "annotation:"),
        ("device: cpu", "device: cpu\nlatency: {images: 0}"),
    ) == [
        "datasets.traffic: unknown key 'annotation'",
        "models.demo: unknown key 'chekpoint'",
        "latency.images: 0 is less than the minimum of 1",
        "variants.raw.cut: 'rwa' is not allowed",
    ]


def test_keys_that_stand_twice_are_told_beside_the_schema(mistakes):
    found = mistakes(("  decoded:", "  raw:"), ("cut: raw", "cut: rwa"), ("device: cpu", "device: gpu"))
    assert len(found) == 2  # the first raw is gone
    assert "the key 'raw' appears twice in one mapping" in found[0]
    assert found[1] == "device: 'gpu' is not allowed"


def test_all_of_names_combinations_and_files(mistakes):
    found = mistakes(
        ("cut: raw}", "cut: raw, recipe: mmdet4}"),
        ("atss_traffic.pth", "atss.pth"),
        ("traffic/images", "trafic/images"),
        ("cut: decoded}", "cut: decoded, tf32: true}"),
        ("device: cpu", "device: cpu\nimports: [not.there]\ngate: [{variants: [rew], AP: {min: 0.1}}]"),
    )
    assert [message.partition(":")[0] for message in found] == [
        "variants.raw.recipe",
        "variants.decoded.tf32",
        "gate[0].variants",
        "models.demo.checkpoint",
        "datasets.traffic.images",
        "imports",
    ]


def test_nothing_follows_from_a_model_that_cannot_be_resolved(mistakes):
    found = mistakes(("atss_traffic.pth}", "atss_traffic.pth, classes: [a]}"))
    assert [message.partition(":")[0] for message in found] == ["models.demo.classes"]


def test_nothing_follows_from_a_data_set_that_cannot_be_resolved(mistakes):
    int8 = "{runtime: onnxruntime, cut: raw, precision: int8, calibration: {dataset: calibration}}"
    found = mistakes(
        (
            "variants:\n  py",
            "  calibration: {images: config, annotations: null, invalid_boxes: drop}\nvariants:\n  py",
        ),
        ("{runtime: onnxruntime, cut: raw}", int8),
    )
    assert [message.partition(":")[0] for message in found] == ["datasets.calibration.invalid_boxes"]


def test_all_of_one_evaluation(mistakes):
    found = mistakes(("ladder: [raw, decoded]", "ladder: [raw, rew], reference: nobody, published_ap: 0.4"))
    assert [message.partition(":")[0] for message in found] == [
        "evaluations[0].ladder",
        "evaluations[0].reference",
    ]
