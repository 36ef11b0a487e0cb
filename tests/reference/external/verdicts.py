"""What the judge finds in a set of images, and whether the package finds the same."""

import pytest
from judge import Judge, average_precision, to_coco, unmatched

# Rows of score .01 and less are dropped. One score of coco-dev is .01 to the last bit, and the next is 5e-7
# more: how a CPU rounds must not decide which side it is on.
DROPPED = 0.01 + 1e-7


def kept(detections):
    return [entry for entry in detections if entry["score"] > DROPPED]


def judge_all(model, case, net, images, categories):
    """Detections by hand."""
    judge = Judge(model.SerializeToString(), case.convention, net.size, net.classes)
    numbers = None if case.convention.ids else categories
    return [entry for key, image in images.items() for entry in to_coco(key, judge.detect(image), numbers)]


def compare(result, wanted, truth, pixels):
    assert unmatched(kept(wanted), kept(result.detections), pixels)[:5] == []
    assert result.metrics["AP"] == pytest.approx(average_precision(truth, wanted), abs=5e-4)
