"""What an external file's values cannot be, and the key that mends it."""

import re

import numpy as np
import pytest

from cutpoint.predict.plausible import (
    Rows,
    best_rows,
    doubt_boxes,
    doubt_classes,
    doubt_labels,
    doubt_scores,
)

FRAME, PICTURE = (320, 320), (640, 480)
CONTENT = (0, 40, 320, 280)  # a letterbox of the picture


def objects(count=200, seed=0):
    """Corners of boxes in the picture's part of the frame."""
    random = np.random.default_rng(seed)
    centre = random.uniform(CONTENT[:2], CONTENT[2:], (count, 2))
    half = random.uniform(4, 60, (count, 2))
    corners = np.concatenate([centre - half, centre + half], axis=1)
    return np.clip(corners, np.tile(CONTENT[:2], 2), np.tile(CONTENT[2:], 2))


def rows(boxes, frame=FRAME, best=None):
    boxes = np.asarray(boxes, np.float64)
    sizes = (np.tile(size, (len(boxes), 1)) for size in (frame, PICTURE, CONTENT))
    return Rows(boxes, *sizes, np.ones(len(boxes), bool) if best is None else best)


def centres(corners):
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)


def corners_of(values):
    """Read as centre and size, as the import does."""
    return np.concatenate([values[:, :2] - values[:, 2:] / 2, values[:, :2] + values[:, 2:] / 2], axis=1)


def test_boxes_of_objects_are_not_doubted():
    assert doubt_boxes(rows(objects())) is None
    over = objects() + np.random.default_rng(1).normal(0, 8, (200, 4))  # unclipped
    over[:, 2:] = np.maximum(over[:, 2:], over[:, :2] + 1)
    assert doubt_boxes(rows(over)) is None
    whole = np.tile([-4.0, 36, 325, 283], (200, 1)) + np.random.default_rng(1).normal(0, 3, (200, 4))
    assert doubt_boxes(rows(whole)) is None  # one object that fills the picture
    # rows of padding, and rows that a low score excuses
    padded = np.concatenate([objects(), np.full((300, 4), 0.5), np.full((100, 4), -1.0)])
    assert doubt_boxes(rows(padded)) is None
    wild = np.concatenate([objects(), np.random.default_rng(2).normal(0, 900, (20, 4))])
    assert doubt_boxes(rows(wild, best=np.arange(220) < 200)) is None
    assert doubt_boxes(rows(np.zeros((0, 4)))) is None
    assert doubt_boxes(rows(np.full((3, 4), 1e6))) is None  # too few to say anything


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (objects() / 320, r"boxes lie within 0 and 1: .*: write outputs\.box\.normalised: true$"),
        (corners_of(centres(objects()) / 320), r"within 0 and 1: .*outputs\.box\.normalised: true$"),
        (
            np.random.default_rng(0).normal(0, 1.5, (200, 4)),
            r"boxes lie from -\d.* to \d.*, far from filling a frame of 320x320: they are offsets that are "
            r"not decoded: name a layout that decodes them",
        ),
        (
            corners_of(np.random.default_rng(0).normal(0, 1.5, (200, 4))),
            r"offsets that are not decoded",
        ),
        (centres(objects()), r"^\d+% of the boxes have x2 < x1 .*: write outputs\.box\.format: cxcywh$"),
        (
            np.concatenate([objects()[:, 1:], np.full((200, 1), 0.5)], axis=1),
            r"have x2 < x1 or y2 < y1: outputs\.box is another tensor or other channels$",
        ),
        (
            corners_of(objects()),
            r"^boxes are corners, read as centre and size: write outputs\.box\.format: xyxy$",
        ),
        (
            objects() * 320,
            r"boxes reach \d.* pixels in a frame of 320x320: they are pixels already \(",
        ),
        (
            objects() * 2 - [0, 80, 0, 80],
            r"fit the pictures: they are pixels of the original image: write network_wh in `constants`",
        ),
        (objects()[:, [1, 0, 3, 2]], r"lie in the padding, .*: write outputs\.box\.format: yxyx"),
        (np.repeat(objects()[:, :1], 4, axis=1), r"boxes have no area: outputs\.box is another tensor"),
        (objects()[:, [0, 1, 0, 3]], r"boxes have no area"),
    ],
    ids=[
        "fractions",
        "fractions of centre and size",
        "offsets",
        "offsets of centre and size",
        "centre and size",
        "other channels",
        "corners read as centre and size",
        "pixels times the frame",
        "original pixels",
        "y before x",
        "points",
        "lines",
    ],
)
def test_boxes_that_cannot_be_corners_in_the_frame(values, said):
    assert re.search(said, doubt_boxes(rows(values)) or "nothing")


