"""Which of the typical mistakes a variant looks like, and whether that mistake alone makes its detections."""

from typing import Any

import numpy as np

from cutpoint.compare.agreement import AGREEMENT_IOU, find_overlaps, pair
from cutpoint.compare.fingerprints import distance, run_mistakes, split_images
from cutpoint.compare.mistakes import NONE, mistakes_of
from cutpoint.compare.signature import Signatures
from cutpoint.data.detections import read_detections, refusal_of_pair
from cutpoint.data.truth import read_labels
from cutpoint.files import read_json, write_json
from cutpoint.predict.runtime import Session

# the nearest mistakes are made again on the variant's own images
REMADE = 3
# a detection is the same with a partner of this score difference; a mistake is confirmed by this share
SAME_SCORE, CONFIRMED = 0.02, 0.98


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
    """Rank the mistakes by how far a variant's signature is from theirs, taken on other images.

    Args:
        fingerprints: JSON of ``fingerprints.fingerprint``; ``images``, ``labels``, ``truth`` as there.
        model: ONNX file of the ``raw`` export in fp32, on which the nearest mistakes are made again.
        manifest: manifest JSON.
        reference, variant: detections files.
        provider, threads: see ``runtime.Session``.
        out: JSON file to write. ``images``, how many; ``limit``, of the fingerprints; ``ranking``, nearest
            first: ``names``, ``texts``, ``distance`` (see ``fingerprints.distance``), ``same``: share of the
            detections of both sides that this mistake makes on these images as well (same class, IoU 0.9,
            score within 0.02), null where it was not made; and of ``judge`` ``verdict``, ``names``,
            ``text``; verdict ``refused`` where one of the files is.
    """
    content, known = read_json(manifest), read_json(fingerprints)
    _, chosen = split_images(content, images)
    ranking: list[dict[str, Any]] = []
    refused = refusal_of_pair(reference, variant) or known["refused"]
    if known["mistakes"] and not refused:
        session = Session(model, provider, threads)
        categories = read_labels(labels)
        wanted = {entry["id"] for entry in chosen}
        own, base = (
            [d for d in read_detections(path) if d["image_id"] in wanted] for path in (variant, reference)
        )
        annotations = read_json(truth) if truth else None
        ids = [category for category in categories if category is not None]
        ranking = rank(known["mistakes"], *Signatures(base, chosen, ids, annotations).measure(own))
        near = [line for i, line in enumerate(ranking) if i < REMADE or NONE in line["names"]]
        mistakes = {mistake.name: mistake for mistake in mistakes_of(session.spec)}
        made = run_mistakes(session, [mistakes[line["names"][0]] for line in near], chosen, categories)
        for line in near:
            line["same"] = same_share(made[line["names"][0]], own)
    write_json(
        out,
        {
            "images": len(chosen),
            "limit": known["limit"],
            **(_said("refused", [], f"Refused: {refused}.") if refused else judge(ranking, known["limit"])),
            "ranking": ranking,
        },
    )


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
            }
        )
    return sorted(lines, key=lambda line: line["distance"])


def same_share(made: list[dict[str, Any]], own: list[dict[str, Any]]) -> float:
    """Share of the detections of both sides that the other has as well; 1 where both have none."""
    found = find_overlaps(made, own)
    left, right = pair(found, AGREEMENT_IOU)
    alike = np.abs(found.scores[left] - found.scores[found.reference + right]) <= SAME_SCORE
    return 2 * int(alike.sum()) / len(found.scores) if len(found.scores) else 1.0


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
    confirmed = [line for line in ranking if line["same"] is not None and line["same"] >= CONFIRMED]
    if any(NONE in line["names"] for line in confirmed):
        return _said("nothing to explain", [], "Nothing to explain: these are the model's own detections.")
    if confirmed:
        best = max(confirmed, key=lambda line: line["same"])
        text = f"Looks like {_words(best)}: made on purpose, it gives {best['same']:.1%} of the detections."
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


def _said(verdict: str, names: list[str], text: str) -> dict[str, Any]:
    return {"verdict": verdict, "names": names, "text": text}


def _words(line: dict[str, Any]) -> str:
    return " / ".join(line["texts"])
