"""The parts of a variant: recipe, trace, export and run. Their names list what differs from the defaults."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from cutpoint.plan.choices import OWN_INPUT, InputChoice, RecipeChoice
from cutpoint.plan.dataset import Dataset
from cutpoint.providers import PROVIDERS
from cutpoint.recipes.names import OVERRIDES

# The defaults. Names list what differs from them. workflow/schemas/config.schema.yaml sets them.
SHAPE, OPSET, EXPORTER = "dynamic", 20, "dynamo"
SCORES, CLIP, COUNT, CALIBRATION_IMAGES = "class", "image", "fixed", 32
# ``External.written`` of a file that is read as its layout says
NOTHING = "{}"


@dataclass(frozen=True)
class Calibration:
    """The images that int8 takes its ranges from: the first ``images`` of a data set."""

    dataset: Dataset
    images: int


@dataclass(frozen=True)
class Trace:
    """One graph with the outputs of all cuts; in a reduced precision it is made from the fp32 one."""

    precision: str = "fp32"
    shape: str = SHAPE  # or "608x608", height x width in pixels
    opset: int = OPSET
    exporter: str = EXPORTER
    calibration: Calibration | None = None

    @property
    def label(self) -> str:
        """Lists what differs from the defaults: ``fp32``, ``int8-street-608x608-opset19``."""
        parts = [self.precision]
        if self.calibration:
            parts.append(self.calibration.dataset.name)
            number = self.calibration.images
            parts += [] if number == CALIBRATION_IMAGES else [f"{number}images"]
        parts += [] if self.shape == SHAPE else [self.shape]
        parts += [] if self.opset == OPSET else [f"opset{self.opset}"]
        parts += [] if self.exporter == EXPORTER else [self.exporter]
        return "-".join(parts)

    @property
    def name(self) -> str:
        """For example ``trace-fp32``; its file has this name with ``.onnx``."""
        return f"trace-{self.label}"

    @property
    def fp32(self) -> "Trace":
        """The same in fp32."""
        return Trace("fp32", self.shape, self.opset, self.exporter)


@dataclass(frozen=True)
class External:
    """An external ONNX file.

    ``written``: how the config describes it, JSON: ``outputs``; for a model without mmdet only what it writes
    of ``cut``, ``outputs`` and ``constants``, which replaces the layout's. ``layout``: its name, and
    ``recipe`` the layout's own; null if the file belongs to an mmdet model.
    """

    path: str
    written: str
    layout: str | None = None
    recipe: RecipeChoice | None = None


@dataclass(frozen=True)
class Export:
    """One ONNX file of a model.

    For an external one only ``cut`` and ``trace.precision`` are known. Of a model without mmdet, ``fp32`` is
    the file as it is, and other precisions are made from it.
    """

    cut: str
    trace: Trace = Trace()
    scores: str = SCORES
    clip: str = CLIP
    count: str = COUNT
    topk_limit: int | None = None
    recipe: RecipeChoice | None = None  # only the cut e2e contains one
    external: External | None = None

    @property
    def name(self) -> str:
        """Made of what differs from the defaults."""
        if self.external:
            stem = re.sub(r"[^A-Za-z0-9_-]", "_", PurePosixPath(self.external.path).stem)
            parts = [self.cut, "external", stem]
            if self.external.layout and self.external.written != NOTHING:
                parts.append(hashlib.sha256(self.external.written.encode()).hexdigest()[:8])
            return "-".join([*parts, self.trace.label] if self.is_converted else parts)
        parts = [self.cut, self.trace.label]
        parts += [] if self.scores == SCORES else [self.scores]
        parts += [] if self.clip == CLIP else [f"clip-{self.clip}"]
        parts += [] if self.count == COUNT else [f"count-{self.count}"]
        parts += [f"topk-{self.topk_limit}"] if self.topk_limit else []
        return "-".join(parts) + (self.recipe.suffix if self.recipe else "")

    @property
    def is_converted(self) -> bool:
        """Whether it is made from an external file, in another precision."""
        return bool(self.external and self.external.layout) and self.trace.precision != Trace().precision

    @property
    def imported(self) -> "Export":
        """The export of the external file as it is, which a converted one is made from; otherwise itself."""
        return replace(self, trace=Trace()) if self.is_converted else self


@dataclass(frozen=True)
class Run:
    """An export, or the PyTorch model, on a provider: one set of predictions for each data set."""

    runtime: str
    cut: str
    provider: str
    export: Export | None = None
    input: InputChoice = OWN_INPUT
    batch: int = 1
    provider_overridden: bool = False  # another provider than the device's
    tf32: bool = False  # see ``providers.Provider.has_tf32``

    @property
    def name(self) -> str:
        """Made of what differs from the defaults."""
        parts = [self.runtime, (self.export.name if self.export else self.cut) + self.input.suffix]
        parts += [] if self.batch == 1 else [f"batch{self.batch}"]
        parts += [self.provider] if self.provider_overridden else []
        parts += ["tf32"] if self.tf32 else []
        return "-".join(parts)

    @property
    def gpus(self) -> int:
        """How many of Snakemake's resource ``gpu`` its jobs take."""
        return PROVIDERS[self.provider].device.gpus

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8``."""
        return self.export.trace.precision if self.export else "fp32"

    @property
    def keeps_candidates(self) -> bool:
        """Whether it gives candidates, which a recipe finishes; see ``records.model.keeps_candidates``."""
        if self.cut != "e2e":
            return True
        external = self.export and self.export.external
        return bool(external and external.layout)

    @property
    def candidates(self) -> "Run | None":
        """The run whose candidates show where detections came from: itself, or for ``e2e`` the ``raw`` run.

        Only the cut differs. Null for an external file that ends in detections.
        """
        if self.keeps_candidates:
            return self
        if self.export and self.export.external:
            return None
        return replace(self, cut="raw", export=self.export and Export("raw", self.export.trace))


@dataclass(frozen=True)
class ResultsVariant:
    """An external results file: it is unknown how its detections were made. ``..._ids``: the config's."""

    name: str
    results: str
    category_ids: str | None = None
    image_ids: str | None = None