def probabilities(count=300, classes=5, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, classes)) ** 6


@pytest.mark.parametrize("cut", ["decoded", "raw", "e2e"])
def test_probabilities_are_not_doubted(cut):
    assert doubt_scores(probabilities(), cut) is None
    assert doubt_scores(probabilities(classes=1), cut) is None
    assert doubt_scores(probabilities()[:, 0], cut) is None
    assert doubt_scores(np.zeros(0), cut) is None
    assert doubt_scores(np.array([0.6, 0.7]), cut) is None  # two detections


def softmax(values):
    return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)


LOGITS = np.random.default_rng(3).normal(-4, 3, (300, 5))
BACKGROUND = softmax(LOGITS + np.array([0, 0, 0, 0, 12]))


@pytest.mark.parametrize(
    ("scores", "cut", "key", "said"),
    [
        (LOGITS, "decoded", "score", "they are logits: write outputs.score.activation: sigmoid, or softmax"),
        (LOGITS, "raw", "score", "they are logits: write outputs.score.activation: sigmoid"),
        (LOGITS[:, 0], "decoded", "factor", "they are logits: write outputs.factor.activation: sigmoid"),
        (probabilities() * 90, "decoded", "score", "no logits either: outputs.score is another tensor"),
        (np.array([1.0, 17, 3]), "e2e", "score", "exchange the channels of outputs.score and outputs.label"),
        (np.array([1.5, 17, 3]), "e2e", "score", "outputs.score is another tensor or other channels"),
        (
            1 / (1 + np.exp(-probabilities())),
            "decoded",
            "score",
            "a sigmoid was applied to probabilities: write outputs.score.activation: none",
        ),
        (
            1 / (1 + np.exp(-probabilities()[:, 0])),
            "decoded",
            "factor",
            "a sigmoid was applied to probabilities: write outputs.factor.activation: none",
        ),
        (np.full((300, 5), 0.01), "decoded", "score", "scores are all 0.01, so they tell nothing apart"),
        (BACKGROUND, "decoded", "score", "write outputs.score.background: last, and leave"),
        (BACKGROUND[:, ::-1], "decoded", "score", "write outputs.score.background: first, and leave"),
    ],
)
def test_scores_that_cannot_be_probabilities_of_classes(scores, cut, key, said):
    assert said in (doubt_scores(scores, cut, key) or "")


CLASSES = tuple(f"class {number}" for number in range(80))
GAPS = ("", "person", "", "car", *(f"class {number}" for number in range(86)), "")


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        ([0, 79, 3], CLASSES, None),
        ([], CLASSES, None),
        ([1, 80, 3], CLASSES, "labels lie from 1 to 80, .* are 0 to 79: write outputs.label.offset: 1"),
        ([-1, 5, 3], CLASSES, "outputs.label.offset is too large"),
        ([1, 90, 3], CLASSES, "if they are COCO's category ids, write classes: coco91"),
        ([0, 400, 3], CLASSES, "`classes` lacks names, or outputs.label is another tensor"),
        ([1, 3, 89], GAPS, None),
        ([1, 2, 3], GAPS, "labels has 2, which has no name in `classes`.*coco80 for COCO's"),
    ],
)
def test_labels_that_are_no_classes(labels, classes, said):
    labels = np.array(labels, np.int64)
    doubt = doubt_labels(labels, np.full(len(labels), 0.9), classes)
    assert (doubt is None) if said is None else re.search(said, doubt or "")


def test_a_weak_detection_of_a_nameless_label_is_no_doubt():
    assert doubt_labels(np.array([1, 2]), np.array([0.9, 0.1]), GAPS) is None


def test_clear_scores_of_nameless_labels_are_doubted():
    scores = np.full((10, len(GAPS)), 0.01)
    assert doubt_classes(scores, GAPS) is None
    scores[4, 2] = 0.8
    assert "label 2 has a score of 0.80 and no name" in (doubt_classes(scores, GAPS) or "")
    assert doubt_classes(scores[:, :80], CLASSES) is None


def test_the_best_rows_are_those_of_the_highest_scores():
    scores = np.random.default_rng(0).uniform(size=120)
    chosen = best_rows(scores)
    assert chosen.sum() == 50
    assert scores[chosen].min() > scores[~chosen].max()
