"""The builders and the judge against each other: one detector dressed differently finds the same."""

import conventions as dress
import numpy as np
import pytest
from judge import CONVENTIONS, Judge, Recipe, to_coco, unmatched

# of one geometry each: the first is what the others must equal. A build, and the judge's convention
LETTERBOX = {
    "ultralytics": dress.ultralytics,
    "yolov5": dress.yolov5,
    "ultralytics_nms": dress.ultralytics_nms,
    "yolov7_end2end": dress.yolov7_end2end,
    "yolonas_batch": dress.yolonas_batch,
}
CORNER = {"yolox": dress.yolox, "yolox_decoded": dress.yolox_decoded, "mmdeploy": dress.mmdeploy}
STRETCH = {
    "rtdetr": dress.rtdetr,
    "deimv2": lambda net: dress.rtdetr(net, squeezed=True, imagenet=True),
    "rfdetr_own": lambda net: dress.rfdetr(net, None),
    "detr": dress.detr,
    "queries": lambda net: dress.detr(net, softmax=False, mask=True),
}


def judged(build, name, net, images):
    judge = Judge(build(net).SerializeToString(), CONVENTIONS[name], net.size, net.classes)
    return [
        entry
        for image_id, image in images.items()
        for entry in to_coco(image_id, judge.detect(image), range(net.classes))
        if entry["score"] > 0.01
    ]


@pytest.mark.parametrize("group", [LETTERBOX, CORNER, STRETCH], ids=["letterbox", "corner", "stretch"])
def test_one_detector_finds_the_same_in_every_dress(group, tiny, drawn):
    (first, build), *others = group.items()
    wanted = judged(build, first, tiny, drawn)
    assert len({entry["image_id"] for entry in wanted}) >= 5
    assert len(wanted) > 100
    for name, other in others:
        assert unmatched(wanted, judged(other, name, tiny, drawn), pixels=1e-2, score=1e-5) == [], name


def test_the_judge_tells_a_dress_from_another(tiny, drawn):
    """What the comparison above can see: half a pixel of padding, another order of the channels."""
    wanted = judged(dress.ultralytics, "ultralytics", tiny, drawn)
    for wrong in ("yolox_decoded", "rtdetr"):
        found = judged(getattr(dress, wrong), wrong, tiny, drawn)
        assert len(unmatched(wanted, found, pixels=1e-2)) > len(wanted) / 2


def test_nms_by_hand():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [50, 50, 60, 60]], np.float32)
    scores = np.array([[0.9, 0.2], [0.8, 0.3], [0.7, 0.0], [0.0, 0.6]], np.float32)
    kept, found, labels = Recipe(score=0.25, iou=0.5)(boxes, scores)
    assert found.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert labels.tolist() == [0, 0, 1]
    assert kept[1].tolist() == [0, 0, 10, 5]
    _, found, labels = Recipe(score=0.25, iou=0.5, several=True)(boxes, scores)
    assert found.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.3])
    assert labels.tolist() == [0, 0, 1, 1]
    assert len(Recipe(score=0.25, iou=0.5, several=True, most=2)(boxes, scores)[0]) == 2
