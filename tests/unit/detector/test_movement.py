"""How far torch itself moves, on outputs worked out by hand."""

import numpy as np
import pytest
from tiny import geometry, model_spec, query_head

pytest.importorskip("torch")

from cutpoint.detector.movement import measure_movement

PRIORS = np.array([[7, 3, 9, 1, 5]])


class Ranked:
    """Cuts whose second call has two ranks swapped, each with its own content, and one logit moved."""

    def __init__(self, moved: float) -> None:
        self.moved = moved
        self.inputs: list[np.ndarray] = []

    def named(self, images, image_sizes):
        self.inputs.append(images)
        rows = np.arange(5) if len(self.inputs) == 1 else np.array([1, 0, 2, 3, 4])
        scores = np.linspace(0.2, 0.9, 15, dtype=np.float32).reshape(1, 5, 3)
        corner = 6 * np.arange(5, dtype=np.float32)[:, None]
        boxes = np.concatenate([corner, corner, corner + 5, corner + 5], 1)[None]
        if len(self.inputs) == 2:
            scores[0, 4, 2] += self.moved
        named = {"logits": scores * 10, "boxes": boxes, "scores": scores, "priors": PRIORS}
        return {name: value[:, rows] for name, value in named.items()}


def measure(cuts: Ranked):
    images = np.full((1, 3, 32, 40), 100, np.float32)
    sizes = np.array([[32, 40, 0.5, 0.5]], np.float32)
    return measure_movement(cuts, model_spec(query_head()), images, sizes, [geometry()])


def test_rows_of_the_same_prior_are_compared():
    cuts = Ranked(0.0005)
    movement = measure(cuts)
    assert movement.matched == 1
    assert movement.tensors == {
        "logits": pytest.approx(0.005, rel=1e-3),
        "boxes": 0,
        "scores": pytest.approx(0.0005, rel=1e-3),
    }
    change = cuts.inputs[1] / cuts.inputs[0] - 1
    assert 0.5e-6 < change.std() < 2e-6
    assert cuts.inputs[0].dtype == cuts.inputs[1].dtype == np.float32


def test_a_detection_whose_score_moves_is_not_matched():
    # the three best pairs are the classes of the last query; one of them moved
    assert measure(Ranked(0.05)).matched == pytest.approx(2 / 3)
