"""A plan: every model on its data sets, with everything that has to be made for it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cutpoint.errors import UserError
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.variants import Export, ResultsVariant, Run, RunVariant, Trace, Variant

Thing = TypeVar("Thing")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Model:
    """An mmdet config and a checkpoint; both are null for a model without mmdet.

    ``class_names``: where the class names of an mmdet model come from, ``checkpoint`` or ``config``; null if
    they must agree. ``classes``: the config's ``classes`` of a model without mmdet, JSON, with ids as text.
    """

    name: str
    config: str | None
    checkpoint: str | None
    candidate_floor: float | None
    class_names: str | None = None
    classes: str = "null"

    @property
    def is_external(self) -> bool:
        """Whether it is a model without mmdet, whose variants are external files."""
        return self.config is None


@dataclass(frozen=True)
class Evaluation:
    """A model on a data set, in the order of the table.

    ``diagnosed``: the variants that are compared with typical mistakes. ``fingerprint_run``: the run whose
    file the mistakes are made with; null if no variant is diagnosed.
    """

    model: Model
    dataset: Dataset
    variants: tuple[Variant, ...]
    reference: Variant
    ladder: tuple[RunVariant, ...]
    published_ap: float | None
    diagnosed: tuple[Variant, ...] = ()
    fingerprint_run: Run | None = None

    def variant(self, name: str) -> Variant:
        """The variant with this name."""
        return _get({variant.name: variant for variant in self.variants}, name, "variant")

    def run(self, name: str) -> Run:
        """The run with this name."""
        return _get({run.name: run for run in self.runs}, name, "run")

    @property
    def run_variants(self) -> list[RunVariant]:
        """The variants that are not external results files."""
        return [variant for variant in self.variants if isinstance(variant, RunVariant)]

    @property
    def results_variants(self) -> list[ResultsVariant]:
        """The variants that are external results files."""
        return [variant for variant in self.variants if isinstance(variant, ResultsVariant)]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Each run once: first the variants' runs, then those that only autopsies and diagnoses need."""
        runs = [variant.run for variant in self.run_variants]
        runs += [run.candidates for run in runs if run.candidates]
        return tuple(dict.fromkeys([*runs, *([self.fingerprint_run] if self.fingerprint_run else [])]))


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
        """The model with this name."""
        return _get({model.name: model for model in self.models}, name, "model")

    def dataset(self, name: str) -> Dataset:
        """The data set with this name."""
        return _get({dataset.name: dataset for dataset in self.datasets}, name, "data set")

    def export(self, model: str, name: str) -> Export:
        """A model's export with this name, or the file that it is converted from."""
        known = {export.name: export for export in self.files(model)}
        return _get(known, name, f"export of {model}")

    def trace(self, model: str, name: str) -> Trace:
        """The trace with this name that a model's exports are made from."""
        traces = [export.trace for export in self.exports(model).values() if not export.external]
        return _get({trace.name: trace for t in traces for trace in (t, t.fp32)}, name, f"trace of {model}")

    def datasets_of(self, model: str) -> list[Dataset]:
        """The data sets that a model is evaluated on, in the config's order."""
        return [e.dataset for e in self.evaluations if e.model.name == model]

    def exports(self, model: str) -> dict[str, Export]:
        """The exports of a model by name."""
        runs = [run for e in self.evaluations if e.model.name == model for run in e.runs]
        return {run.export.name: run.export for run in runs if run.export}

    def files(self, model: str) -> list[Export]:
        """The exports of a model, and those that they are converted from, each once."""
        exports = list(self.exports(model).values())
        return list(dict.fromkeys([*exports, *(export.imported for export in exports)]))

    @property
    def wanted_providers(self) -> list[tuple[str, str]]:
        """Pairs of provider and the config key that asks for it."""
        variants = {v.name: v for e in self.evaluations for v in e.run_variants}
        keys = {v.run.provider: f"variants.{name}.provider" for name, v in variants.items()}
        return list((keys | {self.device: "device"}).items())

    @property
    def models(self) -> list[Model]:
        """Each model that is evaluated, once."""
        return list(dict.fromkeys(e.model for e in self.evaluations))

    @property
    def numbered(self) -> list[tuple[int, Evaluation]]:
        """The evaluations, each with its position in the config."""
        return list(enumerate(self.evaluations))

    @property
    def variants(self) -> list[Variant]:
        """Each variant that is evaluated, once."""
        return list(dict.fromkeys(v for e in self.evaluations for v in e.variants))

    @property
    def datasets(self) -> list[Dataset]:
        """Each data set that is used, once, including those that are only used for calibration."""
        traces = [run.export.trace for e in self.evaluations for run in e.runs if run.export]
        used = [e.dataset for e in self.evaluations]
        return list(dict.fromkeys(used + [t.calibration.dataset for t in traces if t.calibration]))


def _get(known: Mapping[Key, Thing], key: Key, what: str) -> Thing:
    if key not in known:
        raise UserError(f"the config plans no {what} {key!r}; it plans {', '.join(map(str, known))}")
    return known[key]
