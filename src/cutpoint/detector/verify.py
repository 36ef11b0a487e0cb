"""Check whether an exported file is the same detector: compare its outputs with PyTorch's on real images."""

import tempfile

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.kinds import find_kind
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.detector.testset import find_test_pipeline
from cutpoint.detector.tolerance import TOLERANCES
from cutpoint.detector.verify_detections import compare_detections
from cutpoint.detector.verify_tensors import compare_tensors
from cutpoint.errors import UserError
from cutpoint.predict.pictures import choose_pictures
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
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
            inputs, checks = compare_tensors(export, session, own, cuts, groups, tolerance)
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


def _table(export: str, precision: str, checks: list[TensorCheck]) -> str:
    """Markdown."""
    lines = [f"{export} ({precision}) beside PyTorch", ""]
    columns = ["output", "max abs", "max rel", "cosine", "matched", "PyTorch's own", "tolerance", ""]
    lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for check in checks:
        numbers = ["" if check.max_abs is None else f"{check.max_abs:.3g}"]
        numbers += ["" if value is None else f"{value:.7g}" for value in (check.max_rel, check.cosine)]
        numbers.append("" if check.agreement is None else f"{check.agreement:.2%}")
        own = ["" if check.torch_max_abs is None else f"{check.torch_max_abs:.3g}"]
        own += ["" if check.torch_agreement is None else f"{check.torch_agreement:.2%}"]
        numbers.append(", ".join(filter(None, own)))
        verdict = "passed" if check.passed else f"**{check.reason}**"
        cells = [check.name, *numbers, check.tolerance.replace("|", "\\|"), verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
