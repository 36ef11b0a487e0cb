"""Which of the typical mistakes a variant looks like, and whether that mistake alone makes its detections."""

from typing import Any

import numpy as np

from cutpoint.compare.fingerprints import distance, run_mistakes, split_images
from cutpoint.compare.mistakes import NONE, mistakes_of
from cutpoint.compare.signature import Signatures
from cutpoint.compare.slips import Undone, undo_slips
from cutpoint.files import read_json, write_json
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.predict.runtime import Session
from cutpoint.records.detections import Results, read_results, refusal_of_pair
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Image, read_manifest
from cutpoint.records.truth import read_truth

# the nearest mistakes are made again on the variant's own images
REMADE = 3
# a detection is the same with a partner of this score difference; a mistake is confirmed by this share
SAME_SCORE, CONFIRMED = 0.02, 0.98
NOTHING = "Nothing to explain: these are the model's own detections."
MADE = "made on purpose, it gives {:.1%} of the detections"
TAKEN_BACK = "taken back, {:.1%} of its detections are the model's own"


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
    """Rank mistakes and slips by how far a variant's signature is from theirs, taken on other images.

    Args:
        fingerprints: JSON of ``fingerprints.fingerprint``; ``images``, ``labels``, ``truth`` as there.
        model: ONNX file of the ``raw`` export in fp32, on which the nearest mistakes are made again.
        manifest: manifest JSON.
        reference, variant: detections files.
        provider, threads: see ``runtime.Session``.
        out: JSON file to write. ``images``, how many; ``limit``, of the fingerprints; ``ranking``, nearest
            first: ``names``, ``texts``, ``distance`` (see ``fingerprints.distance``), ``same``: share of the
            detections of both sides that this mistake makes on these images as well (same class, IoU 0.9,
            score within 0.02), null where it was not made; ``slip``: whether it is one of the results file
            (``slips.undo_slips``): then ``distance`` is of the file with the slip taken back to no mistake,
            and ``same`` the share of its detections that are the model's own; of a slip of how many, of
            those of both sides from its lowest score on. Confirmed ones come first. And of ``judge``
            ``verdict``, ``names``, ``text``; verdict ``refused`` where one of the files is.
    """
    data, known = read_manifest(manifest), read_json(fingerprints)
    _, chosen = split_images(data, images)
    ranking: list[dict[str, Any]] = []
    own: Results | None = None
    refused = refusal_of_pair(reference, variant) or known["refused"]
    if known["mistakes"] and not refused:
        session = Session(model, provider, threads)
        categories = read_labels(labels).labels
        sides = read_results(variant), read_results(reference)
        wanted = {image.id for image in chosen}
        own, base = (side.of_images(wanted) for side in sides)
        annotated = read_truth(truth) if truth else None
        ids = [category for category in categories if category is not None]
        ranking = rank(known["mistakes"], *Signatures(base, chosen, ids, annotated).measure(own))
        near = [line for i, line in enumerate(ranking) if i < REMADE or NONE in line["names"]]
        mistakes = {mistake.name: mistake for mistake in mistakes_of(session.spec)}
        made = run_mistakes(session, [mistakes[line["names"][0]] for line in near], chosen, categories)
        for line in near:
            line["same"] = same_share(made[line["names"][0]], own)
        none = next(mistake for mistake in known["mistakes"] if NONE in mistake["names"])
        model_own = made[none["names"][0]]
        for undone in undo_slips(*sides, model_own, data.images, categories, wanted):
            left = [image for image in chosen if image.id in undone.images]
            if left:
                signatures = Signatures(base, left, ids, annotated)
                ranking.append(_slip_line(undone, signatures, none, model_own, left))
        ranking.sort(key=lambda line: (not _confirmed(line), line["distance"]))
    if refused:
        said = _said("refused", [], f"Refused: {refused}.")
    elif own is not None and not len(own):
        said = _said("nothing fits", [], f"Nothing to compare: no detection on these {len(chosen)} images.")
    else:
        said = judge(ranking, known["limit"])
    write_json(out, {"images": len(chosen), "limit": known["limit"], **said, "ranking": ranking})


