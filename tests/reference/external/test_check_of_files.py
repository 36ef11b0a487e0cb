"""The check of a real detector's files: silent where they are read rightly, and what it says where not."""

from dataclasses import dataclass, field
from typing import Any

import onnx
import pytest
from cases import CASES, ONLY_COCO
from product import make_manifest

from cutpoint.errors import UserError
from cutpoint.export.import_external import import_external
from cutpoint.layouts.classes import read_class_names
from cutpoint.predict.check_external import check_external
from cutpoint.records.classes import Classes, write_classes
from cutpoint.records.verification import Verification, read_verification

ALL = CASES | ONLY_COCO


@pytest.fixture(scope="module")
def manifest(real, tmp_path_factory):
    data, out = real / "coco-dev", tmp_path_factory.mktemp("some") / "manifest.json"
    return make_manifest(data / "images", data / "instances.json", out, limit=6)


@pytest.fixture
def check(official, manifest, tmp_path):
    """Imports a case's file, with changes to how it is read, and checks it."""

    def run(name: str, layout: str | None = None, classes: Any = None, **written: Any) -> Verification:
        case = ALL[name]
        theirs, ours, spec = (str(tmp_path / part) for part in ("theirs.onnx", "ours.onnx", "spec.json"))
        onnx.save(case.build(official), theirs)
        reading = case.read(official)
        names = read_class_names(classes or reading.classes, None, "models.m.classes")
        write_classes(tmp_path / "classes.json", Classes("m", names))
        own = {"input": reading.input} if isinstance(reading.input, dict) else {}
        import_external(
            model="m",
            onnx=theirs,
            layout=layout or case.layout,
            written=own | reading.written | written,
            classes=str(tmp_path / "classes.json"),
            candidate_floor=None,
            out=ours,
            out_spec=spec,
        )
        out = str(tmp_path / "verify.json")
        check_external(export=ours, spec=spec, manifest=manifest, images=6, out=out)
        return read_verification(out)

    return run


@pytest.mark.real
@pytest.mark.parametrize("name", ALL)
def test_a_file_that_is_read_rightly_passes(check, name):
    assert check(name).failures == ()


@dataclass(frozen=True)
class Misread:
    """A case that is read wrongly, and what is said. ``layout``, ``classes``: others than the case's."""

    case: str
    said: str
    written: dict[str, Any] = field(default_factory=dict)
    layout: str | None = None
    classes: str | None = None


def part(key: str, tensor: str, **keys: Any) -> dict[str, Any]:
    return {"outputs": {key: {"tensor": tensor, **keys}}}


MISREAD = [
    Misread(
        "ultralytics",
        "they are centre and size, not corners: write outputs.box.format: cxcywh",
        part("box", "output0", channels=[0, 4]),
    ),
    Misread(
        "ultralytics",
        "they are pixels already (remove outputs.box.normalised)",
        part("box", "output0", channels=[0, 4], format="cxcywh", normalised=True),
    ),
    Misread(
        "ultralytics nms",
        "write outputs.box.format: yxyx, or xyxy if it is yxyx",
        part("box", "output0", channels=[0, 4], format="yxyx"),
    ),
    Misread(
        "yolonas batch",
        "are corners, read as centre and size: write outputs.box.format: xyxy",
        part("box", "pred_boxes", format="cxcywh"),
    ),
    Misread(
        "rfdetr",
        "they are fractions of the frame: write outputs.box.normalised: true",
        part("box", "dets", format="cxcywh"),
    ),
    Misread(
        "rfdetr",
        "they are logits: write outputs.score.activation: sigmoid, or softmax",
        part("score", "labels"),
    ),
    Misread(
        "yolov5",
        "a sigmoid was applied to probabilities: write outputs.score.activation: none",
        part("score", "output0", channels=[5, 85], activation="sigmoid"),
    ),
    Misread(
        "rtdetr",
        "they are pixels of the original image: write network_wh in `constants`",
        {"constants": {"orig_target_sizes": [640, 480]}},
    ),
    Misread(
        "yolox", "they are offsets that are not decoded: name a layout that decodes them", layout="yolov5"
    ),
    Misread(
        "yolox decoded", "or decoded already (name another layout, for yolox yolox-decoded)", layout="yolox"
    ),
    Misread(
        "yolov7 end2end", "exchange the channels of outputs.score and outputs.label", layout="yolonas-flat"
    ),
    Misread("tf", "if they are COCO's category ids, write classes: coco91", classes="coco80"),
    Misread("rtdetr", "has no name in `classes`: the labels are no ids with gaps", classes="coco91"),
]


@pytest.mark.parametrize("misread", MISREAD, ids=lambda misread: f"{misread.case}: {misread.said[:40]}")
def test_a_file_that_is_read_wrongly_is_named_with_its_mend(check, misread):
    found = check(misread.case, misread.layout, misread.classes, **misread.written)
    assert not found.passed
    assert misread.said in " ".join(found.failures)


def test_a_background_that_is_not_described_is_refused_at_the_import(check):
    mend = "write outputs.score.background: first, or last"
    with pytest.raises(UserError, match=rf"the model has 80 classes and the file 81 scores a row; .*{mend}"):
        check("detr", **part("score", "logits", activation="softmax"))
