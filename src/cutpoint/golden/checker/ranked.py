"""Outputs whose rows are ranks: the network chooses proposals or queries and says where each comes from."""

from __future__ import annotations

import numpy as np

from cutpoint.golden.checker.outputs import compare_output
from cutpoint.golden.checker.tensors import Finding


def same_rows(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float]:
    """The rows that two sets of outputs have in common, in one order, where rows are ranks.

    A network that chooses its proposals or queries says in ``priors`` where each row comes from: two rows of
    nearly equal score may swap, and a row may be another one. Outputs without ``priors`` stay as they are.

    Args:
        ours, theirs: outputs of one image by name; ``priors`` is ``(1, N)``, -1 in padding rows.

    Returns:
        both with their common rows only, and the fraction of all rows that only one side has.
    """
    if "priors" not in ours or "priors" not in theirs:
        return ours, theirs, 0.0
    first, second = (side["priors"].reshape(-1).astype(np.int64) for side in (ours, theirs))
    _, left, right = np.intersect1d(first, second, return_indices=True)
    kept = first[left] >= 0
    count = int((first >= 0).sum() + (second >= 0).sum())
    alone = 1 - 2 * int(kept.sum()) / count if count else 0.0
    return (
        _rows_of(ours, len(first), left[kept]),
        _rows_of(theirs, len(second), right[kept]),
        alone,
    )


def _rows_of(outputs: dict[str, np.ndarray], count: int, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {
        name: value[:, rows] if value.ndim > 1 and value.shape[1] == count else value
        for name, value in outputs.items()
    }


def compare_ranked(
    name: str, pack: dict[str, np.ndarray], port: dict[str, np.ndarray], tolerance: float
) -> Finding:
    """Compare one output of the graph, row by row of the same proposal or query.

    Args:
        name: of the output.
        pack: the graph's outputs by name.
        port: the port's, those that it gives.
        tolerance: see ``compare_output``; for ``priors`` the fraction of the rows that only one side has.
    """
    if "priors" not in pack:
        return compare_output(name, pack, port[name], tolerance)
    # the port may leave out the batch
    given = {
        key: value.reshape(pack[key].shape) if value.size == pack[key].size else value
        for key, value in port.items()
    }
    ranked = pack[name].ndim > 1 and pack[name].shape[:2] == pack["priors"].shape
    if "priors" not in given or not ranked or port[name].size != pack[name].size:
        finding = compare_output(name, pack, port[name], tolerance)
        if finding.status == "differs" and ranked and "priors" not in given:
            text = "rows are ranks, and two of nearly equal score may swap: give output.priors too"
            return finding._replace(reason=f"{finding.reason}; {text}")
        return finding
    if port[name].ndim == pack[name].ndim and port[name].shape != pack[name].shape:
        return compare_output(name, pack, port[name], tolerance)
    ours, theirs, alone = same_rows(pack, given)
    if name != "priors":
        return compare_output(name, ours, theirs[name], tolerance)
    shown = f"{alone:.2g} of the rows are others"
    if alone <= tolerance:
        return Finding("equal" if alone == 0 else "close", shown)
    return Finding("differs", shown, "the network chooses other proposals or queries: other scores before")
