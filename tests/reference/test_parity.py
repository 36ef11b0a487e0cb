"""The judge of parity: how far a removed candidate was from the border, worked by hand."""

import numpy as np
import pytest
from parity import Fate, _why

from cutpoint.recipes.schema import read_step
from cutpoint.records.candidates import Candidates

# two levels, three locations: the best pair of location 1 is 0.6, of 2 is 0.5, of 7 is 0.4
BEFORE = Candidates(
    level=np.array([0, 0, 0, 1], np.int8),
    prior=np.array([1, 1, 2, 7], np.int32),
    label=np.array([0, 3, 0, 0], np.int16),
    score=np.array([0.6, 0.2, 0.5, 0.4], np.float32),
    factor=np.array([0.9, 0.9, 0.1, 0.5], np.float32),
    boxes=np.tile(np.array([[0, 0, 9, 9]], np.float32), (4, 1)),
)


@pytest.mark.parametrize(
    ("step", "row", "margin"),
    [
        pytest.param({"step": "top_k", "k": 2}, 1, 0.5 - 0.2, id="pairs-of-a-level"),
        pytest.param({"step": "top_k", "k": 2, "per": "image"}, 3, 0.5 - 0.4, id="pairs-of-the-image"),
        pytest.param({"step": "top_k", "k": 1, "unit": "location"}, 2, 0.6 - 0.5, id="locations-of-a-level"),
        pytest.param(
            {"step": "threshold", "quantity": "factor", "value": 0.3, "inclusive": True}, 2, 0.2, id="factor"
        ),
        pytest.param({"step": "threshold", "quantity": "class", "value": 0.3}, 1, 0.1, id="class"),
        pytest.param({"step": "threshold", "quantity": "product", "value": 0.1}, 2, 0.05, id="product"),
        pytest.param({"step": "max_per_img", "k": 2}, 3, 0.5 - 0.4, id="max_per_img"),
    ],
)
def test_the_margin_of_a_removed_candidate(step, row, margin):
    step = read_step(step, "step")
    after = step.apply(BEFORE, None)
    removed = (int(BEFORE.prior[row]), int(BEFORE.label[row]))
    assert removed not in set(zip(after.prior.tolist(), after.label.tolist(), strict=True))
    fate = _why(BEFORE, row, after, step)
    assert fate == Fate(step.name, pytest.approx(float(BEFORE.score[row])), pytest.approx(margin))
