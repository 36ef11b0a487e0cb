"""A model under test: mmdet's results of the images, and what its files were measured to differ by."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from mmengine.dataset import pseudo_collate
from models import Model
from parity import judge, match_detections
from zoo_cases import Case
from zoo_models import SIZES

from cutpoint.data.image import clip_size
from cutpoint.decode.candidates import from_raw
from cutpoint.detector.kinds import open_cuts
from cutpoint.detector.movement import Movement, measure_movement
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.matching import matched_fraction
from cutpoint.predict.pipeline import OnnxPipeline, image_sizes
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.steps.overlaps import ScoreVoting
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import HeadSpec
from cutpoint.records.image import Geometry

LEAST_DETECTIONS = 150  # of all images


@dataclass
class Image:
    """One image on the PyTorch side.

    ``tensor``: ``(1, 3, H, W)``, padded as its batch is; ``sizes``: its row of ``image_sizes``.
    ``outputs``: what ``Cuts`` gives for it, ``(1, ...)``. ``candidates``: our reader's, of the outputs of
    ``raw``. ``detections``: mmdet's own.
    """

    path: str
    geometry: Geometry
    tensor: np.ndarray
    sizes: np.ndarray | None
    outputs: dict[str, np.ndarray]
    candidates: Candidates
    detections: Detections

    @property
    def places(self) -> set[int]:
        """The priors that the network chose; empty where it has no choice."""
        return places_of(self.outputs, 0)


@dataclass
class Bench:
    """A model, mmdet's results of the images, and what was measured."""

    name: str
    case: Case
    model: Model
    pipeline: MmdetPipeline
    paths: list[str]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    _batches: dict[int, list[Image]] = field(default_factory=dict)

    @property
    def head(self) -> HeadSpec:
        return self.model.spec.head

    @property
    def recipe(self) -> Recipe:
        return resolve_recipe("mmdet3", self.head)

    @property
    def batches(self) -> tuple[int, ...]:
        """Each image alone, and all images as one padded batch."""
        return 1, len(SIZES)

    def images(self, batch: int) -> list[Image]:
        """mmdet's results of all images, so many at once."""
        if batch not in self._batches:
            groups = [self.paths[first : first + batch] for first in range(0, len(self.paths), batch)]
            self._batches[batch] = [image for group in groups for image in self._run(group)]
        return self._batches[batch]

    def _run(self, paths: list[str]) -> list[Image]:
        pipeline = self.pipeline
        data, geometries = pipeline.batch([pipeline.prepare(pipeline.decode(path)) for path in paths])
        tensor = pipeline._detector.data_preprocessor(pseudo_collate(data))["inputs"].numpy()
        found = pipeline.infer(data, *geometries)
        sizes = None
        if self.head.takes_sizes:
            sizes = np.concatenate([image_sizes(g, self.model.spec.input) for g in geometries])
        outputs = self.model.cuts(tensor, sizes)
        raw = {name: outputs[name] for name in self.head.raw_names}
        return [
            Image(
                path,
                geometry,
                tensor[i : i + 1],
                None if sizes is None else sizes[i : i + 1],
                {name: of_image(name, value, i) for name, value in outputs.items()},
                from_raw(raw, self.head, i, clip_size(geometry, self.model.spec.input)),
                # mmdet's own, NaN included: score voting of a box without area divides 0 by 0
                pipeline.read(found, geometry, i),
            )
            for i, (path, geometry) in enumerate(zip(paths, geometries, strict=True))
        ]

    def moved(self) -> Movement:
        """How far torch itself moves under a tiny change of the images; kept as a row."""
        images, spec = self.images(len(SIZES)), self.model.spec
        tensor = np.concatenate([image.tensor for image in images])
        sizes = np.concatenate([image.sizes for image in images]) if self.head.takes_sizes else None
        cuts = open_cuts(self.model.detector, spec, "a test")
        moved = measure_movement(cuts, spec, tensor, sizes, [image.geometry for image in images])
        self.rows["moved"] = {"share": moved.matched, "logits": moved.tensors["logits"]}
        return moved

    def numpy(self, image: Image, recipe: Recipe) -> Detections:
        """Our recipe on torch's raw tensors."""
        return apply_recipe(recipe, image.candidates, image.geometry, self.model.spec)

    def judge(
        self,
        cut: str,
        images: list[Image],
        found: list[Detections],
        candidates: list[Candidates],
        places: list[set[int]],
        start: float,
        **measured: float,
    ) -> dict[str, Any]:
        """Judge every image and keep the worst of each difference.

        Args:
            cut: names the row; ``e2e`` is compared without what a graph cannot do.
            images: mmdet's side.
            found: the detections of the other side, an image each.
            candidates: their candidates, to trace what has no partner.
            places: see ``places_of``, for the same purpose.
            start: when the work began, of ``time.perf_counter``.
            measured: more numbers for the row.
        """
        recipe = self.recipe
        references = [image.detections for image in images]
        if cut.startswith("e2e") and recipe.get(ScoreVoting):
            recipe = recipe.without(ScoreVoting)
            references = [self.numpy(image, recipe) for image in images]
        row: dict[str, Any] = {"candidates": 0, "detections": 0, "matched": 0, "score": 0.0, "box": 0.0}
        row |= {"others": 0, "ties": [], "unexplained": []}
        for image, reference, ours, theirs, chosen in zip(
            images, references, found, candidates, places, strict=True
        ):
            if recipe.get(ScoreVoting):
                reference, ours = defined(reference), defined(ours)
            context = recipe, image.geometry, self.model.spec, (image.places, chosen)
            verdict = judge(reference, ours, image.candidates, theirs, *context)
            pairs = match_detections(reference, ours)
            row["score"] = max(row["score"], largest(reference.scores[pairs.left] - ours.scores[pairs.right]))
            row["box"] = max(row["box"], largest(reference.boxes[pairs.left] - ours.boxes[pairs.right]))
            row["candidates"] += len(theirs)
            row["detections"] += len(reference)
            row["others"] += len(ours)
            row["matched"] += verdict.matched
            row["ties"] += verdict.ties
            row["unexplained"] += verdict.unexplained
        row["share"] = matched_fraction(row["matched"], row["detections"] + row["others"])
        self.rows[cut] = row | measured | {"seconds": time.perf_counter() - start}
        assert row["detections"] >= LEAST_DETECTIONS
        return self.rows[cut]


