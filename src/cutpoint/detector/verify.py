"""Is the exported file the same detector? Its outputs against PyTorch's on real images."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cutpoint.compare.agreement import match
from cutpoint.data.image import decode
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.detector.testset import test_pipeline
from cutpoint.detector.tolerance import TOLERANCES, Differences, Tolerance
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.postprocessing.candidates import from_decoded
from cutpoint.postprocessing.headspec import HeadSpec, ModelSpec
from cutpoint.postprocessing.recipes import Detections, apply_recipe, resolve_recipe
from cutpoint.predict.pipeline import OnnxPipeline, Pipeline
from cutpoint.predict.runtime import Session

LEAST_SHAPES = 3


def verify_export(
    *, export: str, config: str, checkpoint: str | None, spec: str, manifest: str, images: int, out: str
) -> None:
    """Compare an ONNX file with PyTorch on images of at least three sizes of a data set.

    The images are the first of distinct sizes; where there are fewer than three sizes, parts of the first
    image besides. A dynamic export also gets them as one batch. Values out of tolerance are recorded, not
    raised: explaining lossy exports is the job of the report. A table of them goes to standard output.

    Args:
        export: ONNX file.
        config, checkpoint: the model.
        spec: ``spec.json``.
        manifest: manifest JSON of a data set with real images.
        images: how many images.
        out: JSON file to write: ``export, precision, passed, failures, tensors, images, inputs``.

    Raises:
        UserError: the file cannot run: load failure, missing or misshapen outputs, NaN.
    """
    session = Session(export, "cpu")
    if session.spec.digest != ModelSpec.from_dict(read_json(spec)).digest:
        raise UserError(f"{export}: made with another specification than {spec}; rerun export_onnx")
    mmdet_config = load_config(config)
    detector = build_detector(mmdet_config, checkpoint)
    cuts = Cuts(detector, session.spec.head).eval()
    own, tolerance = OnnxPipeline(session), TOLERANCES[session.precision]
    entries = _distinct(read_json(manifest)["images"], images)
    with tempfile.TemporaryDirectory() as folder:
        paths = _with_parts([entry["path"] for entry in entries], folder)
        groups = [[path] for path in paths] + ([paths] if session.batch is None else [])
        if session.cut == "e2e":
            mmdet = MmdetPipeline(detector, test_pipeline(mmdet_config), session.spec, "cpu")
            inputs, rows = _compare_detections(session, own, mmdet, cuts, groups, tolerance)
        else:
            inputs, rows = _compare_tensors(export, session, own, cuts, groups, tolerance)
    failures = [f"{row['name']}, {row['reason']}" for row in rows if not row["passed"]]
    print(_table(export, session.precision, rows))
    write_json(
        out,
        {
            "export": export,
            "precision": session.precision,
            "passed": not failures,
            "failures": failures,
            "tensors": rows,
            "images": len(entries),
            "inputs": inputs,
        },
    )


def _compare_tensors(
    export: str,
    session: Session,
    pipeline: OnnxPipeline,
    cuts: Cuts,
    groups: list[list[str]],
    tolerance: Tolerance,
) -> tuple[list[list[int]], list[dict[str, Any]]]:
    inputs: list[list[int]] = []
    worst: dict[str, Differences] = {}
    for paths in groups:
        tensor, geometries = _load(pipeline, paths)
        inputs.append(list(tensor.shape))
        theirs = _torch_outputs(cuts, tensor, session)
        ours = pipeline.infer(tensor, *geometries)
        for name, value in theirs.items():
            got = ours.get(name)
            if got is None or got.shape != value.shape:
                what = "missing" if got is None else f"shape {got.shape}"
                raise UserError(f"{export}: output {name} is {what}, PyTorch gives {value.shape} on {paths}")
            if not np.isfinite(got).all():
                raise UserError(f"{export}: output {name} has NaN or infinite values on {paths}")
            if name in session.probabilities:
                got, value = (_probabilities(side, name, session.spec.head) for side in (got, value))
            row = (-1, 4) if name == "boxes" else (-1, 1)
            sides = (side.astype(np.float64).reshape(row) for side in (got, value))
            worst.setdefault(name, Differences()).add(*sides, tolerance)
    return inputs, [found.row(name, tolerance) for name, found in worst.items()]


@torch.no_grad()
def _torch_outputs(cuts: Cuts, tensor: np.ndarray, session: Session) -> dict[str, np.ndarray]:
    """What the export should return, by PyTorch."""
    head = session.spec.head
    values = (value.numpy() for value in cuts(torch.from_numpy(tensor)))
    outputs = dict(zip([*head.raw_names, *head.decoded_names], values, strict=True))
    if session.cut == "raw":
        return {name: outputs[name] for name in head.raw_names}
    if session.scores == "fused" and head.has_factor:
        fused = outputs["scores"] * outputs.pop("factors")[..., None]
        outputs["scores"] = np.sqrt(fused) if head.takes_root else fused
    return {name: outputs[name] for name in head.decoded_names if name in outputs}


def _probabilities(logits: np.ndarray, name: str, head: HeadSpec) -> np.ndarray:
    """A foreign file may have had these alone: the logit of a probability near 0 is lost in its rounding."""
    if head.score_activation != "softmax":
        return 1 / (1 + np.exp(-logits))
    batch, _, height, width = logits.shape
    anchors = head.anchors_per_cell(int(name.rpartition("_")[2]))
    powers = np.exp(logits.reshape(batch, anchors, -1, height, width))
    return (powers / powers.sum(axis=2, keepdims=True)).reshape(logits.shape)


def _compare_detections(
    session: Session,
    pipeline: OnnxPipeline,
    mmdet: MmdetPipeline,
    cuts: Cuts,
    groups: list[list[str]],
    tolerance: Tolerance,
) -> tuple[list[list[int]], list[dict[str, Any]]]:
    """Detections as sets: NMS flips a pair now and then, so positions and counts prove nothing.

    The other side is mmdet's ``predict``; for another recipe or a static shape, which mmdet has not, the
    recipe in numpy on PyTorch's tensors. The one-input form clips to another frame and is not judged.
    """
    head = session.spec.head
    recipe = resolve_recipe(session.recipe or "mmdet3", head)
    by_mmdet = recipe == resolve_recipe("mmdet3", head) and session.shape is None
    judged = session.clip == "image"
    inputs, matched, total = [], 0, 0
    worst_box = worst_score = 0.0
    for paths in groups:
        tensor, geometries = _load(pipeline, paths)
        inputs.append(list(tensor.shape))
        outputs = pipeline.infer(tensor, *geometries)
        if by_mmdet:
            data, _ = _load(mmdet, paths)
            found = mmdet.infer(data, *geometries)
        else:
            with torch.no_grad():
                values = cuts(torch.from_numpy(tensor))[len(head.raw_names) :]
            found = dict(zip(head.decoded_names, (value.numpy() for value in values), strict=True))
        for number, geometry in enumerate(geometries):
            ours = pipeline.read(outputs, geometry, number)
            if by_mmdet:
                theirs = mmdet.read(found, geometry, number)
            else:
                candidates = from_decoded(found, head, number)
                theirs = apply_recipe(recipe, candidates, geometry, session.spec)
            total += len(ours) + len(theirs)
            for box, score in _matches(theirs, ours, tolerance):
                matched += 1
                worst_box, worst_score = max(worst_box, box), max(worst_score, score)
    agreement = 2 * matched / total if total else 1.0
    passed = agreement >= tolerance.agreement or not judged
    least = f"{tolerance.agreement:.0%} at IoU {tolerance.iou:g}, score within {tolerance.score:g}"
    row = {
        "cosine": None,
        "tolerance": least if judged else "not judged: deviates by definition",
        "passed": passed,
        "reason": "" if passed else f"only {agreement:.1%} of the detections matched",
        "agreement": agreement,
        "max_rel": None,
    }
    return inputs, [
        {"name": "boxes", "max_abs": worst_box, **row},
        {"name": "scores", "max_abs": worst_score, **row},
    ]


def _matches(a: Detections, b: Detections, tolerance: Tolerance) -> Iterable[tuple[float, float]]:
    """Of each matched pair the largest difference of a corner and the difference of the scores."""
    for label in np.intersect1d(a.labels, b.labels):
        ours, theirs = _of_class(a, label), _of_class(b, label)
        for i, j in zip(*match(ours.boxes, ours.scores, theirs.boxes, tolerance.iou), strict=True):
            score = float(abs(ours.scores[i] - theirs.scores[j]))
            if score <= tolerance.score:
                yield float(np.abs(ours.boxes[i] - theirs.boxes[j]).max()), score


def _of_class(detections: Detections, label: int) -> Detections:
    chosen = detections.labels == label
    return Detections(detections.boxes[chosen], detections.scores[chosen], detections.labels[chosen])


def _load(pipeline: Pipeline, paths: list[str]) -> tuple[Any, list[Any]]:
    return pipeline.batch([pipeline.prepare(pipeline.decode(path)) for path in paths])


def _distinct(images: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first images of distinct sizes, then the first of the rest."""
    seen, first, rest = set(), [], []
    for entry in images:
        size = entry["height"], entry["width"]
        (rest if size in seen else first).append(entry)
        seen.add(size)
    return (first + rest)[:count]


def _with_parts(paths: list[str], folder: str) -> list[str]:
    """The images, and halves of the first one where these have fewer than three sizes."""
    sizes = {decode(path).shape for path in paths}
    first = decode(paths[0])
    height, width = first.shape[0] // 2, first.shape[1] // 2
    parts = []
    for number, part in enumerate([first[:, :width], first[:height]][: max(0, LEAST_SHAPES - len(sizes))]):
        parts.append(str(Path(folder) / f"part{number}.png"))
        cv2.imwrite(parts[-1], part)
    return paths + parts


def _table(export: str, precision: str, rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [f"{export} ({precision}) beside PyTorch", ""]
    lines += [
        "| output | max abs | max rel | cosine | matched | tolerance | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = [f"{row['max_abs']:.3g}"]
        numbers += ["" if row[key] is None else f"{row[key]:.7g}" for key in ("max_rel", "cosine")]
        numbers.append(f"{row['agreement']:.2%}" if "agreement" in row else "")
        verdict = "passed" if row["passed"] else f"**{row['reason']}**"
        lines.append(
            "| " + " | ".join([row["name"], *numbers, row["tolerance"].replace("|", "\\|"), verdict]) + " |"
        )
    return "\n".join(lines)
