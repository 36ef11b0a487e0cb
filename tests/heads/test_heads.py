"""Every dense head at every cut against mmdet's own ``predict``: the same detections, or a tie.

``make heads`` runs all heads with narrow backbones and writes ``docs/heads.md``, ``make zoo`` with the zoo's.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import Model, make_model
from parity import judge, match_detections
from torch.utils import _pytree as pytree
from zoo_models import (
    CANDIDATES,
    NMS_PRE,
    SIZES,
    build_zoo_model,
    class_logit_deviations,
    count_candidates,
    noise_images,
    prepare,
)

from cutpoint.candidates import Candidates, from_raw
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.image import Geometry
from cutpoint.pipeline import OnnxPipeline
from cutpoint.recipes import Detections, Recipe, apply_recipe, resolve_recipe
from cutpoint.runtime import Session

SCORE_TOLERANCE = {"numpy": 1e-5, "raw": 1e-4, "decoded": 1e-4, "e2e": 1e-4}
MOST_TIES = 0.01
# Steps of a head's recipe that change nothing on the three images: of one list of candidates top-k leaves
# fewer than the cap; boxes without area are rare.
IDLE = {"min_size", "cap"}


@dataclass
class Image:
    """One image on the PyTorch side."""

    path: str
    geometry: Geometry
    tensor: torch.Tensor
    raw: dict[str, np.ndarray]
    candidates: Candidates
    detections: Detections


@dataclass
class Bench:
    """A zoo model, mmdet's results of the images, and what was measured."""

    name: str
    backbone: str
    model: Model
    images: list[Image]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        return resolve_recipe("mmdet3", self.model.spec.head)

    def numpy(self, image: Image, recipe: Recipe) -> Detections:
        """Our recipe on torch's raw tensors."""
        return apply_recipe(recipe, image.candidates, image.geometry, self.model.spec)


