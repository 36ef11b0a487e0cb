"""The config's gate: the bounds for each variant of each evaluation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cutpoint.errors import Gathered, UserError, suggest
from cutpoint.plan.evaluations import Evaluation
from cutpoint.plan.variants import RunVariant, Variant
from cutpoint.records.gate import AGAINST_BASELINE, CHECKED, VERIFIED

SCOPE = ("variants", "model", "dataset")

# column, min or max, limit
Bound = tuple[str, str | None, float | None]


def gate_rules(gate: list[dict[str, Any]] | dict[str, Any]) -> list[dict[str, Any]]:
    """The rules of a gate, which is a list of them or a mapping that has a baseline too."""
    rules: list[dict[str, Any]] = gate["rules"] if isinstance(gate, dict) else gate
    return rules


def gate_baseline(config: dict[str, Any]) -> str | None:
    """The path of the run that a completed config's gate holds this run against; null without one."""
    gate = config["gate"]
    own: str | None = gate["baseline"] if isinstance(gate, dict) else None
    return own or config["baseline"]


def resolve_gate(
    gate: list[dict[str, Any]] | dict[str, Any],
    evaluations: Iterable[Evaluation],
    baseline: str | None = None,
) -> list[dict[str, Any]]:
    """What has to be checked, in table order.

    Args:
        gate: that of the completed config.
        evaluations: those of the plan.
        baseline: from ``gate_baseline``.

    Returns:
        ``dataset, model, variant``; ``column`` of summary.csv or of ``AGAINST_BASELINE``, ``bound`` (``min``
        or ``max``) and ``limit`` in the column's unit. The first of a variant with an ONNX file has the
        column ``VERIFIED`` or ``CHECKED`` and null.

    Raises:
        UserError: no evaluation has a name in a rule, a rule would not check anything, or a bound needs a
            baseline.
    """
    evaluations, rules = list(evaluations), gate_rules(gate)
    named = [Named(e.model.name, e.dataset.name, tuple(v.name for v in e.variants)) for e in evaluations]
    check_gate(gate, named, baseline)
    checks = []
    for evaluation in evaluations:
        for variant in evaluation.variants:
            own = [rule for rule in rules if variant in _variants(rule, evaluation)]
            bounds: list[Bound] = [bound for rule in own for bound in _bounds(rule)]
            if bounds and isinstance(variant, RunVariant) and variant.run.export:
                external = variant.run.export.external
                column = CHECKED if external and external.layout else VERIFIED
                bounds.insert(0, (column, None, None))
            place = {"dataset": evaluation.dataset.name, "model": evaluation.model.name}
            checks += [
                {**place, "variant": variant.name, "column": column, "bound": bound, "limit": limit}
                for column, bound, limit in dict.fromkeys(bounds)
            ]
    return checks


@dataclass(frozen=True)
class Named:
    """The names of an evaluation, which also one has that cannot be resolved."""

    model: str
    dataset: str
    variants: tuple[str, ...]


def check_gate(
    gate: list[dict[str, Any]] | dict[str, Any], evaluations: Sequence[Named], baseline: str | None = None
) -> None:
    """Refuse rules of a gate without a meaning; arguments as in ``resolve_gate``.

    Raises:
        UserError: as ``resolve_gate``; for all rules.
    """
    found = Gathered()
    for index, rule in enumerate(gate_rules(gate)):
        where = f"gate.rules[{index}]" if isinstance(gate, dict) else f"gate[{index}]"
        with found.one():
            _check_rule(where, rule, evaluations)
        with found.one():
            against = [column for column, *_ in _bounds(rule) if column in AGAINST_BASELINE]
            if against and baseline is None:
                raise UserError(
                    f"{where}.{against[0]}: no run to compare with; write "
                    "gate: {baseline: PATH, rules: [...]} with the path of the other run's capsule.zip"
                )
    found.stop()


def _bounds(rule: dict[str, Any]) -> list[Bound]:
    return [
        (column, bound, limit)
        for column, limits in rule.items()
        if column not in SCOPE
        for bound, limit in limits.items()
    ]


def _variants(rule: dict[str, Any], evaluation: Evaluation) -> list[Variant]:
    """The variants of an evaluation that a rule names."""
    names = {"model": evaluation.model.name, "dataset": evaluation.dataset.name}
    if any(rule[key] not in (None, name) for key, name in names.items()):
        return []
    if rule["variants"] == "all":
        return [variant for variant in evaluation.variants if variant != evaluation.reference]
    return [variant for variant in evaluation.variants if variant.name in rule["variants"]]


def _check_rule(where: str, rule: dict[str, Any], evaluations: Sequence[Named]) -> None:
    for key in ("model", "dataset"):
        known = {getattr(evaluation, key) for evaluation in evaluations}
        if rule[key] not in (None, *known):
            raise UserError(f"{where}.{key}: {rule[key]!r} is in no evaluation{suggest(rule[key], known)}")
    if not _bounds(rule):
        raise UserError(f"{where}: the rule has no bound; add one, such as delta_AP_lo: {{min: -0.002}}")
    inside = [
        e for e in evaluations if rule["model"] in (None, e.model) and rule["dataset"] in (None, e.dataset)
    ]
    if rule["variants"] == "all":
        # one of each evaluation is the reference
        if all(len(evaluation.variants) < 2 for evaluation in inside):
            raise UserError(f"{where}: no evaluation has a variant besides the reference; name what to check")
        return
    scope = "".join(f" of {key} {rule[key]}" for key in ("model", "dataset") if rule[key])
    known = {name for evaluation in inside for name in evaluation.variants}
    for name in rule["variants"]:
        if name not in known:
            raise UserError(f"{where}.variants: {name!r} is in no evaluation{scope}{suggest(name, known)}")
