"""Find the typical mistake that a variant looks like, and whether it alone makes the same detections."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutpoint.compare.fingerprints import distance, possible_mistakes, run_mistakes, split_images
from cutpoint.compare.mistakes import NONE
from cutpoint.compare.signature import Signatures
from cutpoint.compare.slips import Undone, undo_slips
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.predict.runtime import Session
from cutpoint.records.detections import Results, read_results, refusal_of_pair
from cutpoint.records.diagnosis import Candidate, Diagnosis, write_diagnosis
from cutpoint.records.fingerprints import Fingerprint, read_fingerprints
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Image, read_manifest
from cutpoint.records.truth import read_truth

# the nearest mistakes are made again on the variant's own images
REMADE = 3
# a detection is the same if its partner's score is this close; this match rate confirms a mistake
SAME_SCORE, CONFIRMED = 0.02, 0.98
NOTHING = "Nothing to explain: these are the model's own detections."
ANOTHER = " The reference has only {:.1%} of them: it was made in another way."
MADE = "made on purpose, it gives {:.1%} of the detections"
TAKEN_BACK = "taken back, {:.1%} of its detections are the model's own"


@dataclass(frozen=True)
class Said:
    """A verdict, the mistakes that it names, and a sentence."""

    verdict: str
    names: tuple[str, ...]
    text: str


def diagnose(
    *,
    fingerprints: str,
    model: str,
    manifest: str,
    reference: str,
    variant: str,
    provider: str,
    threads: int,
    images: int,
    labels: str,
    truth: str | None,
    out: str,
) -> None:
    """Rank mistakes and slips by the distance of a variant's signature from theirs, taken on other images.

    Args:
        fingerprints: JSON of ``fingerprints.fingerprint``; ``images``, ``labels``, ``truth`` as there.
        model: the fingerprints' ONNX file. The nearest mistakes are made again with it.
        manifest: manifest JSON.
        reference, variant: detections files.
        provider, threads: see ``runtime.Session``.
        out: JSON file to write, see ``records.diagnosis.Diagnosis``.
    """
    data, known = read_manifest(manifest), read_fingerprints(fingerprints)
    _, chosen = split_images(data, images)
    ranking: list[Candidate] = []
    own: Results | None = None
    shared: float | None = None
    refused = refusal_of_pair(reference, variant) or known.refused
    if known.mistakes and not refused:
        session = Session(model, provider, threads)
        categories = read_labels(labels).labels
        sides = read_results(variant), read_results(reference)
        wanted = {image.id for image in chosen}
        own, base = (side.of_images(wanted) for side in sides)
        annotated = read_truth(truth) if truth else None
        ids = [category for category in categories if category is not None]
        ranking = rank(known.mistakes, *Signatures(base, chosen, ids, annotated).measure(own))
        near = [i for i, line in enumerate(ranking) if i < REMADE or NONE in line.names]
        mistakes = possible_mistakes(session)
        made = run_mistakes(session, [mistakes[ranking[i].names[0]] for i in near], chosen, categories)
        for i in near:
            ranking[i] = replace(ranking[i], match_rate=match_rate(made[ranking[i].names[0]], own))
        none = next(mistake for mistake in known.mistakes if NONE in mistake.names)
        model_own = made[none.names[0]]
        shared = match_rate(model_own, base)
        for undone in undo_slips(*sides, model_own, data.images, categories, wanted):
            left = [image for image in chosen if image.id in undone.images]
            if left:
                signatures = Signatures(base, left, ids, annotated)
                ranking.append(_judge_slip(undone, signatures, none, model_own, left))
        ranking.sort(key=lambda line: (not _confirmed(line), line.distance))
    if refused:
        said = Said("refused", (), f"Refused: {refused}.")
    elif own is not None and not len(own):
        said = _judge_nothing(ranking, len(chosen))
    else:
        said = judge(ranking, known.limit, shared)
    diagnosis = Diagnosis(len(chosen), known.limit, said.verdict, said.names, said.text, tuple(ranking))
    write_diagnosis(out, diagnosis)


def _judge_nothing(ranking: Sequence[Candidate], images: int) -> Said:
    """The verdict on a variant that has no detection; mistakes that leave none either are only likely."""
    none = f"no detection on these {images} images"
    alike = [line for line in ranking if _confirmed(line) and not line.slip and NONE not in line.names]
    if not alike:
        return Said("nothing fits", (), f"Nothing to compare: {none}.")
    names = tuple(name for line in alike for name in line.names)
    return Said("resembles", names, f"Resembles {' or '.join(map(_words, alike))}: {none}.")


def _judge_slip(
    undone: Undone,
    signatures: Signatures,
    none: Fingerprint,
    made: Results,
    images: Sequence[Image],
) -> Candidate:
    """How near a file comes to the model's own detections after a slip is corrected.

    Args:
        undone: the file with the slip corrected.
        signatures: the signatures on ``images``.
        none: the fingerprint without a mistake.
        made: the model's own detections.
        images: those of the diagnosis that can be compared.
    """
    wanted = {image.id for image in images}
    own = undone.results.of_images(wanted)
    (line,) = rank([none], *signatures.measure(own))
    if undone.whole:
        there, lowest = made.of_images(wanted), own.score.min() if len(own) else 0
        rate = match_rate(there.take(there.score >= lowest), own)
    else:
        rate = _count_same(made, own) / len(own) if len(own) else 0.0
    return Candidate((undone.name,), (undone.text,), line.distance, rate, slip=True)


def rank(
    mistakes: Iterable[Fingerprint], features: Mapping[str, np.ndarray], grains: Mapping[str, float]
) -> list[Candidate]:
    """Mistakes, nearest first, before any is made again.

    Args:
        mistakes: those of the model.
        features, grains: the variant's, see ``signature.Signatures.measure``, on the same number of images.
    """
    own = np.array([values[0] for values in features.values()])
    least = np.array(list(grains.values()))
    lines = []
    for mistake in mistakes:
        theirs, deviations, smallest = (
            np.array([values[name] for name in features])
            for values in (mistake.features, mistake.deviations, mistake.grains)
        )
        variance = 2 * deviations**2 + smallest**2 + least**2
        apart = float(distance(own, theirs, variance))
        lines.append(Candidate(mistake.names, mistake.texts, apart, None, slip=False))
    return sorted(lines, key=lambda line: line.distance)


def match_rate(made: Results, own: Results) -> float:
    """The fraction of both sides' detections that the other side has too; 1 if both have none.

    Boxes without an area, which a clip leaves of those beside the image, overlap nothing and do not count.
    """
    made, own = (side.take(np.flatnonzero(side.bbox[:, 2:].min(axis=1) > 0)) for side in (made, own))
    return matched_fraction(_count_same(made, own), len(made) + len(own))


def _count_same(made: Results, own: Results) -> int:
    pairs = pair_overlaps(find_overlaps(made, own), AGREEMENT_IOU)
    alike = np.abs(made.score[pairs.left] - own.score[pairs.right]) <= SAME_SCORE
    return int(alike.sum())


def judge(ranking: Sequence[Candidate], limit: float | None, shared: float | None = None) -> Said:
    """The verdict on a variant.

    It is the first that is true: ``too few images``; ``nothing to explain``: the model without a mistake
    gives the variant's detections; ``looks like``: one mistake gives them; ``resembles``: mistakes are within
    the limit, but none of them alone gives the variant's detections; ``nothing fits``.

    Args:
        ranking: confirmed mistakes first, then by distance; empty with too few images.
        limit: see ``records.fingerprints.Fingerprints``; null then.
        shared: the match rate of the model's own detections and the reference's; null if it is unknown.
    """
    if not ranking or limit is None:
        return Said("too few images", (), "Too few images to tell mistakes apart.")
    confirmed = [line for line in ranking if _confirmed(line)]
    own = max((_rate(line) for line in confirmed if NONE in line.names), default=None)
    if own is not None:
        # a slip in few entries or images leaves most of a file correct
        confirmed = [line for line in confirmed if line.slip and _rate(line) > own]
        if not confirmed:
            apart = shared is not None and shared < CONFIRMED
            return Said("nothing to explain", (), NOTHING + (ANOTHER.format(shared) if apart else ""))
    if confirmed:
        best = max(confirmed, key=_rate)
        how = TAKEN_BACK if best.slip else MADE
        return Said("looks like", best.names, f"Looks like {_words(best)}: {how.format(_rate(best))}.")
    near = [line for line in ranking if line.distance <= limit]
    best = ranking[0]
    if near and NONE in best.names:
        return Said(
            "nothing fits", (), "No mistake fits better than the model itself, but some detections differ."
        )
    if not near:
        text = f"Nothing fits: nearest is {_words(best)}, at {best.distance:.2f} (limit {limit:.2f})."
        return Said("nothing fits", (), text)
    words = " or ".join(_words(line) for line in near)
    rest = "does not give these detections: it is not the whole cause, or not the cause"
    names = tuple(name for line in near for name in line.names)
    return Said("resembles", names, f"Resembles {words}, which alone {rest}.")


def _rate(line: Candidate) -> float:
    """The match rate; below any match rate if the mistake was not made again."""
    return -1.0 if line.match_rate is None else line.match_rate


def _confirmed(line: Candidate) -> bool:
    return _rate(line) >= CONFIRMED


def _words(line: Candidate) -> str:
    return " / ".join(line.texts)
