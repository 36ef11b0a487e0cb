import numpy as np
import pytest

from cutpoint.ordering import ascending, best_first


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_best_first_is_a_stable_order(decimals):
    scores = np.round(np.random.default_rng(decimals).normal(0, 1, 500), decimals).astype(np.float32)
    scores[::50] = [-0.0, 0.0, np.inf, -np.inf, 1e-45, -1e-45, 3e38, -3e38, 0.0, -0.0]
    order = best_first(scores)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order, np.argsort(-scores, kind="stable"))


def test_not_a_number_is_last_whatever_its_sign():
    nan = np.array([0x7FC00000, 0xFFC00000], np.uint32).view(np.float32)
    scores = np.array([nan[0], 0.5, nan[1], -1.0], np.float32)
    assert best_first(scores).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_ascending_is_a_stable_order(dtype):
    values = np.random.default_rng(0).integers(-5, 5, 300).astype(dtype)
    values[:2] = np.iinfo(np.int16).min, np.iinfo(np.int16).max
    np.testing.assert_array_equal(ascending(values), np.argsort(values, kind="stable"))


def test_nothing_to_order():
    assert best_first(np.zeros(0, np.float32)).tolist() == ascending(np.zeros(0, np.int32)).tolist() == []