def _slip_line(
    undone: Undone,
    signatures: Signatures,
    none: dict[str, Any],
    made: Results,
    images: list[Image],
) -> dict[str, Any]:
    """How near a file comes to the model's own detections where a slip is taken back.

    Args:
        signatures: of ``images``.
        none: the fingerprint of no mistake.
        made: the model's own detections.
        images: those of the diagnosis that can be compared.
    """
    wanted = {image.id for image in images}
    own = undone.results.of_images(wanted)
    (line,) = rank([none], *signatures.measure(own))
    line |= {"names": [undone.name], "texts": [undone.text], "slip": True}
    if undone.whole:
        there, lowest = made.of_images(wanted), own.score.min() if len(own) else 0
        return line | {"same": same_share(there.take(there.score >= lowest), own)}
    return line | {"same": _count_same(made, own) / len(own) if len(own) else 0.0}


def rank(
    mistakes: list[dict[str, Any]], features: dict[str, np.ndarray], grains: dict[str, float]
) -> list[dict[str, Any]]:
    """Lines of a ranking, nearest first, nothing made again yet.

    Args:
        mistakes: of ``fingerprints.fingerprint``.
        features, grains: of the variant, see ``signature.Signatures.measure``; of as many images.
    """
    own = np.array([values[0] for values in features.values()])
    lines = []
    for mistake in mistakes:
        theirs, deviations, least = (
            np.array([mistake[key][name] for name in features])
            for key in ("features", "deviations", "grains")
        )
        variance = 2 * deviations**2 + least**2 + np.array(list(grains.values())) ** 2
        lines.append(
            {
                "names": mistake["names"],
                "texts": mistake["texts"],
                "distance": float(distance(own, theirs, variance)),
                "same": None,
                "slip": False,
            }
        )
    return sorted(lines, key=lambda line: line["distance"])


def same_share(made: Results, own: Results) -> float:
    """Share of the detections of both sides that the other has as well; 1 where both have none."""
    return matched_fraction(_count_same(made, own), len(made) + len(own))


def _count_same(made: Results, own: Results) -> int:
    pairs = pair_overlaps(find_overlaps(made, own), AGREEMENT_IOU)
    alike = np.abs(made.score[pairs.left] - own.score[pairs.right]) <= SAME_SCORE
    return int(alike.sum())


def judge(ranking: list[dict[str, Any]], limit: float | None) -> dict[str, Any]:
    """What may be said of a variant.

    Returns:
        ``verdict``; ``names``, the mistakes it is about; ``text``, a sentence. The verdict is the first that
        holds: ``too few images``; ``nothing to explain``, no mistake makes the variant's detections;
        ``looks like``, one mistake makes them, said with confidence; ``resembles``, mistakes are within the
        limit, but none of them makes the variant's detections alone; ``nothing fits``.
    """
    if not ranking:
        return _said("too few images", [], "Too few images to tell mistakes apart.")
    confirmed = [line for line in ranking if _confirmed(line)]
    own = max((line["same"] for line in confirmed if NONE in line["names"]), default=None)
    if own is not None:
        # a slip of few entries or images leaves most of a file as it should be
        confirmed = [line for line in confirmed if line["slip"] and line["same"] > own]
        if not confirmed:
            return _said("nothing to explain", [], NOTHING)
    if confirmed:
        best = max(confirmed, key=lambda line: line["same"])
        how = TAKEN_BACK if best["slip"] else MADE
        text = f"Looks like {_words(best)}: {how.format(best['same'])}."
        return _said("looks like", best["names"], text)
    near = [line for line in ranking if line["distance"] <= limit]
    best = ranking[0]
    if near and NONE in best["names"]:
        return _said("nothing fits", [], "Nothing fits better than no mistake, though not all is the same.")
    if not near:
        text = f"Nothing fits: nearest is {_words(best)}, at {best['distance']:.2f} (limit {limit:.2f})."
        return _said("nothing fits", [], text)
    words = " or ".join(_words(line) for line in near)
    rest = "does not give these detections: it is not the whole cause, or not the cause"
    names = [name for line in near for name in line["names"]]
    return _said("resembles", names, f"Resembles {words}, which alone {rest}.")


def _confirmed(line: dict[str, Any]) -> bool:
    return line["same"] is not None and line["same"] >= CONFIRMED


def _said(verdict: str, names: list[str], text: str) -> dict[str, Any]:
    return {"verdict": verdict, "names": names, "text": text}


def _words(line: dict[str, Any]) -> str:
    return " / ".join(line["texts"])
