"""How far a right port may be from a golden pack, stage by stage, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cutpoint.golden.checker.ranked import same_rows
from cutpoint.golden.checker.rows import Match, Rows
from cutpoint.records.image import Geometry

# The least part of the scores' sum that may belong to rows which only one side has.
ROWS = {"fp32": 0.02, "fp16": 0.05, "int8": 0.1}
# The least tolerances, for rounding; those measured are doubled.
LEAST_SPREAD, LEAST_BOX, LEAST_SCORE = 1e-4, 0.05, 1e-3
MOST_BOX, MOST_SCORE, MOST_ROWS = 4.0, 0.1, 0.2
# Rows whose noise counts.
CLEAR = 0.05
# The rows of all stages of an image, without and with noise.
Run = tuple[Sequence[Rows], Sequence[Rows]]

PIXELS = {
    "mean": 1.5,
    "why": "decoders of JPEG round differently, by a few levels in a pixel; means of blocks hardly move",
}
INPUT = {
    "mean": 1.0,
    "most": 6.0,
    "why": "resize libraries round differently: one level (of 255) in most pixels, a few at sharp edges",
}
OUTPUT_WHY = (
    "twice what noise of one pixel level in the input does to this output on the pack's images, as a "
    "fraction of its standard deviation; at least float rounding"
)
PRIORS_WHY = (
    "twice the part of the proposals or queries that noise of one pixel level in the input replaces by others"
)
ROWS_WHY = (
    "twice what noise of one pixel level in the input does to boxes (pixels), scores, and the rows: `rows` "
    "is the part of the scores' sum of rows that only one side has: boxes near a threshold come and go"
)


def add_noise(
    tensor: np.ndarray, level: Sequence[float], geometry: Geometry, channels_last: bool, seed: int
) -> np.ndarray:
    """The tensor ``(1, 3, H, W)`` (or channels last) with -1, 0 or 1 pixel levels where the image is."""
    noisy = tensor.astype(np.float64)
    planes = np.moveaxis(noisy[0], -1, 0) if channels_last else noisy[0]
    rows = slice(geometry.top, geometry.top + geometry.resized_height)
    columns = slice(geometry.left, geometry.left + geometry.resized_width)
    part = planes[:, rows, columns]
    steps = np.random.default_rng(seed).integers(-1, 2, part.shape)
    part += steps * np.array(level)[:, None, None]
    if tensor.dtype == np.uint8:
        noisy = noisy.clip(0, 255)
    return noisy.astype(tensor.dtype)


def spread_of(outputs: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far noise moves each output: mean difference / standard deviation; 0 if the shape changed.

    Where rows are ranks, the same proposals or queries are compared, and ``priors`` has the fraction of the
    rows that only one side has.
    """
    moved = {}
    first, second, alone = same_rows(dict(outputs), dict(noisy))
    for name, ours in first.items():
        theirs = second[name]
        if name == "priors":
            moved[name] = alone
            continue
        if ours.shape != theirs.shape or not ours.size:
            moved[name] = 0.0
            continue
        apart = np.abs(ours.astype(np.float64) - theirs).mean()
        moved[name] = float(apart / max(float(ours.astype(np.float64).std()), 1e-12)) if apart else 0.0
    return moved


def noise_of_rows(rows: Rows, noisy: Rows, by_prior: bool) -> tuple[float, float]:
    """How far noise moves boxes (pixels of their frame) and scores: the value that 95 % stay below.

    Args:
        rows, noisy: without and with noise.
        by_prior: whether prior and label name a row; otherwise rows that are near are the same.
    """
    if by_prior:
        one, other = (part.priors * (1 << 20) + part.labels for part in (rows, noisy))
        _, ours, theirs = np.intersect1d(one, other, return_indices=True)
    else:
        match = Match(rows, noisy, 20.0, 0.2)
        ours, theirs = match.ours, match.theirs
    plain, moved = rows.take(ours), noisy.take(theirs)
    clear = plain.scores * plain.factors >= CLEAR
    if clear.any():
        plain, moved = plain.take(clear), moved.take(clear)
    if not len(plain):
        return 0.0, 0.0
    boxes = np.abs(plain.boxes.astype(np.float64) - moved.boxes).max(axis=1)
    scores = np.abs(plain.scores.astype(np.float64) - moved.scores)
    return float(np.quantile(boxes, 0.95)), float(np.quantile(scores, 0.95))


def tolerances_of(
    precision: str,
    outputs: Mapping[str, float],
    runs: Sequence[Run],
    by_prior: bool,
    steps: Sequence[Mapping[str, Any]],
    scale: float,
) -> dict[str, Any]:
    """The tolerances of each stage, as ``pack.json`` has them.

    Args:
        precision: of the file.
        outputs: see ``spread_of``.
        runs: of each image the rows of all stages, without and with noise.
        by_prior: see ``noise_of_rows``.
        steps: the recipe's steps.
        scale: the least factor of the way back: boxes behind ``rescale`` move by noise / scale.
    """
    boxes, scores = zip(*(noise_of_rows(plain[0], noisy[0], by_prior) for plain, noisy in runs), strict=True)
    box = min(max(LEAST_BOX, 2 * max(boxes)), MOST_BOX)
    score = min(max(LEAST_SCORE, 2 * max(scores)), MOST_SCORE)

    def limits(stage: int) -> dict[str, Any]:
        scaled = any(step["step"] == "rescale" for step in steps[:stage])
        limit = max(box / scale, LEAST_BOX) if scaled else box
        matches = [Match(plain[stage], noisy[stage], limit, score) for plain, noisy in runs]
        alone = sum(match.weight for match in matches) / max(sum(match.total for match in matches), 1e-9)
        rows = min(max(ROWS[precision], 2 * alone), MOST_ROWS)
        return {"boxes": limit, "scores": score, "rows": rows, "why": ROWS_WHY}

    stages = {f"step{number}": limits(number) for number in range(1, len(steps) + 1)}
    spreads = {
        name: {"spread": max(ROWS[precision], 2 * value), "why": PRIORS_WHY}
        if name == "priors"
        else {"spread": max(LEAST_SPREAD, 2 * value), "why": OUTPUT_WHY}
        for name, value in outputs.items()
    }
    return {
        "pixels": PIXELS,
        "input": INPUT,
        "outputs": spreads,
        "candidates": limits(0),
        **stages,
        "detections": limits(len(steps)),
    }
