"""What a plan is made of: every export, run and variant of the config, resolved and named."""

from dataclasses import dataclass
from typing import Any

from cutpoint.errors import UserError

OVERRIDES = ("score_thr", "nms_pre", "iou_threshold", "max_per_img")


@dataclass(frozen=True)
class Recipe:
    """How candidates become detections: a base and named deviations, in the order of ``OVERRIDES``."""

    base: str = "mmdet3"
    overrides: tuple[tuple[str, float], ...] = ()

    @property
    def definition(self) -> str | dict[str, Any]:
        """As the config writes it."""
        return {"base": self.base, **dict(self.overrides)} if self.overrides else self.base

    @property
    def text(self) -> str:
        """The recipe cell of the tables: ``mmdet3+score_thr=0.3``."""
        return "+".join([self.base, *(f"{key}={value}" for key, value in self.overrides)])

    @property
    def suffix(self) -> str:
        """What it adds to the name of an export: ``-score_thr-0_3``."""
        return "".join(f"-{key}-{value}".replace(".", "_") for key, value in self.overrides)


@dataclass(frozen=True)
class Export:
    """One ONNX file of a model."""

    cut: str
    precision: str
    shape: str  # "dynamic" or "608x608", height x width in pixels
    clip: str
    recipe: Recipe | None  # only the cut e2e has one inside

    @property
    def name(self) -> str:
        """Made of what differs from the defaults."""
        shape = "" if self.shape == "dynamic" else f"-{self.shape}"
        clip = "" if self.clip == "image" else f"-clip-{self.clip}"
        return f"{self.cut}-{self.precision}{shape}{clip}{self.recipe.suffix if self.recipe else ''}"


@dataclass(frozen=True)
class Run:
    """An export, or the PyTorch model, on a provider: one set of predictions for each data set."""

    name: str
    runtime: str
    cut: str
    precision: str
    provider: str
    input: str
    export: Export | None


@dataclass(frozen=True)
class Variant:
    """A run and a recipe: one row of the table."""

    name: str
    run: Run
    recipe: Recipe

    @property
    def shape(self) -> str:
        """``dynamic`` or ``608x608``."""
        return self.run.export.shape if self.run.export else "dynamic"

    @property
    def clip(self) -> str:
        """``image`` or ``tensor``."""
        return self.run.export.clip if self.run.export else "image"

    @property
    def recipe_text(self) -> str:
        """The recipe cell of the tables."""
        return self.recipe.text + ("+clip-tensor" if self.clip == "tensor" else "")


@dataclass(frozen=True)
class Model:
    """An mmdet config and a checkpoint."""

    name: str
    config: str
    checkpoint: str
    candidate_floor: float | None


@dataclass(frozen=True)
class Dataset:
    """A folder of images and perhaps annotations. ``classes``: pairs of model class and category name."""

    name: str
    images: str
    annotations: str | None
    classes: tuple[tuple[str, str], ...] | None
    limit: int | None
    shards: int


@dataclass(frozen=True)
class Evaluation:
    """A model on a data set, in the order of the table."""

    model: Model
    dataset: Dataset
    variants: tuple[Variant, ...]
    reference: Variant
    ladder: tuple[Variant, ...]
    published_ap: float | None

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return _get({variant.name: variant for variant in self.variants}, name, "variant")

    def run(self, name: str) -> Run:
        """The run of that name."""
        return _get({run.name: run for run in self.runs}, name, "run")

    @property
    def runs(self) -> tuple[Run, ...]:
        """Each run once."""
        return tuple(dict.fromkeys(variant.run for variant in self.variants))


@dataclass(frozen=True)
class Plan:
    """Everything that the config asks for. ``device`` is resolved."""

    device: str
    evaluations: tuple[Evaluation, ...]

    def evaluation(self, dataset: str, model: str) -> Evaluation:
        """The evaluation of a model on a data set."""
        pairs = {(e.dataset.name, e.model.name): e for e in self.evaluations}
        return _get(pairs, (dataset, model), "pair of data set and model")

    def model(self, name: str) -> Model:
        """The model of that name."""
        return _get({model.name: model for model in self.models}, name, "model")

    def dataset(self, name: str) -> Dataset:
        """The data set of that name."""
        return _get({dataset.name: dataset for dataset in self.datasets}, name, "data set")

    def export(self, model: str, name: str) -> Export:
        """The export of that name of a model."""
        return _get(self.exports(model), name, f"export of {model}")

    def datasets_of(self, model: str) -> list[Dataset]:
        """The data sets that a model is evaluated on, in the config's order."""
        return [e.dataset for e in self.evaluations if e.model.name == model]

    def exports(self, model: str) -> dict[str, Export]:
        """The exports of a model by name."""
        runs = [run for e in self.evaluations if e.model.name == model for run in e.runs]
        return {run.export.name: run.export for run in runs if run.export}

    @property
    def wanted_providers(self) -> list[tuple[str, str]]:
        """Pairs of provider and the config key that asks for it."""
        variants = {v.name: v for e in self.evaluations for v in e.variants}
        keys = {v.run.provider: f"variants.{name}.provider" for name, v in variants.items()}
        return list((keys | {self.device: "device"}).items())

    @property
    def models(self) -> list[Model]:
        """Each model that is evaluated, once."""
        return list(dict.fromkeys(e.model for e in self.evaluations))

    @property
    def datasets(self) -> list[Dataset]:
        """Each data set that is used, once."""
        return list(dict.fromkeys(e.dataset for e in self.evaluations))


def differences(one: Variant, other: Variant) -> list[str]:
    """Name the things in which two variants differ, each step of the recipe by itself."""
    found = [
        key
        for key in ("runtime", "provider", "precision", "input", "cut")
        if getattr(one.run, key) != getattr(other.run, key)
    ]
    # PyTorch has no TensorRT: it stands on cuda there, and that is not a difference of its own
    if "runtime" in found and {one.run.provider, other.run.provider} == {"cuda", "tensorrt"}:
        found.remove("provider")
    found += [key for key in ("shape", "clip") if getattr(one, key) != getattr(other, key)]
    ours, theirs = dict(one.recipe.overrides), dict(other.recipe.overrides)
    found += ["recipe base"] * (one.recipe.base != other.recipe.base)
    return found + [f"recipe {key}" for key in OVERRIDES if ours.get(key) != theirs.get(key)]


def shape_value(text: str) -> str | list[int]:
    """A shape as the config writes it: ``dynamic``, or ``[608, 608]`` for ``608x608``."""
    return text if text == "dynamic" else [int(side) for side in text.split("x")]


def _get(known: dict[Any, Any], key: Any, what: str) -> Any:
    if key not in known:
        raise UserError(f"the config plans no {what} {key!r}; it plans {', '.join(map(str, known))}")
    return known[key]
