"""One image through all stages of a variant: what a golden pack has of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.data.image import clip_size, image_sizes, resized_size
from cutpoint.data.inputs import Definition, resolve_input
from cutpoint.decode.candidates import rows_of
from cutpoint.golden.checker.outputs import grid_of
from cutpoint.golden.checker.rows import Rows
from cutpoint.golden.mistakes import input_mistakes, reading_mistakes
from cutpoint.golden.tolerances import Run, add_noise, spread_of
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import run_steps
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.steps.boxes import Rescale
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import keeps_candidates
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.manifest import Image
from cutpoint.records.model import ModelSpec

ROW_COLUMNS = ("boxes", "scores", "labels", "factors", "priors", "levels")
STATE_COLUMNS = ("boxes", "scores", "labels", "factors", "ids")
DETECTION_COLUMNS = ("boxes", "scores", "labels", "ids")
MISTAKE_COLUMNS = ("boxes", "scores", "labels")


@dataclass(frozen=True)
class Source:
    """What a pack is made with: pipeline, session, input recipe, and the recipe behind the graph."""

    pipeline: OnnxPipeline
    session: Session
    input: InputRecipe
    recipe: Recipe

    @property
    def spec(self) -> ModelSpec:
        """The model with the variant's own input recipe, which clips boxes."""
        return replace(self.session.spec, input=self.input)

    def with_input(self, recipe: InputRecipe) -> "Source":
        """The same with another input recipe."""
        return replace(self, pipeline=OnnxPipeline(self.session, recipe), input=recipe)

    def is_uneven(self, image: Image) -> bool:
        """Whether the resize gives an image's sides different factors, by rounding."""
        height, width = resized_size(image.height, image.width, self.input)
        return self.input.keep_ratio and height * image.width != width * image.height

    @property
    def by_prior(self) -> bool:
        """Whether prior and label name a row, since the graph does not end in rows."""
        return self.session.cut != "e2e"


@dataclass(frozen=True)
class Made:
    """What one image gives: arrays by key, its entry in ``pack.json``, what noise does to it."""

    arrays: dict[str, np.ndarray]
    entry: dict[str, Any]
    spread: dict[str, float]
    runs: Run


def make_source(session: Session, definition: Definition, recipe: str | dict[str, Any]) -> Source:
    """What a pack is made with, from an open session; arguments as in ``write_pack``."""
    head = session.spec.head
    resolved = resolve_input(definition, session.spec.input, session.shape)
    pipeline = OnnxPipeline(session, resolved)
    if keeps_candidates(session.cut, head):
        steps = resolve_recipe(recipe, head, session.scores or "class")
    else:
        steps = Recipe((Rescale("divide"),) if session.clip == "tensor" else ())
    return Source(pipeline, session, resolved, steps)


def input_facts(source: Source) -> dict[str, Any]:
    """The input recipe for a port: every key, the tensor's form, and the values of a pixel in the tensor.

    A value of the tensor is ``(pixel - mean) / std`` with the pack's ``mean`` and ``std``, one a channel;
    ``level`` is what one level of a pixel is in it.
    """
    recipe, form = source.input, source.session.tensor
    by = recipe.divide_by or 1.0
    mean = [by * value for value in recipe.mean or (0.0, 0.0, 0.0)]
    std = [by * value for value in recipe.std or (1.0, 1.0, 1.0)]
    return {
        "dtype": form.dtype,
        "axes": "batch, height, width, channel" if form.channels_last else "batch, channel, height, width",
        "channels": "red, green, blue" if recipe.bgr_to_rgb else "blue, green, red",
        "mean": mean,
        "std": std,
        "level": [1 / value for value in std],
        "recipe": recipe.to_dict(),
    }


def run_image(source: Source, image: Image, number: int) -> Made:
    """Run one image through all stages, once as it is and once with noise."""
    pipeline, session = source.pipeline, source.session
    pixels = pipeline.decode(image.path)
    tensor, geometry = pipeline.prepare(pixels)
    outputs, states = _run(source, tensor, geometry)
    last_axis = session.tensor.channels_last
    noisy = add_noise(tensor, input_facts(source)["level"], geometry, last_axis, seed=number)
    noisy_outputs, noisy_states = _run(source, noisy, geometry)
    rgb = np.ascontiguousarray(pixels[..., ::-1])
    arrays = {"pixels_grid": grid_of(rgb), "input": tensor}
    if session.takes_sizes:
        arrays["image_sizes"] = image_sizes(geometry, source.input)
    arrays |= {f"output.{name}": value for name, value in outputs.items()}
    arrays |= _row_arrays(states) | _mistaken(source, pixels) | _misread(source, outputs, geometry)
    name = f"image{number}"
    clip_height, clip_width = clip_size(geometry, source.input)
    entry = {
        "name": name,
        "file": f"images/{name}{Path(image.path).suffix.lower()}",
        "file_name": image.file_name,
        "image_id": image.id,
        "pixels": {
            "height": geometry.height,
            "width": geometry.width,
            "sha256": hashlib.sha256(rgb.tobytes()).hexdigest(),
            "mean": rgb.reshape(-1, 3).mean(axis=0).tolist(),
        },
        "geometry": {**asdict(geometry), "clip_height": clip_height, "clip_width": clip_width},
        "candidates": len(states[0]),
        "detections": len(states[-1]),
    }
    # the rows of a graph that ends in rows are compared as rows, in any order
    spread = spread_of(outputs, noisy_outputs) if source.by_prior else {}
    return Made(arrays, entry, spread, (states, noisy_states))