@pytest.fixture(scope="session")
def bench(request, tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp(request.param)
    backbone = request.config.getoption("--backbone", "narrow")
    paths = noise_images(folder)
    config, checkpoint = build_zoo_model(request.param, backbone == "narrow", paths, folder)
    model = make_model(folder, config, checkpoint)
    pipeline = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")
    built = Bench(
        request.param, backbone, model, [run(pipeline, model, path) for path in paths[: len(SIZES)]]
    )
    yield built
    record = request.config.getoption("--record", None)
    if record:
        Path(record).mkdir(parents=True, exist_ok=True)
        rows = [{"head": built.name, "cut": cut, **row} for cut, row in built.rows.items()]
        (Path(record) / f"{built.name}.json").write_text(json.dumps(rows, indent=1))
    shutil.rmtree(folder)


def run(pipeline: MmdetPipeline, model: Model, path: str) -> Image:
    data, geometry = pipeline.prepare(pipeline.decode(path))
    outputs, metas = pipeline.infer(data, geometry)
    head = pipeline.spec.head
    values = [value.numpy().copy() for value in pytree.tree_leaves(outputs)]
    raw = dict(zip(head.raw_names, values, strict=True))
    detections = pipeline.read((outputs, metas), geometry)
    tensor = prepare(model.detector, model.pipeline, path)
    return Image(path, geometry, tensor, raw, from_raw(raw, head), detections)


@pytest.fixture(scope="session")
def exports(bench) -> dict[str, OnnxPipeline]:
    """A pipeline a cut, all from one dynamic trace."""
    start = time.perf_counter()
    trace = bench.model.trace()
    files = {cut: bench.model.export(trace, cut) for cut in ("raw", "decoded")}
    # score voting cannot be built into a graph
    voting = bench.recipe.get("score_voting") is not None
    recipe = {"base": "mmdet3", "score_voting": False} if voting else "mmdet3"
    files["e2e"] = bench.model.export(trace, "e2e", recipe=recipe)
    bench.rows["trace"] = {"seconds": time.perf_counter() - start}
    return {cut: OnnxPipeline(Session(path, "cpu", 1)) for cut, path in files.items()}


def test_the_weights_give_every_step_work(bench):
    head, detector = bench.model.spec.head, bench.model.detector
    changed = set()
    for image in bench.images:
        with torch.no_grad():
            counts = count_candidates(detector, image.tensor)
            deviations = class_logit_deviations(detector, image.tensor)
        assert CANDIDATES / 3 <= counts.sum() <= CANDIDATES * 2
        # a pair within rounding of the threshold may fall on either side
        assert abs(int(counts.sum()) - len(image.candidates)) <= 2
        assert max(deviations) >= 1
        whole = bench.numpy(image, bench.recipe)
        for step in {step["step"] for step in bench.recipe.steps} - {"threshold"}:
            other = bench.numpy(image, bench.recipe.without(step))
            if not (np.array_equal(other.boxes, whole.boxes) and np.array_equal(other.scores, whole.scores)):
                changed.add(step)
    top_k = bench.recipe.get("top_k")
    if top_k:
        assert top_k["k"] == NMS_PRE < counts.max()
    idle = {step["step"] for step in bench.recipe.steps} - {"threshold"} - changed
    assert idle <= IDLE
    assert head.num_classes == 80


def test_numpy_recipe_equals_predict(bench):
    start = time.perf_counter()
    found = [bench.numpy(image, bench.recipe) for image in bench.images]
    row = compare(bench, "numpy", found, [image.candidates for image in bench.images])
    row["seconds"] = time.perf_counter() - start
    assert_same(row, "numpy")


@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_onnx_candidates_equal_predict(bench, exports, cut):
    start = time.perf_counter()
    found, candidates, worst = [], [], 0.0
    for image in bench.images:
        outputs, geometry = infer(exports[cut], image)
        assert geometry == image.geometry
        expected = image.raw if cut == "raw" else bench.model.cuts(image.tensor.numpy())
        for name, value in outputs.items():
            assert value.shape == expected[name].shape
            worst = max(worst, float(np.abs(value - expected[name]).max()))
        candidates.append(exports[cut].read(outputs, geometry))
        found.append(apply_recipe(bench.recipe, candidates[-1], geometry, bench.model.spec))
    row = compare(bench, cut, found, candidates)
    row |= {"tensor": worst, "seconds": time.perf_counter() - start}
    assert_same(row, cut)


def test_onnx_e2e_equals_predict(bench, exports):
    start = time.perf_counter()
    found, candidates = [], []
    for image in bench.images:
        outputs, geometry = infer(exports["e2e"], image)
        found.append(exports["e2e"].read(outputs, geometry))
        inside, _ = infer(exports["decoded"], image)
        candidates.append(exports["decoded"].read(inside, geometry))
    row = compare(bench, "e2e", found, candidates)
    row["seconds"] = time.perf_counter() - start
    assert_same(row, "e2e")


def infer(pipeline: OnnxPipeline, image: Image) -> tuple[dict[str, np.ndarray], Geometry]:
    tensor, geometry = pipeline.prepare(pipeline.decode(image.path))
    np.testing.assert_array_equal(tensor, image.tensor.numpy())
    return pipeline.infer(tensor, geometry), geometry


def compare(bench: Bench, cut: str, found: list[Detections], candidates: list[Candidates]) -> dict[str, Any]:
    """Judge every image; the worst of each difference."""
    recipe = bench.recipe
    if cut == "e2e" and recipe.get("score_voting"):
        recipe = recipe.without("score_voting")
        references = [bench.numpy(image, recipe) for image in bench.images]
    else:
        references = [image.detections for image in bench.images]
    row = {"candidates": 0, "detections": 0, "matched": 0, "score": 0.0, "box": 0.0}
    row |= {"ties": [], "unexplained": []}
    for image, reference, ours, theirs in zip(bench.images, references, found, candidates, strict=True):
        verdict = judge(reference, ours, image.candidates, theirs, recipe, image.geometry, bench.model.spec)
        left, right = match_detections(reference, ours)
        row["score"] = max(row["score"], largest(reference.scores[left] - ours.scores[right]))
        row["box"] = max(row["box"], largest(reference.boxes[left] - ours.boxes[right]))
        row["candidates"] += len(theirs)
        row["detections"] += len(reference)
        row["matched"] += verdict.matched
        row["ties"] += verdict.ties
        row["unexplained"] += verdict.unexplained
    bench.rows[cut] = row
    return row


def largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max(initial=0))


def assert_same(row: dict[str, Any], cut: str) -> None:
    assert row["unexplained"] == []
    assert row["detections"] >= 150
    assert len(row["ties"]) <= MOST_TIES * row["detections"]
    assert row["score"] <= SCORE_TOLERANCE[cut]
