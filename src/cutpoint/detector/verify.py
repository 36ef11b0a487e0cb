"""Check whether an exported file is the same detector: compare its outputs with PyTorch's on real images."""

import tempfile
from typing import Any

import numpy as np

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.kinds import find_kind
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.detector.testset import find_test_pipeline
from cutpoint.detector.tolerance import TOLERANCES, Differences, Tolerance, invalid, of_pytorch
from cutpoint.detector.verify_detections import compare_detections
from cutpoint.errors import UserError
from cutpoint.predict.pictures import Picture, choose_pictures, load_pictures, name_pictures
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid
from cutpoint.records.head import DenseHead
from cutpoint.records.manifest import read_manifest
from cutpoint.records.model import read_spec
from cutpoint.records.verification import TensorCheck, Verification, write_verification


def verify_export(
    *, export: str, config: str, checkpoint: str | None, spec: str, manifest: str, images: int, out: str
) -> None:
    """Compare an ONNX file with PyTorch on images of at least three sizes of a data set.

    The images are the first ones of different sizes, and with fewer than three sizes also parts of the first
    image. A dynamic export also gets them as one batch. Values out of tolerance, NaN and infinity on either
    side are recorded and do not raise an error, because the report explains lossy exports. A table goes to
    standard output.

    Args:
        export: ONNX file.
        config, checkpoint: the model.
        spec: ``spec.json``.
        manifest: manifest JSON of a data set with real images.
        images: how many images.
        out: JSON file to write, see ``verification.Verification``.

    Raises:
        UserError: the file cannot run: it does not load, or outputs are missing or have wrong shapes.
    """
    session = Session(export, "cpu")
    if session.spec.digest != read_spec(spec).digest:
        rule = "import_onnx" if session.external else "export_onnx"
        raise UserError(f"{export}: made with another specification than {spec}; rerun {rule}")
    kind = find_kind(session.spec, "the verification")
    mmdet_config = load_config(config)
    detector = build_detector(mmdet_config, checkpoint)
    cuts = kind.cuts(detector, session.spec.head).eval()
    own, tolerance = OnnxPipeline(session), TOLERANCES[session.precision]
    with tempfile.TemporaryDirectory() as folder:
        chosen, pictures = choose_pictures(read_manifest(manifest).images, images, folder)
        groups = [[picture] for picture in pictures] + ([pictures] if session.batch is None else [])
        if session.cut == "e2e":
            mmdet = MmdetPipeline(detector, find_test_pipeline(mmdet_config), session.spec, "cpu")
            inputs, checks = compare_detections(session, own, mmdet, cuts, groups, tolerance)
        else:
            inputs, checks = _compare_tensors(export, session, own, cuts, groups, tolerance)
    failures = tuple(f"{check.name}, {check.reason}" for check in checks if not check.passed)
    print(_table(export, session.precision, checks))
    verification = Verification(
        export=export,
        precision=session.precision,
        passed=not failures,
        failures=failures,
        tensors=tuple(checks),
        images=len(chosen),
        inputs=tuple(inputs),
    )
    write_verification(out, verification)


def _compare_tensors(
    export: str,
    session: Session,
    pipeline: OnnxPipeline,
    cuts: Cuts[Any],
    groups: list[list[Picture]],
    tolerance: Tolerance,
) -> tuple[list[tuple[int, ...]], list[TensorCheck]]:
    inputs: list[tuple[int, ...]] = []
    worst: dict[str, Differences] = {}
    not_finite: dict[str, str] = {}
    for pictures in groups:
        tensor, geometries = load_pictures(pipeline, pictures)
        inputs.append(tensor.shape)
        theirs = _torch_outputs(cuts, pipeline.feeds(tensor, *geometries), session)
        ours = pipeline.infer(tensor, *geometries)
        for name, value in theirs.items():
            got = ours.get(name)
            if got is None or got.shape != value.shape:
                what = "missing" if got is None else f"shape {got.shape}"
                raise UserError(
                    f"{export}: output {name} is {what}, PyTorch gives {value.shape} on "
                    f"{name_pictures(pictures)}"
                )
            reason = _find_invalid(name, value, got, pictures)
            if reason:
                not_finite.setdefault(name, reason)
                continue
            if name in session.probabilities:
                got, value = (_probabilities(side, name, cuts.spec) for side in (got, value))
            row = (-1, 4) if name == "boxes" else (-1, 1)
            ours_, theirs_ = (side.astype(np.float64).reshape(row) for side in (got, value))
            worst.setdefault(name, Differences()).add(ours_, theirs_, tolerance)
    known = {name: differences.check(name, tolerance) for name, differences in worst.items()}
    known |= {name: invalid(name, reason) for name, reason in not_finite.items()}
    return inputs, [known[name] for name in theirs]


def _find_invalid(name: str, theirs: np.ndarray, ours: np.ndarray, pictures: list[Picture]) -> str | None:
    """The first image on which a tensor is not finite. PyTorch's side comes first: the export copies it."""
    for number, picture in enumerate(pictures):
        # one dimension: for all images
        sides = [side[number] if side.ndim > 1 else side for side in (theirs, ours)]
        problem = find_invalid([(name, sides[0])])
        if problem:
            return f"{of_pytorch(problem)} on {picture.name}"
        problem = find_invalid([(name, sides[1])])
        if problem:
            return f"{problem.partition(' has ')[2]} on {picture.name}"
    return None


def _torch_outputs(cuts: Cuts[Any], feeds: dict[str, np.ndarray], session: Session) -> dict[str, np.ndarray]:
    """What the export should return, computed by PyTorch."""
    head = session.spec.head
    outputs = cuts.named(feeds["images"], feeds.get("image_sizes"))
    if session.cut == "raw":
        return {name: outputs[name] for name in head.raw_names}
    if session.scores == "fused" and head.has_factor:
        fused = outputs["scores"] * outputs.pop("factors")[..., None]
        outputs["scores"] = np.sqrt(fused) if head.takes_root else fused
    return {name: outputs[name] for name in head.decoded_names if name in outputs}


def _probabilities(logits: np.ndarray, name: str, head: DenseHead) -> np.ndarray:
    """Probabilities of an external file: the logit of a probability near 0 is lost in its rounding."""
    if head.score_activation != "softmax":
        values: np.ndarray = 1 / (1 + np.exp(-logits))
        return values
    batch, _, height, width = logits.shape
    anchors = head.anchors_per_cell(int(name.rpartition("_")[2]))
    powers: np.ndarray = np.exp(logits.reshape(batch, anchors, -1, height, width))
    values = powers / powers.sum(axis=2, keepdims=True)
    return values.reshape(logits.shape)


def _table(export: str, precision: str, checks: list[TensorCheck]) -> str:
    """Markdown."""
    lines = [f"{export} ({precision}) beside PyTorch", ""]
    lines += [
        "| output | max abs | max rel | cosine | matched | tolerance | |",
        "|---|---|---|---|---|---|---|",
    ]
    for check in checks:
        numbers = ["" if check.max_abs is None else f"{check.max_abs:.3g}"]
        numbers += ["" if value is None else f"{value:.7g}" for value in (check.max_rel, check.cosine)]
        numbers.append("" if check.agreement is None else f"{check.agreement:.2%}")
        verdict = "passed" if check.passed else f"**{check.reason}**"
        cells = [check.name, *numbers, check.tolerance.replace("|", "\\|"), verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
