"""The config's gate: which checks it comes to, and what it refuses."""

from types import SimpleNamespace

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.gate_rules import resolve_gate
from cutpoint.plan.variants import Export, External, ResultsVariant, Run, RunVariant
from cutpoint.records.gate import CHECKED, VERIFIED


def variant(name, export=True):
    return RunVariant(name, Run("x", "raw", "cpu", Export("raw") if export else None), RecipeChoice())


def evaluation(dataset, *variants):
    names = {"dataset": SimpleNamespace(name=dataset), "model": SimpleNamespace(name=f"m_{dataset}")}
    return SimpleNamespace(**names, variants=variants, reference=variants[0])


PYTORCH, RAW, E2E = variant("pytorch", False), variant("raw"), variant("e2e")
THEIRS = ResultsVariant("theirs", "theirs.json")
EVALUATIONS = [evaluation("street", PYTORCH, RAW, E2E, THEIRS), evaluation("lot", PYTORCH, RAW)]


def rule(variants, **keys):
    return {"model": None, "dataset": None, "variants": variants, **keys}


def resolved(*rules):
    checks = resolve_gate(list(rules), EVALUATIONS)
    return [tuple(check.values()) for check in checks]


def test_rules_become_checks():
    assert resolved(
        rule("all", agreement={"min": 0.9}),
        rule(["raw"], dataset="lot", model_mb={"max": 5}, AP={"min": 0.4}),
        rule(["pytorch"], model="m_street", AP={"min": 0.5}),
    ) == [
        ("street", "m_street", "pytorch", "AP", "min", 0.5),
        ("street", "m_street", "raw", VERIFIED, None, None),
        ("street", "m_street", "raw", "agreement", "min", 0.9),
        ("street", "m_street", "e2e", VERIFIED, None, None),
        ("street", "m_street", "e2e", "agreement", "min", 0.9),
        ("street", "m_street", "theirs", "agreement", "min", 0.9),
        ("lot", "m_lot", "raw", VERIFIED, None, None),
        ("lot", "m_lot", "raw", "agreement", "min", 0.9),
        ("lot", "m_lot", "raw", "model_mb", "max", 5),
        ("lot", "m_lot", "raw", "AP", "min", 0.4),
    ]
    assert resolved() == []


def test_a_file_without_an_mmdet_model_has_to_pass_its_check():
    export = Export("raw", external=External("a.onnx", "{}", layout="yolox"))
    alone = RunVariant("alone", Run("x", "raw", "cpu", export), RecipeChoice())
    checks = resolve_gate([rule(["alone"], AP={"min": 0.4})], [evaluation("street", THEIRS, alone)])
    assert [check["column"] for check in checks] == [CHECKED, "AP"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule(["rew"], AP={"min": 0}), "gate[1].variants: 'rew' is in no evaluation; did you mean 'raw'?"),
        (
            rule(["e2e"], dataset="lot", AP={"min": 0}),
            "gate[1].variants: 'e2e' is in no evaluation of dataset lot; known: pytorch, raw",
        ),
        (rule("all", dataset="lit", AP={"min": 0}), "gate[1].dataset: 'lit' is in no evaluation; did you"),
        (rule("all", model="m", AP={"min": 0}), "gate[1].model: 'm' is in no evaluation; known: m_lot"),
        (rule("all"), "gate[1]: the rule has no bound; add one, such as delta_AP_lo"),
        (
            rule("all", model="m_lot", dataset="street", AP={"min": 0}),
            "gate[1]: no evaluation has a variant besides the reference",
        ),
    ],
)
def test_a_rule_that_would_check_nothing_is_refused(wrong, message):
    with pytest.raises(UserError) as caught:
        resolved(rule("all", AP={"min": 0}), wrong)
    assert message in str(caught.value)
