"""The demo's detector with the fingerprints of its mistakes, to plant mistakes in by other code."""

import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from models import make_model
from scoring import make_scoring

from cutpoint.compare import diagnosis
from cutpoint.compare.fingerprints import fingerprint, run_mistakes, split_images
from cutpoint.data.manifest import build_manifest
from cutpoint.detector.trace import trace_model
from cutpoint.files import read_json, write_json
from cutpoint.records.manifest import read_manifest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import postprocess as example

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 24  # of each half


class Bed:
    """The demo's detector with fingerprints of half of its images; plants are on the other half."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config, checkpoint = str(ROOT / "config/demo/atss_traffic.py"), ROOT / "data/demo/atss_traffic.pth"
        self.model = make_model(folder, config, str(checkpoint))
        self.trace = str(folder / "trace.onnx")
        spec = {"checkpoint": str(checkpoint), "spec": self.model.spec_file}
        trace_model(config=config, **spec, shape="dynamic", exporter="torchscript", out=self.trace)
        self.raw = self.model.export(self.trace, "raw")
        data = ROOT / "data/demo/traffic"
        self.manifest = str(folder / "manifest.json")
        build_manifest(
            dataset="traffic",
            images=str(data / "images"),
            annotations=str(data / "instances.json"),
            limit=None,
            out=self.manifest,
        )
        labels, truth = make_scoring(self.manifest, self.model.spec_file)
        data = read_manifest(self.manifest)
        others, self.images = split_images(data, IMAGES)
        self.plain = self.run(onnx.load(self.raw))
        taken = {image.id for image in others + self.images}
        self.listed = data.images
        rest = others + [image for image in self.listed if image.id not in taken]
        self.rest = self.run(onnx.load(self.raw), images=rest)
        every = self.rest + self.plain
        self.reference, self.prints = str(folder / "reference.json"), str(folder / "prints.json")
        write_json(self.reference, every)
        self.common = {
            "model": self.raw,
            "manifest": self.manifest,
            "reference": self.reference,
            "provider": "cpu",
            "threads": 2,
            "images": IMAGES,
            "labels": labels,
            "truth": truth,
        }
        fingerprint(**self.common, out=self.prints)
        self.made: dict[str, list] = {}

    def run(self, graph, alter=None, images=None):
        """The example script on every image. ``alter``: image to another one, and its scale x, y."""
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        results = []
        for listed in images or self.images:
            image, scale = cv2.imread(listed.path), (1, 1)
            if alter:
                image, scale = alter(image)
            boxes, scores, labels, _ = example.detect(session, image)
            for box, score, label in zip(boxes, scores, labels, strict=True):
                x1, y1, x2, y2 = (box / np.array([*scale, *scale])).tolist()
                results.append(
                    {
                        "image_id": listed.id,
                        "category_id": int(label) + 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "score": float(score),
                    }
                )
        return results

    def diagnose(self, results, whole=False):
        """What is said of COCO results, of the planted half of the images or of the ``whole`` data set."""
        variant, out = str(self.folder / "variant.json"), str(self.folder / "diagnosis.json")
        write_json(variant, results if whole else self.rest + results)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(diagnosis, "run_mistakes", self.remake)
            diagnosis.diagnose(fingerprints=self.prints, variant=variant, **self.common, out=out)
        return read_json(out)

    def remake(self, session, mistakes, images, categories):
        """``run_mistakes``, each mistake once for all diagnoses: they are of the same images."""
        new = [mistake for mistake in mistakes if mistake.name not in self.made]
        if new:
            self.made |= run_mistakes(session, new, images, categories)
        return {mistake.name: self.made[mistake.name] for mistake in mistakes}
