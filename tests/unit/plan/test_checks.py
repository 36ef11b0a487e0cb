"""Paths, classes and the published AP are checked before any job runs."""

import json
import os
import time

import pytest

from cutpoint.errors import UserError
from cutpoint.plan import checks
from cutpoint.plan import digests as digests_module
from cutpoint.plan.checks import check_files, check_path
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Evaluation, Model, Plan
from cutpoint.plan.variants import Export, External, ResultsVariant, Run, RunVariant
from cutpoint.records.annotations import read_category_names

VARIANT = RunVariant("pytorch", Run("pytorch", "e2e", "cpu"), RecipeChoice())


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "base.py").write_text("x = 1\n")
    (tmp_path / "mine.py").write_text("_base_ = ['./base.py']\nmodel = {}\n")
    (tmp_path / "mine.pth").write_text("")
    (tmp_path / "truth.json").write_text(json.dumps({"categories": [{"id": 1, "name": "car"}]}))
    return tmp_path


def check(sources=(), published_ap=None, variants=(), digests=None, **changes):
    model = {"name": "m", "config": "mine.py", "checkpoint": "mine.pth", "candidate_floor": None}
    dataset = {"name": "d", "images": "images", "annotations": "truth.json", "classes": None, "limit": None}
    model |= {key: value for key, value in changes.items() if key in model}
    dataset |= {key: value for key, value in changes.items() if key in dataset}
    evaluation = Evaluation(
        Model(**model), Dataset(**dataset, shards=1), (VARIANT, *variants), VARIANT, (), published_ap
    )
    check_files(Plan("cpu", (evaluation,)), sources, digests or Digests("digests.json"))


def test_all_there(files):
    check()
    check(annotations=None)
    check(classes=(("vehicle", "car"),))
    check(config="mmdet::atss/atss_r50_fpn_1x_coco.py")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": "my.py"}, "models.m.config: no file my.py"),
        ({"checkpoint": "minne.pth"}, r"models.m.checkpoint: no file minne.pth .* did you mean 'mine.pth'\?"),
        ({"config": "mmdet::atss/atss_r5_fpn_1x_coco.py"}, r"did you mean 'atss/atss_r50_fpn_1x_coco.py'\?"),
        ({"config": "mmpose::a.py"}, "only configs of mmdet"),
        ({"images": "image"}, r"datasets.d.images: no folder image .* did you mean 'images'\?"),
        ({"images": "truth.json"}, "datasets.d.images: truth.json is not a folder"),
        ({"annotations": "images"}, "datasets.d.annotations: images is not a file"),
        ({"annotations": "mine.py", "classes": (("a", "b"),)}, "mine.py: not JSON"),
        ({"classes": (("a", "cart"),)}, r"datasets.d.classes.a: .* no category 'cart'; did you mean 'car'\?"),
        ({"annotations": None, "classes": (("a", "car"),)}, "datasets.d.classes: only a data set with"),
        ({"published_ap": 0.4}, r"evaluations\[0\].published_ap: it is allowed only with COCO val2017's"),
        ({"published_ap": 0.4, "limit": 5}, "but datasets.d.limit is set"),
        ({"published_ap": 0.4, "annotations": None}, "is allowed only with COCO val2017's"),
    ],
)
def test_refused(files, changes, message):
    with pytest.raises(UserError, match=message):
        check(**changes)


def test_annotations_are_parsed_again_only_when_they_have_changed(files, monkeypatch):
    read = []
    monkeypatch.setattr(
        checks,
        "read_category_names",
        lambda path, where: [read.append(path), *read_category_names(path, where)][1:],
    )
    # a cache trusts a file only some time after it was changed
    os.utime("truth.json", ns=(0, 0))
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    for _ in range(2):
        digests = Digests("digests.json")
        check(classes=(("vehicle", "car"),), digests=digests)
        digests.save()
    assert read == ["truth.json"]
    (files / "truth.json").write_text(json.dumps({"categories": [{"id": 1, "name": "bus"}]}))
    with pytest.raises(UserError, match="has no category 'car'"):
        check(classes=(("vehicle", "car"),), digests=Digests("digests.json"))


def test_a_file_that_is_fetched_need_not_be_there(files):
    sources = ["data/x.pth", "data/images", "data/truth.json"]
    check(sources, checkpoint="data/x.pth", images="data/images", annotations="data/truth.json")
    check(sources, annotations="data/truth.json", classes=(("a", "b"),), published_ap=0.4)
    with pytest.raises(UserError, match=r"no file data/y\.pth"):
        check(sources, checkpoint="data/y.pth")


def test_published_ap_with_val2017s_own_annotations(files, monkeypatch):
    import hashlib

    content = (files / "truth.json").read_bytes()
    monkeypatch.setattr(checks, "VAL2017_BYTES", len(content))
    monkeypatch.setattr(checks, "VAL2017_SHA256", hashlib.sha256(content).hexdigest())
    check(published_ap=0.4)
    (files / "truth.json").write_bytes(content.replace(b"car", b"cat"))
    with pytest.raises(UserError, match="sha256 differs"):
        check(published_ap=0.4)


def test_external_files_must_be_there(files):
    results = ResultsVariant("theirs", "dets.json")
    export = Export("raw", external=External("theirs.onnx", "{}"))
    onnx = RunVariant("v", Run("onnxruntime", "raw", "cpu", export), RecipeChoice())
    with pytest.raises(UserError, match=r"variants.theirs.results: no file dets.json"):
        check(variants=[results])
    with pytest.raises(UserError, match=r"variants.v.onnx: no file theirs.onnx"):
        check(variants=[onnx])
    check(["theirs.onnx", "dets.json"], variants=[onnx, results])
    (files / "theirs.onnx").touch()
    with pytest.raises(UserError, match=r"theirs\.onnx: not an ONNX file that can be read: it is empty"):
        check(variants=[onnx, results])
    (files / "theirs.onnx").write_bytes(b"\x08\x09")
    (files / "dets.json").touch()
    check(variants=[onnx, results])


def test_a_file_from_the_future_is_refused(tmp_path):
    path = tmp_path / "my model.pth"
    path.touch()
    check_path("models.m.checkpoint", str(path), "file", ())
    later = time.time() + 3600
    os.utime(path, (later, later))
    with pytest.raises(UserError, match=r"^models\.m\.checkpoint: .* is from the future .*: touch '/"):
        check_path("models.m.checkpoint", str(path), "file", ())
