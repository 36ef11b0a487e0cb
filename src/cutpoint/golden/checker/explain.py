"""Why rows differ: the one guess that explains a port's rows, or else what the numbers show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from cutpoint.golden.checker.guesses import guesses
from cutpoint.golden.checker.rows import SAME_BOX, SAME_SCORE, Match, Rows
from cutpoint.golden.checker.stage import Guess, Stage

ANY = 1e9
# An explanation leaves at most this part of the rows that differ; with noise, of their scores' sum.
LEFT, LEFT_IN_NOISE = 0.1, 0.4
# A table of rows shows a rule if it holds for this fraction of them.
MOST = 0.9


class Why(NamedTuple):
    """The reason of a difference. ``number``: the recipe's step, 0 if it is none."""

    number: int
    text: str


class Verdict(NamedTuple):
    """A stage of rows over all images: ``equal``, ``close`` or ``differs``; then with ``why``."""

    status: str
    errors: dict[str, str]
    why: Why | None = None


def judge(stage: Stage, tolerance: dict[str, Any]) -> Verdict:
    """Compare a stage's rows with the pack's, and explain them if they differ.

    A port with equal numbers is compared exactly, and so is every guess: then a single row decides. Rows with
    noise of earlier stages are compared within ``tolerance`` (``boxes`` pixels, ``scores``, and ``rows``: the
    fraction of the scores' sum that may belong to rows that only one side has).
    """
    expected = {image: stage.expected(image) for image in stage.port}
    strict = _matches(stage, expected, SAME_BOX, SAME_SCORE)
    if not sum(match.differing for match in strict.values()):
        return Verdict("equal", dict.fromkeys(strict, "0 rows differ"))
    loose = _matches(stage, expected, tolerance["boxes"], tolerance["scores"])
    errors = {image: f"{match.differing} rows differ" for image, match in loose.items()}
    why = _best(stage, strict, SAME_BOX, SAME_SCORE, _rows_without_partner, LEFT)
    if why is None:
        if _fraction(loose.values(), _scores_without_partner) <= tolerance["rows"]:
            return Verdict("close", errors)
        limits = tolerance["boxes"], tolerance["scores"]
        why = _best(stage, loose, *limits, _scores_without_partner, LEFT_IN_NOISE)
    return Verdict("differs", errors, why or Why(0, _show(stage, expected, tolerance)))


def _rows_without_partner(match: Match) -> tuple[float, float]:
    return match.differing, match.count


def _scores_without_partner(match: Match) -> tuple[float, float]:
    return match.weight, match.total


def _fraction(matches: Iterable[Match], measure: Callable[[Match], tuple[float, float]]) -> float:
    """The part of all images' rows that has no partner."""
    parts = [measure(match) for match in matches]
    return sum(part for part, _ in parts) / max(sum(whole for _, whole in parts), 1e-9)


def _matches(stage: Stage, expected: dict[str, Rows], box: float, score: float) -> dict[str, Match]:
    return {image: Match(expected[image], port, box, score) for image, port in stage.port.items()}


def _best(
    stage: Stage,
    before: dict[str, Match],
    box: float,
    score: float,
    measure: Callable[[Match], tuple[float, float]],
    left: float,
) -> Why | None:
    """The guess that leaves least, if that is little enough; with others that are as good."""
    limit = left * _fraction(before.values(), measure)
    best: list[Guess] = []
    least = limit
    images = sorted(stage.port, key=lambda image: -measure(before[image])[0])
    for guess in guesses(stage):
        matches: list[Match] = []
        for image in images:  # first the one that differs most: a wrong guess is seen at once
            matches.append(Match(guess.rows(image), stage.port[image], box, score))
            if _fraction(matches[-1:], measure) > max(limit, _fraction([before[image]], measure)):
                break
        else:
            rest = _fraction(matches, measure)
            if rest < least or (rest == least and not best):
                best, least = [guess], rest
            elif rest == least:
                best.append(guess)
    return Why(best[0].number, _worded(best, least)) if best else None


def _worded(best: list[Guess], rest: float) -> str:
    """The first guess in words, and those of the same step that explain the rows as well."""
    by_text: dict[str, list[Any]] = {}
    for guess in best:
        if guess.number == best[0].number:
            by_text.setdefault(guess.text, []).append(guess.value)
    texts = [text.format(_value_words(values)) for text, values in by_text.items()]
    return f"{'; or '.join(texts)} (this explains {'most' if rest else 'all'} rows that differ)"


def _value_words(values: list[Any]) -> str:
    """Values that explain the rows equally well, as a range."""
    if all(isinstance(value, float) for value in values):
        return " to ".join(f"{value:.4g}" for value in sorted({min(values), max(values)}))
    return " or ".join("any number of" if value is None else str(value) for value in values)


def _show(stage: Stage, expected: dict[str, Rows], tolerance: dict[str, Any]) -> str:
    """What the numbers show where no guess explains them."""
    facts = [
        _extra_rows(stage, expected, tolerance["boxes"], tolerance["scores"]),
        _scores(stage, expected),
        _boxes(stage, expected),
        _labels(stage, expected),
    ]
    shown = [fact for fact in facts if fact]
    if shown:
        return shown[0]
    return (
        "no single step that is changed or left out explains the rows. Give the stages before this one, "
        "from the input tensor on: the first that differs is the place"
    )


