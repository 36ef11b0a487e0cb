"""Real input: YOLOX-nano on 108 COCO images, through the package's own functions."""

import pytest
from models import YOLOX

from cutpoint.coco import evaluate
from cutpoint.detector.describe import describe_model
from cutpoint.detector.export import write_export
from cutpoint.detector.reference import predict_pytorch
from cutpoint.detector.trace import trace_model
from cutpoint.detector.verify import verify_export
from cutpoint.files import read_json
from cutpoint.manifest import build_manifest
from cutpoint.postprocess import postprocess
from cutpoint.predict import predict_onnx

MEASURED = {"AP": 0.2864, "AP50": 0.4370, "AP75": 0.3170}  # ../shared/real/README.md


@pytest.fixture(scope="module")
def job(real, tmp_path_factory):
    """Manifest, specification and trace."""
    folder = tmp_path_factory.mktemp("real")
    files = {name: str(folder / name) for name in ("manifest.json", "spec.json", "trace.onnx")}
    build_manifest(
        dataset="coco_dev",
        images=str(real / "coco-dev" / "images"),
        annotations=str(real / "coco-dev" / "instances.json"),
        limit=None,
        out=files["manifest.json"],
    )
    model = {"config": YOLOX, "checkpoint": str(real / "weights" / "yolox_nano_mmdet.pth")}
    describe_model(model="yolox_nano", **model, candidate_floor=None, out=files["spec.json"])
    trace_model(**model, spec=files["spec.json"], shape="dynamic", out=files["trace.onnx"])
    return folder, model, files


def detect(job, runtime, cut):
    """Predictions and detections of one variant; the path of its ONNX file, if any, and of its detections."""
    folder, model, files = job
    name = f"{runtime}-{cut}"
    run = {"manifest": files["manifest.json"], "provider": "cpu", "threads": 2, "shard": 0, "shards": 1}
    run |= {"out": str(folder / f"{name}.parquet"), "out_images": str(folder / f"{name}.images.parquet")}
    onnx = None
    if runtime == "pytorch":
        predict_pytorch(**model, spec=files["spec.json"], cut=cut, **run)
    else:
        onnx = str(folder / f"{cut}.onnx")
        write_export(
            trace=files["trace.onnx"],
            spec=files["spec.json"],
            cut=cut,
            clip="image",
            recipe="mmdet3",
            out=onnx,
        )
        predict_onnx(model=onnx, **run)
    detections = str(folder / f"{name}.json")
    postprocess(
        predictions=[run["out"]],
        images=[run["out_images"]],
        spec=files["spec.json"],
        manifest=files["manifest.json"],
        cut=cut,
        recipe="mmdet3",
        classes=None,
        out=detections,
    )
    return onnx, detections


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "cut"),
    [
        ("pytorch", "e2e"),
        ("pytorch", "raw"),
        ("onnxruntime", "raw"),
        ("onnxruntime", "decoded"),
        ("onnxruntime", "e2e"),
    ],
)
def test_the_measured_ap_is_reached(job, runtime, cut):
    folder, model, files = job
    onnx, detections = detect(job, runtime, cut)
    metrics_file = str(folder / f"{runtime}-{cut}.metrics.json")
    evaluate(manifest=files["manifest.json"], detections=detections, out=metrics_file)
    metrics = read_json(metrics_file)
    found = {name: metrics[name] for name in MEASURED}
    if (runtime, cut) == ("onnxruntime", "e2e"):
        assert found == pytest.approx(MEASURED, abs=5e-4)
    else:
        assert {name: round(value, 4) for name, value in found.items()} == MEASURED
    assert metrics["images"] == 108
    assert abs(metrics["detections"] - 6455) <= 5
    if onnx:
        verified = str(folder / f"{cut}.verify.json")
        verify_export(
            export=onnx,
            **model,
            spec=files["spec.json"],
            manifest=files["manifest.json"],
            images=3,
            out=verified,
        )
        assert read_json(verified)["failures"] == []
