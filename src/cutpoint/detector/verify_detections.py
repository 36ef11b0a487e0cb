"""Compare the detections of an ``e2e`` export with PyTorch's."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from cutpoint.decode.candidates import from_decoded
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.movement import measure_movement
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.detector.tolerance import Tolerance, invalid, of_pytorch
from cutpoint.matching import match, matched_fraction
from cutpoint.predict.pictures import Picture, load_pictures
from cutpoint.predict.pipeline import OnnxPipeline, Pipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid, read_valid
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import in_graph_form, resolve_recipe
from cutpoint.records.detections import Detections, Refused
from cutpoint.records.image import Geometry
from cutpoint.records.verification import TensorCheck


def compare_detections(
    session: Session,
    pipeline: OnnxPipeline,
    mmdet: MmdetPipeline,
    cuts: Cuts[Any],
    groups: list[list[Picture]],
    tolerance: Tolerance,
) -> tuple[list[tuple[int, ...]], list[TensorCheck]]:
    """Compare the detections of groups of images; each group is one batch.

    Detections are compared as sets: NMS sometimes swaps a pair, so positions and counts prove nothing.

    The other side is mmdet's ``predict``. For another recipe, a static shape, or a file of Cutpoint with one
    input, which clips to the tensor, it is that recipe in numpy on PyTorch's tensors.

    Where rows are ranks, two nearly equal ones may swap in PyTorch itself, under a change of the input as
    small as a rounding. Then as many as twice its own detections may be without a match.

    Returns:
        the input shapes, and the results for boxes and scores.
    """
    inputs: list[tuple[int, ...]] = []
    matched = total = 0
    worst_box = worst_score = 0.0
    own = list[float]()
    for pictures in groups:
        tensor, geometries = load_pictures(pipeline, pictures)
        inputs.append(tensor.shape)
        outputs = pipeline.infer(tensor, *geometries)
        feeds = pipeline.feeds(tensor, *geometries)
        if getattr(session.spec.head, "selected", False):
            sizes = _sizes(feeds, tensor)
            moved = measure_movement(
                cuts, session.spec, tensor, sizes, geometries, tolerance.change, tolerance
            )
            own.append(moved.matched)
        read_theirs = _open_theirs(session, mmdet, cuts, pictures, tensor, geometries, feeds)
        for number, (geometry, picture) in enumerate(zip(geometries, pictures, strict=True)):
            try:
                theirs = read_theirs(geometry, number)
            except Refused as refused:
                return inputs, _invalid_checks(f"{of_pytorch(refused.reason)} on {picture.name}")
            try:
                ours = _read(pipeline, outputs, geometry, number)
            except Refused as refused:
                return inputs, _invalid_checks(f"{refused.reason} on {picture.name}")
            total += len(ours) + len(theirs)
            for box, score in _matches(theirs, ours, tolerance):
                matched += 1
                worst_box, worst_score = max(worst_box, box), max(worst_score, score)
    agreement = matched_fraction(matched, total)
    torch_agreement = sum(own) / len(own) if own else None
    fraction = tolerance.agreement if torch_agreement is None else tolerance.least(torch_agreement)
    passed = agreement >= fraction
    least = f"{fraction:.0%} at IoU {tolerance.iou:g}, score within {tolerance.score:g}"
    least += "" if total else " (neither side detects anything, which proves nothing)"

    def check(name: str, max_abs: float) -> TensorCheck:
        return TensorCheck(
            name=name,
            max_abs=max_abs,
            max_rel=None,
            cosine=None,
            tolerance=least,
            passed=passed,
            reason="" if passed else f"only {agreement:.1%} of the detections matched",
            agreement=agreement,
            torch_agreement=torch_agreement,
        )

    return inputs, [check("boxes", worst_box), check("scores", worst_score)]


def _invalid_checks(reason: str) -> list[TensorCheck]:
    return [invalid(name, reason) for name in ("boxes", "scores")]


def _open_theirs(
    session: Session,
    mmdet: MmdetPipeline,
    cuts: Cuts[Any],
    pictures: list[Picture],
    tensor: np.ndarray,
    geometries: list[Geometry],
    feeds: dict[str, np.ndarray],
) -> Callable[[Geometry, int], Detections]:
    """A function that reads PyTorch's detections of an image. It raises ``Refused`` if one is not finite."""
    head = session.spec.head
    # an external file has no recipe of ours: whatever it does, mmdet is what it was made from
    own_clip = "image" if session.external else session.clip or "image"
    recipe = in_graph_form(resolve_recipe(session.recipe or "mmdet3", head), own_clip, None, head)
    if recipe == resolve_recipe("mmdet3", head) and session.shape is None:
        data, _ = load_pictures(mmdet, pictures)
        return partial(_read, mmdet, mmdet.infer(data, *geometries))
    sizes = _sizes(feeds, tensor) if head.takes_sizes else None
    found = cuts.named(tensor, sizes)

    def read(geometry: Geometry, number: int) -> Detections:
        problem = find_invalid((name, found[name][number]) for name in head.raw_names)
        if problem:
            raise Refused(problem)
        return apply_recipe(recipe, from_decoded(found, head, number), geometry, session.spec)

    return read


def _sizes(feeds: dict[str, np.ndarray], tensor: np.ndarray) -> np.ndarray:
    """``image_sizes``; a file with one input has none, as if its images filled the tensor."""
    full = np.array([[*tensor.shape[2:], 1, 1]], np.float32).repeat(len(tensor), axis=0)
    return feeds.get("image_sizes", full)


def _read(pipeline: Pipeline, outputs: Any, geometry: Geometry, image: int) -> Detections:
    """``validity.read_valid`` for a cut that ends in detections."""
    rows = read_valid(pipeline, outputs, geometry, image)
    if not isinstance(rows, Detections):
        raise TypeError(f"the cut {pipeline.cut} ends in candidates")
    return rows


def _matches(a: Detections, b: Detections, tolerance: Tolerance) -> Iterable[tuple[float, float]]:
    """For each matched pair, the largest difference of a corner and the difference of the scores."""
    pairs = match(a.boxes, a.scores, b.boxes, tolerance.iou, a.labels[:, None] == b.labels[None])
    for i, j in zip(pairs.left, pairs.right, strict=True):
        score = float(abs(a.scores[i] - b.scores[j]))
        if score <= tolerance.score:
            yield float(np.abs(a.boxes[i] - b.boxes[j]).max()), score
