"""Make typical mistakes on purpose, on a subsample of a data set, and keep the signature of each."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.compare.bootstrap import draw_multiplicities
from cutpoint.compare.mistake import Mistake
from cutpoint.compare.mistakes import mistakes_of
from cutpoint.compare.signature import Signatures
from cutpoint.data.image import decode
from cutpoint.data.selection import name_order
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import coco_results
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.fingerprints import Fingerprint, Fingerprints, write_fingerprints
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Image, Manifest, read_manifest
from cutpoint.records.truth import read_truth

# from the true geometry to the one that a file is given
Sizes = Callable[[Geometry], Geometry]
RESAMPLES, HALVES, SEED = 100, 25, 0
# the largest distance that a single feature counts with, so that one feature alone does not decide
FARTHEST = 10
# the limit is chosen so that this fraction of a mistake's distances from itself on other images is within it
WITHIN = 0.99


def fingerprint(
    *,
    model: str,
    manifest: str,
    reference: str,
    provider: str,
    threads: int,
    images: int,
    labels: str,
    truth: str | None,
    out: str,
) -> None:
    """Write the signature of each mistake that is possible for a model.

    Args:
        model: ONNX file in fp32: the ``raw`` export, or of a model without mmdet an external file.
        manifest: manifest JSON.
        reference: the reference's detections file.
        provider, threads: see ``runtime.Session``.
        images: the number of images of the subsample; at most half of the data set, so that others are left.
        labels: JSON of ``truth.map_labels``.
        truth: JSON of ``truth.build_truth``; null without annotations.
        out: JSON file to write, see ``records.fingerprints.Fingerprints``. There are no mistakes with fewer
            than 10 images, or if the reference or the file itself is refused.
    """
    chosen, _ = split_images(read_manifest(manifest), images)
    limit: float | None = None
    mistakes: tuple[Fingerprint, ...] = ()
    reason = None
    if len(chosen) >= MIN_IMAGES:
        try:
            results = _read_reference(reference)
            limit, mistakes = _measure(
                Session(model, provider, threads), model, results, chosen, read_labels(labels).labels, truth
            )
        except Refused as refused:
            reason = refused.reason
    ids = tuple(image.id for image in chosen)
    write_fingerprints(out, Fingerprints(ids, limit, mistakes, reason))


def _read_reference(path: str) -> Results:
    try:
        return read_results(path)
    except Refused as refused:
        raise Refused(f"the reference is refused: {refused.reason}") from refused


def _measure(
    session: Session,
    model: str,
    reference: Results,
    images: Sequence[Image],
    categories: Sequence[int | None],
    truth: str | None,
) -> tuple[float, tuple[Fingerprint, ...]]:
    """The limit, and each mistake; the arguments are those of ``fingerprint``, read."""
    mistakes = possible_mistakes(session)
    try:
        made = run_mistakes(session, mistakes.values(), images, categories)
    except Refused as refused:
        raise Refused(f"{model}: {refused.reason}") from refused
    annotated = read_truth(truth) if truth else None
    known = [category for category in categories if category is not None]
    measure = Signatures(reference, images, known, annotated, _weights(len(images))).measure
    lines, apart = [], []
    for names in _alike(made):
        features, grains = measure(made[names[0]])
        deviations, own = _spread(features, grains)
        fingerprint = Fingerprint(
            names=tuple(names),
            texts=tuple(mistakes[name].text for name in names),
            features={name: float(values[0]) for name, values in features.items()},
            deviations=dict(zip(features, deviations.tolist(), strict=True)),
            grains=grains,
        )
        lines.append(fingerprint)
        apart.append(own)
    return float(np.quantile(np.concatenate(apart), WITHIN)), tuple(lines)


def split_images(manifest: Manifest, images: int) -> tuple[list[Image], list[Image]]:
    """The images of the fingerprints, and as many others for diagnoses, in a stable hash order."""
    ordered = sorted(manifest.images, key=lambda image: name_order(image.file_name))
    number = min(images, len(ordered) // 2)
    return ordered[:number], ordered[number : 2 * number]


def possible_mistakes(session: Session) -> dict[str, Mistake]:
    """The mistakes that can be made with a file, by name; see ``mistakes_of``."""
    # an mmdet model's mistakes are made with its own export, never with an external file
    external = session.external is not None
    made = mistakes_of(session.spec, session.cut, session.tensor, external=external)
    return {mistake.name: mistake for mistake in made}


def run_mistakes(
    session: Session,
    mistakes: Iterable[Mistake],
    images: Sequence[Image],
    categories: Sequence[int | None],
) -> dict[str, Results]:
    """Detections with each mistake in them; mistakes after the network share its run.

    Args:
        session: the file.
        mistakes: mistakes for the session's specification.
        images: images of the manifest.
        categories: category id of each model class; see ``truth.map_labels``.

    Returns:
        name of the mistake to its detections.

    Raises:
        Refused: the file's tensors are not finite.
    """
    spec, recipe = session.spec, resolve_recipe("mmdet3", session.spec.head)
    by_input: dict[tuple[InputRecipe, Sizes | None], list[Mistake]] = {}
    for mistake in mistakes:
        by_input.setdefault((mistake.input, mistake.sizes), []).append(mistake)
    pipelines = [(OnnxPipeline(session, fed), sizes, group) for (fed, sizes), group in by_input.items()]
    lines: dict[str, list[str]] = {mistake.name: [] for *_, group in pipelines for mistake in group}
    for image in tqdm(images, desc="mistakes", unit="image", mininterval=1):
        pixels = decode(image.path)
        for pipeline, sizes, group in pipelines:
            # a file of a fixed batch sees the image as often as it takes one
            tensor, geometries = pipeline.batch([pipeline.prepare(pixels)] * (pipeline.fixed_batch or 1))
            seen = [sizes(geometry) for geometry in geometries] if sizes else geometries
            outputs, geometry = pipeline.infer(tensor, *seen), geometries[0]
            problem = find_invalid(pipeline.tensors(outputs, 0))
            if problem:
                raise Refused(f"{problem} on image id {image.id} ({image.path})")
            for mistake in group:
                found = mistake.finish(outputs, geometry, recipe, spec)
                lines[mistake.name] += coco_results(image.id, found, categories)
    return {name: make_results(json.loads(f"[{','.join(rows)}]")) for name, rows in lines.items()}


def distance(ours: np.ndarray, theirs: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """How many standard deviations two signatures are apart: root mean square over the features.

    Args:
        ours, theirs: ``(..., F)`` features.
        variance: ``(F,)``, variance of the difference of two signatures of the same mistake.

    Returns:
        ``(...)``, 0 to ``FARTHEST``.
    """
    apart = np.clip((ours - theirs) / np.sqrt(variance), -FARTHEST, FARTHEST)
    together: np.ndarray = np.sqrt((apart**2).mean(axis=-1))
    return together


def _weights(images: int) -> np.ndarray:
    """``(images, 1 + RESAMPLES + 2 HALVES)``: each image once; resamples; halves; their other halves."""
    random = np.random.default_rng(SEED)
    halves = np.array([random.permutation(images) < images // 2 for _ in range(HALVES)], dtype=np.int64).T
    once = np.ones((images, 1), dtype=np.int64)
    return np.hstack([once, draw_multiplicities(images, RESAMPLES, SEED), halves, 1 - halves])


def _spread(features: Mapping[str, np.ndarray], grains: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Deviation of each feature over the resamples ``(F,)``, and the halves' distances ``(HALVES,)``."""
    values = np.array(list(features.values()))
    resamples, halves = values[:, 1 : 1 + RESAMPLES], values[:, 1 + RESAMPLES :].T
    deviations, least = resamples.std(axis=1), np.array(list(grains.values()))
    # a half has twice the variance of the whole, and half as many boxes
    variance = 2 * (2 * deviations**2 + (2 * least) ** 2)
    return deviations, distance(halves[:HALVES], halves[HALVES:], variance)


def _alike(made: dict[str, Results]) -> list[list[str]]:
    """Groups of the names of mistakes with the same detections, in their order."""
    groups: list[list[str]] = []
    for name, results in made.items():
        same = next((group for group in groups if made[group[0]].is_same_as(results)), None)
        if same is None:
            groups.append([name])
        else:
            same.append(name)
    return groups
