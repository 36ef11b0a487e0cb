"""A file that its authors published, not Cutpoint: YOLOX's own export of YOLOX-nano, on real images."""

import pytest
from models import YOLOX
from scoring import make_scoring

from cutpoint.data.manifest import build_manifest
from cutpoint.detector.describe import describe_model
from cutpoint.detector.verify import verify_export
from cutpoint.errors import UserError
from cutpoint.evaluate.coco import evaluate
from cutpoint.export.external import import_onnx
from cutpoint.files import read_json
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx

# ../shared/real/README.md: best class of each location, and every class above the threshold
MEASURED = {"best class": (0.2864, 0.4370, 0.3170, 6454), "multi-label": (0.2886, 0.4409, 0.3196, 8033)}
OUTPUTS = {
    "layout": "rows",
    "box": {"tensor": "output", "channels": [0, 4]},
    "factor": {"tensor": "output", "channels": [4, 5], "activated": True},
    "score": {"tensor": "output", "channels": [5, 85], "activated": True},
}


@pytest.fixture(scope="module")
def job(real, tmp_path_factory):
    """The imported file with manifest, specification and predictions."""
    folder = tmp_path_factory.mktemp("external")
    names = ("manifest.json", "spec.json", "ours.onnx", "0.parquet", "0.images.parquet")
    manifest, spec, onnx, predictions, images = (str(folder / name) for name in names)
    build_manifest(
        dataset="coco_dev",
        images=str(real / "coco-dev" / "images"),
        annotations=str(real / "coco-dev" / "instances.json"),
        limit=None,
        out=manifest,
    )
    checkpoint = str(real / "weights" / "yolox_nano_mmdet.pth")
    describe_model(model="yolox_nano", config=YOLOX, checkpoint=checkpoint, candidate_floor=None, out=spec)
    theirs = str(real / "weights" / "yolox_nano_official.onnx")
    import_onnx(onnx=theirs, outputs=OUTPUTS, spec=spec, cut="raw", out=onnx)
    files = {"out": predictions, "out_images": images}
    predict_onnx(model=onnx, manifest=manifest, provider="cpu", threads=2, shard=0, shards=1, **files)
    return folder, manifest, spec, onnx, checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_the_published_file_reaches_the_measured_ap(job, name):
    folder, manifest, spec, _, _ = job
    steps = read_json(spec)["head"]["recipe"]
    multi_label = [step for step in steps if step["step"] != "best_class"]
    assert len(multi_label) == len(steps) - 1
    detections, metrics = str(folder / "detections.json"), str(folder / "metrics.json")
    labels, truth = make_scoring(manifest, spec)
    postprocess(
        predictions=[str(folder / "0.parquet")],
        images=[str(folder / "0.images.parquet")],
        spec=spec,
        labels=labels,
        cut="raw",
        recipe="mmdet3" if name == "best class" else {"steps": multi_label},
        out=detections,
    )
    evaluate(truth=truth, detections=detections, out=metrics)
    found = read_json(metrics)
    rounded = tuple(round(found[key], 4) for key in ("AP", "AP50", "AP75"))
    assert (*rounded, found["detections"]) == MEASURED[name]


@pytest.mark.slow
def test_the_published_file_is_the_detector_that_mmdet_has(job):
    folder, manifest, spec, onnx, checkpoint = job
    out = str(folder / "verify.json")
    model = {"config": YOLOX, "checkpoint": checkpoint, "spec": spec}
    verify_export(export=onnx, **model, manifest=manifest, images=3, out=out)
    found = read_json(out)
    assert found["failures"] == []
    assert found["inputs"] == [[1, 3, 416, 416]] * 3


@pytest.mark.slow
def test_a_batch_that_the_file_does_not_take_is_refused(job):
    folder, manifest, _, onnx, _ = job
    with pytest.raises(UserError, match=r"a batch of 2: .*onnx takes 1; set `batch`"):
        predict_onnx(
            model=onnx,
            manifest=manifest,
            provider="cpu",
            threads=1,
            shard=0,
            shards=1,
            batch=2,
            out=str(folder / "batch.parquet"),
            out_images=str(folder / "batch.images.parquet"),
        )
