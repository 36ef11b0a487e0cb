"""What the benchmarks run: YOLOX-nano with real weights, the demo's small ATSS, ATSS-R50 with drawn ones."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
from mmengine.config import Config

from cutpoint.data.manifest import build_manifest
from cutpoint.data.truth import build_truth, map_labels
from cutpoint.detector.describe import describe_model
from cutpoint.detector.trace import trace_model
from cutpoint.export.cut import write_cut
from cutpoint.export.e2e import write_e2e

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("CUTPOINT_REAL", ROOT / "../shared/real"))


@dataclass(frozen=True)
class Detector:
    """A model and its data: config, checkpoint, folder of images, annotations (or null)."""

    config: str
    checkpoint: str
    images: Path
    annotations: Path | None = None


YOLOX_NANO = Detector(
    "mmdet::yolox/yolox_nano_8xb8-300e_coco.py",
    str(REAL / "weights/yolox_nano_mmdet.pth"),
    REAL / "coco-dev/images",
    REAL / "coco-dev/instances.json",
)
SMALL_ATSS = Detector(
    str(ROOT / "config/demo/atss_traffic.py"),
    str(ROOT / "data/demo/atss_traffic.pth"),
    ROOT / "data/demo/traffic/images",
    ROOT / "data/demo/traffic/instances.json",
)


def atss_r50(folder: Path, height: int, width: int, candidates: int = 800) -> Detector:
    """ATSS-R50 with its zoo config, weights drawn so that about ``candidates`` pairs an image pass.

    Args:
        folder: where config, checkpoint and images (JPEG, noise with the statistics of photographs) go.
        height, width: of the images and of the network input, pixels.
        candidates: pairs above the score threshold, on average over the images.
    """
    sys.path.insert(0, str(ROOT / "tests" / "heads"))
    import zoo_models

    images = _draw_images(folder, height, width)
    config, checkpoint = zoo_models.build_zoo_model("atss", False, images, folder, candidates)
    _compress(images)
    # the test bed's short top-k and cap are for small images
    changed = Config.fromfile(config)
    changed.model.test_cfg.nms_pre, changed.model.test_cfg.max_per_img = 1000, 100
    changed.dump(config)
    return Detector(config, checkpoint, folder / "images")


def faster_rcnn_r50(folder: Path, height: int, width: int) -> Detector:
    """Faster R-CNN R50 with its zoo config (1000 proposals) and drawn weights; arguments as ``atss_r50``."""
    sys.path.insert(0, str(ROOT / "tests" / "heads"))
    import roi_models

    images = _draw_images(folder, height, width)
    config, checkpoint = roi_models.build_roi_model("faster_rcnn", False, images, folder)
    _compress(images)
    changed = Config.fromfile(config)
    changed.model.test_cfg.rpn.nms_pre = changed.model.test_cfg.rpn.max_per_img = 1000
    changed.dump(config)
    return Detector(config, checkpoint, folder / "images")


def deformable_detr_r50(folder: Path, height: int, width: int) -> Detector:
    """Deformable DETR R50 with its zoo config and drawn weights; arguments as ``atss_r50``."""
    sys.path.insert(0, str(ROOT / "tests" / "heads"))
    import query_models

    images = _draw_images(folder, height, width)
    config, checkpoint = query_models.build_query_model("deformable_detr", False, images, folder)
    _compress(images)
    return Detector(config, checkpoint, folder / "images")


def _draw_images(folder: Path, height: int, width: int) -> list[str]:
    """PNG files of noise with the statistics of photographs, and the sides that configs are limited to."""
    import zoo_models

    (folder / "images").mkdir(parents=True)
    zoo_models.SIZES = ((height, width),) * 3
    zoo_models.SIDES = (min(height, width), max(height, width))
    return zoo_models.noise_images(folder / "images")


def _compress(images: list[str]) -> None:
    """JPEG files in place of the PNG files."""
    for path in map(Path, images):
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 90])
        path.unlink()


def write_export(*, cut: str, **files: str) -> None:
    """Write the ONNX file of any cut."""
    if cut == "e2e":
        write_e2e(**files)
    else:
        write_cut(cut=cut, **files)


def export(detector: Detector, folder: Path, *cuts: str, shape: str | list[int] = "dynamic") -> None:
    """Write ``spec.json``, ``manifest.json`` and ``{cut}.onnx`` of each cut into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = {"config": detector.config, "checkpoint": detector.checkpoint}
    spec, trace = str(folder / "spec.json"), str(folder / "trace.onnx")
    describe_model(model="measured", **model, candidate_floor=None, out=spec)
    trace_model(**model, spec=spec, shape=shape, out=trace)
    for cut in cuts:
        write_export(cut=cut, trace=trace, spec=spec, out=str(folder / f"{cut}.onnx"))
    manifest = str(folder / "manifest.json")
    build_manifest(
        dataset="data",
        images=str(detector.images),
        annotations=detector.annotations and str(detector.annotations),
        limit=None,
        out=manifest,
    )
    labels = str(folder / "labels.json")
    map_labels(manifest=manifest, spec=spec, classes=None, order=None, out=labels)
    if detector.annotations:
        choices = {"invalid_boxes": None, "categories_without_class": None}
        build_truth(manifest=manifest, labels=labels, **choices, out=str(folder / "truth.json"))


def latency_job(detector: Detector, folder: Path, cut: str, threads: int, provider: str = "cpu") -> dict:
    """A job for ``coordinator.Worker``: an export of ``export``'s, or PyTorch with ``cut: "pytorch"``."""
    torch = cut == "pytorch"
    return {
        "variant": cut,
        "runtime": "pytorch" if torch else "onnxruntime",
        "cut": "e2e" if torch else cut,
        "provider": provider,
        "tf32": False,
        "model": None if torch else str(folder / f"{cut}.onnx"),
        "config": detector.config,
        "checkpoint": detector.checkpoint,
        "spec": str(folder / "spec.json"),
        "input": "mmdet",
        "imports": [],
        "recipe": "mmdet3",
        "recipe_text": "mmdet3",
        "threads": threads,
        "batch": 1,
    }
