"""Stable orders of float32 scores and small integers.

numpy sorts integers with vector instructions but has no such code for a stable order, which is several times
slower. So the value and the row go into one integer, and the integers are sorted.
"""

import numpy as np

ROW_BITS = 32


def best_first(scores: np.ndarray) -> np.ndarray:
    """Indices of ``(N,)`` float32 scores from the highest to the lowest, equal ones in order, NaN last.

    Returns:
        ``(N,)`` int64, that of ``np.argsort(-scores, kind="stable")``.
    """
    # 0 - x has no negative zero; fmin takes the number where the other is NaN
    bits = np.fmin(np.float32(0) - scores, np.float32(np.inf)).view(np.int32)
    # as integers negative floats run the wrong way round
    return ascending(bits ^ ((bits >> 31) & 0x7FFFFFFF))


def ascending(values: np.ndarray) -> np.ndarray:
    """Indices of ``(N,)`` integers of up to 32 bits from the lowest to the highest, equal ones in order.

    Returns:
        ``(N,)`` int64, that of ``np.argsort(values, kind="stable")``.
    """
    keys = values.astype(np.int64) << ROW_BITS
    keys |= np.arange(len(values))
    keys.sort()
    keys &= (1 << ROW_BITS) - 1
    return keys