@dataclass(frozen=True)
class RunVariant:
    """A run and a recipe."""

    name: str
    run: Run
    recipe: RecipeChoice

    @property
    def export(self) -> Export:
        """The run's export; for PyTorch one with the defaults."""
        return self.run.export or Export(self.run.cut)

    @property
    def known_recipe(self) -> RecipeChoice | None:
        """What makes its detections; null for an external file that ends in them."""
        return None if self.export.external and not self.run.keeps_candidates else self.recipe

    @property
    def own_recipe(self) -> RecipeChoice:
        """The one that its head or its layout has by itself."""
        external = self.export.external
        return external.recipe if external and external.recipe else RecipeChoice()

    @property
    def recipe_text(self) -> str:
        """The recipe cell of the tables."""
        if self.known_recipe is None:
            return "external"
        parts = [self.recipe.text]
        parts += ["clip-tensor"] if self.export.clip == "tensor" else []
        parts += [f"topk_limit={self.export.topk_limit}"] if self.export.topk_limit else []
        return "+".join(parts)

    @property
    def aspects(self) -> dict[str, Any]:
        """Everything that can differ between two variants, by its name in messages."""
        run, export, trace, external = self.run, self.export, self.export.trace, self.export.external
        own = {
            "runtime": run.runtime,
            "provider": run.provider,
            "tf32": run.tf32,
            "precision": trace.precision,
            **run.input.aspects,
            "cut": run.cut,
            "shape": trace.shape,
            "batch": run.batch,
            "clip": export.clip,
            "scores": export.scores,
            "count": export.count,
            "topk_limit": export.topk_limit,
            "opset": trace.opset,
            "exporter": trace.exporter,
            "calibration": trace.calibration,
            "onnx": external and external.path,
            "layout": external and external.layout,
            "reading": external and external.written,
            "recipe base": self.recipe.steps or _unless(self.recipe.name, self.own_recipe.name),
        }
        values, usual = dict(self.recipe.overrides), dict(self.own_recipe.overrides)
        return own | {f"recipe {key}": _unless(values.get(key), usual.get(key)) for key in OVERRIDES}


# what belongs to a difference: the calibration to int8, how an external file is read to the file
BELONGING = {"precision": ("calibration",), "onnx": ("layout", "reading"), "layout": ("reading",)}

Variant = RunVariant | ResultsVariant  # one row of the table


def differences(one: RunVariant, other: RunVariant) -> list[str]:
    """Name the things in which two variants differ, with each override of the recipe as one thing."""
    ours, theirs = one.aspects, other.aspects
    names = [key for key in ours if ours[key] != theirs[key]]
    # PyTorch does not have the other providers of a device, so that is not a separate difference
    if "runtime" in names and PROVIDERS[one.run.provider].device == PROVIDERS[other.run.provider].device:
        names = [key for key in names if key != "provider"]
    # what belongs to another difference is not one of its own
    belonging = {name for first, others in BELONGING.items() if first in names for name in others}
    if "onnx" in names and ours["layout"] and theirs["layout"]:
        belonging.add("cut")
    return [name for name in names if name not in belonging]


def _unless(value: Any, usual: Any) -> Any:
    """A value, or null if it is the usual one, which differs from file to file."""
    return None if value == usual else value


def shape_value(text: str) -> str | list[int]:
    """A shape as the config writes it: ``dynamic``, or ``[608, 608]`` for ``608x608``."""
    return text if text == "dynamic" else [int(side) for side in text.split("x")]
