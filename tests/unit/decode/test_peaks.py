"""Local maxima of heat maps, by hand and against torch's pooling."""

import numpy as np
import pytest
import torch
from tiny import peaks_head, raw_outputs

from cutpoint.decode.candidates import from_raw
from cutpoint.decode.peaks import least_of_best, local_maxima


def test_neighbours_of_a_larger_score_are_none():
    heat = np.array([[5, 1, 1, 3], [1, 4, 1, 3], [2, 1, 1, 1]], np.float32)
    found = local_maxima(heat.reshape(1, -1), 4, 3)
    # both of two equal neighbours stay, as in mmdet; 4 is next to 5 across a corner
    assert found.reshape(3, 4).tolist() == [[5, 0, 0, 3], [0, 0, 0, 3], [0, 0, 0, 0]]
    wider = local_maxima(heat.reshape(1, -1), 4, 7)
    assert wider.reshape(3, 4).tolist() == [[5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(1, 9), (7, 1), (6, 11)])
def test_equals_torch(kernel, size):
    heat = np.random.default_rng(0).integers(0, 9, (3, *size)).astype(np.float32)
    best = torch.nn.functional.max_pool2d(torch.from_numpy(heat), kernel, 1, kernel // 2).numpy()
    found = local_maxima(heat.reshape(3, -1), size[1], kernel)
    np.testing.assert_array_equal(found.reshape(heat.shape), np.where(best == heat, heat, 0))


def test_no_pair_of_the_floor_is_lost_below_the_border():
    random = np.random.default_rng(0)
    for _ in range(50):
        scores = random.integers(0, 30, (4, 20)).astype(np.float32)
        border = least_of_best(scores, 6)
        tops = np.sort(scores.max(0))[::-1][:6]
        assert border == tops[-1]
        assert border <= np.sort(scores.reshape(-1))[::-1][5]
    assert least_of_best(scores, 100) == scores.max(0).min()


def test_candidates_are_the_best_maxima_and_the_best_of_the_best_places():
    spec = peaks_head()
    outputs = raw_outputs(spec, [(9, 8), (5, 6)], seed=1)
    found = from_raw(outputs, spec)
    start, pairs = 0, []
    for level in range(2):
        heat = outputs[f"cls_{level}"][0]
        scores = local_maxima(heat.reshape(len(heat), -1), heat.shape[2], 3)
        pairs += [
            (float(scores[label, cell]), start + cell, label)
            for label, cell in np.argwhere(scores >= 0).tolist()
        ]
        start += scores.shape[1]
    pairs.sort(key=lambda pair: -pair[0])
    first = {place: (score, place, label) for score, place, label in reversed(pairs)}
    places = sorted(first.values(), key=lambda pair: -pair[0])[:30]
    assert pairs[29][0] > pairs[30][0] > 0  # no ties at the border
    expected = {(place, label) for _, place, label in [*pairs[:30], *places]}
    assert set(zip(found.prior.tolist(), found.label.tolist(), strict=True)) == expected
