"""Mistakes with proposals and queries that other code plants, the example's, are named on other images."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from datasets import make_image, save_labels, save_manifest
from row_graphs import write_queries, write_rois
from tracing import CLASSES, write_picture

from cutpoint.compare.diagnosis import diagnose
from cutpoint.compare.fingerprints import fingerprint
from cutpoint.export.cut import write_cut
from cutpoint.files import write_json
from cutpoint.records.diagnosis import read_diagnosis

SCRIPT = Path(__file__).parents[3] / "examples/postprocess.py"
IMAGES = 32


def example():
    specification = importlib.util.spec_from_file_location("postprocess_planted", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Bench:
    """A file of one kind, pictures, the reference's detections and the fingerprints."""

    def __init__(self, folder, write):
        self.folder, self.rows = folder, []
        files = write(folder)
        self.model = str(folder / "raw.onnx")
        write_cut(**files, cut="raw", out=self.model)
        for identity in range(1, IMAGES + 1):
            height, width = (72, 108) if identity % 2 else (96, 66)  # the second is padded at the right
            path = write_picture(folder / f"{identity}.png", height, width, seed=identity)
            self.rows.append(make_image(identity, path, height, width))
        self.common = {
            "model": self.model,
            "manifest": save_manifest(folder / "manifest.json", self.rows),
            "reference": self.detections(),
            "provider": "cpu",
            "threads": 1,
            "images": IMAGES // 2,
            "labels": save_labels(folder / "labels.json", (1, 2, 3), CLASSES),
            "truth": None,
        }
        self.fingerprints = str(folder / "fingerprints.json")
        fingerprint(**self.common, out=self.fingerprints)

    def detections(self, plant=None):
        """The example's detections, with a mistake in ``plant(script, session, image)``."""
        script = example()
        session = onnxruntime.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        if plant:
            plant(script)
        entries = []
        for row in self.rows:
            boxes, scores, labels, _ = script.detect(session, cv2.imread(row.path))
            for (x1, y1, x2, y2), score, label in zip(
                boxes.tolist(), scores.tolist(), labels.tolist(), strict=True
            ):
                entry = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
                entries.append({"image_id": row.id, "category_id": label + 1, **entry})
        path = str(self.folder / f"{'planted' if plant else 'reference'}.json")
        write_json(path, entries)
        return path

    def diagnose(self, plant):
        out = str(self.folder / "diagnosis.json")
        variant = self.detections(plant)
        diagnose(**self.common, fingerprints=self.fingerprints, variant=variant, out=out)
        return read_diagnosis(out)


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    return {
        "rois": Bench(tmp_path_factory.mktemp("rois"), write_rois),
        "queries": Bench(tmp_path_factory.mktemp("queries"), write_queries),
    }


def reading(kind, change):
    """A mistake in the outputs, or in what is known of the head."""

    def plant(script):
        right = script.RAW[kind]
        script.RAW[kind] = lambda outputs, head, sizes: right(*change(dict(outputs), head, sizes))

    return plant


def stds(outputs, head, sizes):
    return outputs, head | {"coder": head["coder"] | {"stds": [1.0] * 4}}, sizes


def background_first(outputs, head, sizes):
    return outputs | {"logits": outputs["logits"][..., [1, 2, 3, 0]]}, head, sizes


def by_side(outputs, head, sizes):
    deltas = outputs["deltas"]
    return (
        outputs | {"deltas": deltas.reshape(1, -1, 4, 3).transpose(0, 1, 3, 2).reshape(deltas.shape)},
        head,
        sizes,
    )


def padded(outputs, head, sizes):
    return outputs, head, sizes | {"image": sizes["tensor"]}


def twice(outputs, head, sizes):
    return outputs | {"logits": 1 / (1 + np.exp(-outputs["logits"]))}, head, sizes


def corners(outputs, head, sizes):
    x1, y1, x2, y2 = np.moveaxis(outputs["cxcywh"], -1, 0)
    return outputs | {"cxcywh": np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], -1)}, head, sizes


def nms_behind(script):
    right = script.postprocess

    def finish(table, head, sizes, score_thr=None):
        boxes, scores, labels = right(table, head, sizes, score_thr)
        kept = script.suppress({"iou_threshold": 0.45}, boxes, scores, labels)
        return boxes[kept], scores[kept], labels[kept]

    script.postprocess = finish


@pytest.mark.parametrize(
    ("kind", "name", "plant"),
    [
        ("rois", "stds_forgotten", reading("rois", stds)),
        ("rois", "background_first", reading("rois", background_first)),
        ("rois", "deltas_by_side", reading("rois", by_side)),
        ("queries", "padded_size", reading("queries", padded)),
        ("queries", "double_sigmoid", reading("queries", twice)),
        ("queries", "corners", reading("queries", corners)),
        ("queries", "nms_added", nms_behind),
    ],
)
def test_a_planted_mistake_is_named(benches, kind, name, plant):
    found = benches[kind].diagnose(plant)
    assert (found.verdict, found.names) == ("looks like", (name,)), found.text


def test_right_detections_need_no_mistake(benches):
    for bench in benches.values():
        assert bench.diagnose(lambda script: None).verdict == "nothing to explain"
        known = json.loads(Path(bench.fingerprints).read_text())
        assert known["limit"] > 0