def _mistaken(source: Source, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The final boxes that each mistake in the input gives."""
    arrays: dict[str, np.ndarray] = {}
    for name, _, recipe in input_mistakes(source.input, source.session.tensor):
        wrong = source.with_input(recipe)
        # a network that sees wrong numbers may overflow; such values are not detections
        with np.errstate(all="ignore"):
            _, states = _run(wrong, *wrong.pipeline.prepare(pixels))
        last = states[-1]
        rows = last.take(np.flatnonzero(np.isfinite(last.boxes).all(axis=1) & np.isfinite(last.scores)))
        arrays |= {f"mistake.{name}.{column}": _column(rows, column) for column in MISTAKE_COLUMNS}
    return arrays


def _misread(source: Source, outputs: Mapping[str, np.ndarray], geometry: Geometry) -> dict[str, np.ndarray]:
    """The final boxes that each mistake in reading the outputs gives."""
    arrays: dict[str, np.ndarray] = {}
    for mistake in reading_mistakes(source.spec, source.session.cut):
        with np.errstate(all="ignore"):
            found = mistake.finish(dict(outputs), geometry, source.recipe, source.spec)
        rows = Rows(found.boxes, found.scores, found.labels)
        arrays |= {f"mistake.{mistake.name}.{column}": _column(rows, column) for column in MISTAKE_COLUMNS}
    return arrays


def _run(
    source: Source, tensor: np.ndarray, geometry: Geometry
) -> tuple[Mapping[str, np.ndarray], list[Rows]]:
    """The graph's outputs for one image, and the candidates and the rows after each step."""
    pipeline = source.pipeline
    count = source.session.batch or 1
    # a file of a fixed batch gets the image as often as it wants
    batch, geometries = pipeline.batch([(tensor, geometry)] * count)
    outputs = pipeline.infer(batch, *geometries)
    found = pipeline.read(outputs, geometries[0])
    first = {name: value[:1] if _has_batch(name, value, count) else value for name, value in outputs.items()}
    candidates = _as_candidates(found, outputs, source)
    states = [candidates, *run_steps(source.recipe, candidates, geometries[0], source.spec)]
    return first, _as_rows(states)


def _has_batch(name: str, value: np.ndarray, count: int) -> bool:
    return count > 1 and name != "level_counts" and len(value) == count


def _as_candidates(
    found: Candidates | Detections, outputs: dict[str, np.ndarray], source: Source
) -> Candidates:
    """What the recipe begins with; for a graph that ends in detections its rows."""
    if isinstance(found, Candidates):
        return found
    boxes, scores, labels = rows_of(outputs)
    count = len(scores)
    return Candidates(
        level=np.zeros(count, np.int8),
        prior=np.arange(count, dtype=np.int32),
        label=labels.astype(np.int16),
        score=scores,
        factor=np.ones(count, np.float32),
        boxes=boxes,
    )


def _as_rows(states: list[Candidates]) -> list[Rows]:
    """The states with the row that each box has among the candidates."""
    codes = _codes(states[0])
    order = np.argsort(codes)
    rows = []
    for state in states:
        ids = order[np.searchsorted(codes[order], _codes(state))]
        columns = state.boxes, state.score, state.label, state.factor, state.prior, state.level
        rows.append(Rows(*columns, ids))
    return rows


def _codes(candidates: Candidates) -> np.ndarray:
    codes: np.ndarray = candidates.prior.astype(np.int64) * (1 << 16) + candidates.label
    return codes


def _row_arrays(states: list[Rows]) -> dict[str, np.ndarray]:
    arrays = {f"candidates.{name}": _column(states[0], name) for name in ROW_COLUMNS}
    for number, rows in enumerate(states[1:], start=1):
        arrays |= {f"step{number}.{name}": _column(rows, name) for name in STATE_COLUMNS}
    return arrays | {f"detections.{name}": _column(states[-1], name) for name in DETECTION_COLUMNS}


def _column(rows: Rows, name: str) -> np.ndarray:
    """A column as files have it; numbers of rows and classes take 4 bytes."""
    column: np.ndarray = getattr(rows, name)
    return column if column.dtype == np.float32 else column.astype(np.int32)