def infer(pipeline: OnnxPipeline, images: Sequence[Image]) -> tuple[dict[str, np.ndarray], list[Geometry]]:
    """Run the images as one batch, prepared by our input recipe."""
    prepared = [pipeline.prepare(pipeline.decode(image.path)) for image in images]
    tensor, geometries = pipeline.batch(prepared)
    np.testing.assert_array_equal(tensor, np.concatenate([image.tensor for image in images]))
    assert geometries == [image.geometry for image in images]
    return pipeline.infer(tensor, *geometries), geometries


def defined(detections: Detections) -> Detections:
    """Zeros for boxes that score voting leaves undefined: a box without area is 0 divided by 0."""
    return replace(detections, boxes=np.nan_to_num(detections.boxes))


def places_of(outputs: dict[str, np.ndarray], number: int) -> set[int]:
    """The priors that the network chose for an image of the batch; empty where it has no choice."""
    return set(outputs["priors"][number].tolist()) if "priors" in outputs else set()


def of_image(name: str, value: np.ndarray, number: int) -> np.ndarray:
    """An output's part for one image of the batch, ``(1, ...)``; the counts of levels are of all images."""
    return value if name == "level_counts" else value[number : number + 1]


def compare_outputs(
    outputs: dict[str, np.ndarray], image: Image, number: int, head: HeadSpec
) -> dict[str, float]:
    """The largest difference of each output from torch's.

    Where rows are ranks, those of the same prior are compared, because two nearly equal scores may swap.

    Args:
        outputs: of a file, ``(B, ...)``.
        image: torch's side, of the same batch.
        number: the image's place in the batch.
        head: the model's.
    """
    ours, theirs = {}, {}
    for name, value in outputs.items():
        expected = image.outputs[name]
        own = of_image(name, value, number)
        ours[name], theirs[name] = own, expected
        assert own.shape == expected.shape, name
    if getattr(head, "selected", False):
        _, left, right = np.intersect1d(ours["priors"][0], theirs["priors"][0], return_indices=True)
        named = [name for name in ours if name not in ("priors", "proposal_count")]
        ours, theirs = (
            {name: side[name][0][rows] for name in named} for side, rows in ((ours, left), (theirs, right))
        )
    return {name: largest(value - theirs[name]) for name, value in ours.items()}


def largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max(initial=0))
