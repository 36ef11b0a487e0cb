"""Is the exported file the same detector? Its tensors against PyTorch's on real images."""

from typing import Any

import numpy as np
import torch

from cutpoint.agreement import match
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.headspec import ModelSpec
from cutpoint.image import decode, prepare
from cutpoint.pipeline import OnnxPipeline
from cutpoint.recipes import Detections, resolve_recipe
from cutpoint.runtime import Session

# |ONNX - PyTorch| <= absolute + relative * |PyTorch|, for fp32. For decoded boxes |PyTorch| is the box's
# largest coordinate: a corner near 0 is the difference of a centre and a half size that are not.
ABSOLUTE, RELATIVE = 1e-3, 1e-4
MATCH_IOU, SCORE_TOLERANCE, LEAST_AGREEMENT = 0.99, 1e-3, 0.98


def verify_export(
    *, export: str, config: str, checkpoint: str | None, spec: str, manifest: str, images: int, out: str
) -> None:
    """Compare an ONNX file with PyTorch on the first images of distinct sizes of a data set.

    Values out of tolerance are recorded, not raised: explaining lossy exports is the job of the report.

    Args:
        export: ONNX file.
        config, checkpoint: the model.
        spec: ``spec.json``.
        manifest: manifest JSON of a data set with real images.
        images: how many images.
        out: JSON file to write: ``export, passed, failures, tensors, images``.

    Raises:
        UserError: the file cannot run: load failure, missing or misshapen outputs, NaN.
    """
    session = Session(export, "cpu")
    if session.spec.digest != ModelSpec.from_dict(read_json(spec)).digest:
        raise UserError(f"{export}: made with another specification than {spec}; rerun export_onnx")
    mmdet_config = load_config(config)
    detector = build_detector(mmdet_config, checkpoint)
    paths = [entry["path"] for entry in _distinct(read_json(manifest)["images"], images)]
    if session.cut == "e2e":
        pipeline = mmdet_config.test_dataloader.dataset.pipeline
        rows = _compare_detections(session, MmdetPipeline(detector, pipeline, session.spec, "cpu"), paths)
    else:
        rows = _compare_tensors(export, session, Cuts(detector, session.spec.head).eval(), paths)
    failures = [f"{row['name']}, {row['reason']}" for row in rows if not row["passed"]]
    write_json(
        out,
        {
            "export": export,
            "passed": not failures,
            "failures": failures,
            "tensors": rows,
            "images": len(paths),
        },
    )


@torch.no_grad()
def _compare_tensors(export: str, session: Session, cuts: Cuts, paths: list[str]) -> list[dict[str, Any]]:
    head = session.spec.head
    names = head.raw_names if session.cut == "raw" else head.decoded_names
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    for path in paths:
        tensor, _ = prepare(decode(path), session.spec.input, session.shape)
        torch_outputs = dict(
            zip([*head.raw_names, *head.decoded_names], cuts(torch.from_numpy(tensor)), strict=True)
        )
        outputs = session.run({"images": tensor})
        for name in names:
            ours, theirs = outputs.get(name), torch_outputs[name].numpy()
            if ours is None or ours.shape != theirs.shape:
                got = "missing" if ours is None else f"shape {ours.shape}"
                raise UserError(f"{export}: output {name} is {got}, PyTorch gives {theirs.shape} on {path}")
            if not np.isfinite(ours).all():
                raise UserError(f"{export}: output {name} has NaN or infinite values on {path}")
            rows = (-1, 4) if name == "boxes" else (-1, 1)
            values = (side.astype(np.float64).reshape(rows) for side in (ours, theirs))
            pairs[name].append(tuple(values))
    return [
        _tensor_row(name, *map(np.concatenate, zip(*parts, strict=True))) for name, parts in pairs.items()
    ]


def _tensor_row(name: str, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    error = np.abs(ours - theirs)
    size = np.abs(theirs).max(axis=1, keepdims=True)
    norm = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    passed = bool((error <= ABSOLUTE + RELATIVE * size).all())
    largest = float(error.max())
    return {
        "name": name,
        "max_abs": largest,
        "max_rel": float((error / np.maximum(size, ABSOLUTE)).max()),
        "cosine": float((ours * theirs).sum() / norm) if norm else 1.0,
        "tolerance": f"{ABSOLUTE:g} + {RELATIVE:g} x |value|",
        "passed": passed,
        "reason": "" if passed else f"max abs {largest:.2g}",
    }


def _compare_detections(session: Session, reference: MmdetPipeline, paths: list[str]) -> list[dict[str, Any]]:
    """Detections as sets: NMS flips a pair now and then, so positions and counts prove nothing."""
    pipeline = OnnxPipeline(session)
    matched = total = 0
    worst_box = worst_score = 0.0
    own_recipe = resolve_recipe(session.recipe, session.spec.head) == resolve_recipe(
        "mmdet3", session.spec.head
    )
    for path in paths:
        ours, theirs = (_detect(side, path) for side in (pipeline, reference))
        total += len(ours) + len(theirs)
        for label in np.intersect1d(ours.labels, theirs.labels):
            a, b = (_of_class(side, label) for side in (theirs, ours))
            left, right = match(a.boxes, a.scores, b.boxes, MATCH_IOU)
            near = np.abs(a.scores[left] - b.scores[right]) <= SCORE_TOLERANCE
            left, right = left[near], right[near]
            matched += len(left)
            if len(left):
                worst_box = max(worst_box, float(np.abs(a.boxes[left] - b.boxes[right]).max()))
                worst_score = max(worst_score, float(np.abs(a.scores[left] - b.scores[right]).max()))
    agreement = 2 * matched / total if total else 1.0
    # another recipe or frame is meant to differ from mmdet's own predict
    judged = own_recipe and session.clip == "image"
    passed = agreement >= LEAST_AGREEMENT or not judged
    row = {
        "cosine": None,
        "tolerance": f"{LEAST_AGREEMENT:.0%} matched" if judged else "not judged: deviates by definition",
        "passed": passed,
        "reason": "" if passed else f"only {agreement:.1%} of the detections matched",
        "agreement": agreement,
        "max_rel": None,
    }
    return [
        {"name": "boxes", "max_abs": worst_box, **row},
        {"name": "scores", "max_abs": worst_score, **row},
    ]


def _detect(pipeline: OnnxPipeline | MmdetPipeline, path: str) -> Detections:
    tensor, geometry = pipeline.prepare(pipeline.decode(path))
    return pipeline.read(pipeline.infer(tensor, geometry), geometry)


def _of_class(detections: Detections, label: int) -> Detections:
    chosen = detections.labels == label
    return Detections(detections.boxes[chosen], detections.scores[chosen], detections.labels[chosen])


def _distinct(images: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first images of distinct sizes, then the first of the rest."""
    seen, first, rest = set(), [], []
    for entry in images:
        size = entry["height"], entry["width"]
        (rest if size in seen else first).append(entry)
        seen.add(size)
    return (first + rest)[:count]