def _extra_rows(stage: Stage, expected: dict[str, Rows], box: float, score: float) -> str:
    """Whether the port has rows below all expected ones, or lacks the lowest of them."""
    below, above, lowest = [], [], []
    for image, port in stage.port.items():
        match = Match(expected[image], port, box, score)
        if len(match.missing) and len(match.extra):
            return ""
        ours = expected[image].scores
        if len(match.extra) and (not len(ours) or port.scores[match.extra].max() <= ours.min() + score):
            below.append(float(port.scores.min()))
        elif len(match.missing) and (not len(port) or ours[match.missing].max() <= port.scores.min() + score):
            above.append(float(ours[match.missing].max()))
            lowest.append(len(port))
        elif match.differing:
            return ""
    if below and not above:
        return (
            f"the port has more rows, all with lower scores, down to {min(below):.3g}: its threshold is "
            "lower, or its maximum of boxes larger"
        )
    if above and not below:
        return (
            f"the port lacks the rows of the lowest scores, up to {max(above):.3g}: its threshold is higher, "
            f"or it keeps fewer boxes (at most {max(lowest)})"
        )
    return ""


def _paired(
    stage: Stage, expected: dict[str, Rows], box: float, score: float
) -> list[tuple[Rows, Rows, str]]:
    """Rows that are the same but for the column without a limit; empty if they are too few."""
    pairs, count = [], 0
    for image, port in stage.port.items():
        match = Match(expected[image], port, box, score)
        pairs.append((expected[image].take(match.ours), port.take(match.theirs), image))
        count += len(match.ours)
    return pairs if count >= max(3, MOST * sum(map(len, stage.port.values()))) else []


def _scores(stage: Stage, expected: dict[str, Rows]) -> str:
    pairs = _paired(stage, expected, SAME_BOX, ANY)
    if not pairs:
        return ""
    ours = np.concatenate([one.scores for one, _, _ in pairs])
    theirs = np.concatenate([other.scores for _, other, _ in pairs])
    rows = [stage.states[image][0].take(one.ids) for one, _, image in pairs if len(stage.states[image][0])]
    known = {
        "the scores are one minus ours": 1 - ours,
        "the scores went through the sigmoid once more": 1 / (1 + np.exp(-ours)),
        "the scores are the square of ours: a root is lacking": ours**2,
        "the scores are the root of ours": np.sqrt(np.clip(ours, 0, None)),
    }
    if rows:
        factors = np.concatenate([part.factors for part in rows])
        known["the scores lack the factor: they are class scores"] = np.concatenate(
            [part.scores for part in rows]
        )
        known["the scores are the factor alone"] = factors
        known["the scores have the factor twice"] = ours * factors
    for text, values in known.items():
        if len(values) == len(theirs) and _mostly(np.abs(values - theirs) <= SAME_SCORE):
            return f"boxes and labels are equal, and {text}"
    return f"boxes and labels are equal, and the scores differ by up to {np.abs(ours - theirs).max():.3g}"


def _boxes(stage: Stage, expected: dict[str, Rows]) -> str:
    pairs = _paired(stage, expected, ANY, SAME_SCORE)
    if not pairs:
        return ""
    facts = []
    for ours, theirs, image in pairs:
        alone = _once(ours)
        fits: list[tuple[float, float]] = []
        for axis in (0, 1):
            one, other = (rows.boxes[alone, axis::2].ravel().astype(np.float64) for rows in (ours, theirs))
            if len(one) < 6:
                continue
            gain, shift = np.polyfit(one, other, 1)
            if _mostly(np.abs(gain * one + shift - other) <= max(1.0, 20 * SAME_BOX)):
                fits.append((gain, shift))
        if len(fits) == 2:
            facts.append(_fit_words(fits, stage.geometries[image], image))
    if facts:
        return f"scores and labels are equal, and the boxes are {facts[0]}"
    return "scores and labels are equal, and the boxes differ: compare how boxes are decoded and scaled back"


def _once(rows: Rows) -> np.ndarray:
    """Rows that no other has the score of: only their partners are certain."""
    _, place, counts = np.unique(rows.scores, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[place.ravel()] == 1)


def _fit_words(fits: list[tuple[float, float]], geometry: dict[str, Any], image: str) -> str:
    (gain_x, shift_x), (gain_y, shift_y) = fits
    moved = f"shifted by x {shift_x:+.2f}, y {shift_y:+.2f} pixels on {image}"
    if max(abs(gain_x - 1), abs(gain_y - 1)) < 2e-3:
        left, top = (geometry[a] / geometry[b] for a, b in (("left", "scale_x"), ("top", "scale_y")))
        if max(abs(abs(shift_x) - left), abs(abs(shift_y) - top)) < 1 and left + top > 1:
            return f"{moved}, which is the padding: it is not taken back, or taken back twice"
        return moved
    return f"ours times x {gain_x:.4g}, y {gain_y:.4g}, and {moved}: the scale of the way back is another"


def _labels(stage: Stage, expected: dict[str, Rows]) -> str:
    blind = {image: rows.replaced(labels=np.zeros_like(rows.labels)) for image, rows in stage.port.items()}
    pairs: dict[int, set[int]] = {}
    count = 0
    for image, port in blind.items():
        ours = expected[image]
        match = Match(ours.replaced(labels=np.zeros_like(ours.labels)), port, SAME_BOX, SAME_SCORE)
        count += len(match.ours)
        for one, other in _pairs(ours.labels[match.ours], stage.port[image].labels[match.theirs]):
            pairs.setdefault(one, set()).add(other)
    if count < max(3, MOST * sum(map(len, blind.values()))):
        return ""
    differing = {one: sorted(others) for one, others in pairs.items() if others != {one}}
    shown = ", ".join(f"{one} as {others[0]}" for one, others in sorted(differing.items())[:5])
    return f"boxes and scores are equal, and the labels differ: {shown}"


def _pairs(ours: np.ndarray, theirs: np.ndarray) -> Iterable[tuple[int, int]]:
    return ((int(one), int(other)) for one, other in np.stack([ours, theirs], 1))


def _mostly(mask: np.ndarray) -> bool:
    return bool(mask.size) and bool(mask.mean() >= MOST)
