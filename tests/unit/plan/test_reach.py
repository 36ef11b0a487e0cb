"""Which code a rule's digest follows: what an edit makes again, and what it leaves."""

import re
from pathlib import Path

import pytest

from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.digests import Digests
from cutpoint.plan.tables import timed_modules

RULES = Path(__file__).parents[3] / "workflow/rules"


@pytest.fixture
def reached(tmp_path):
    codes = CodeDigests(Digests(tmp_path / "digests.json"))
    return lambda *modules: set().union(*map(codes.closure, modules))


def test_only_hand_written_post_processing_is_timed_again_for_its_code(reached):
    e2e = [{"by_hand": False, "runtime": name} for name in ("pytorch", "onnxruntime")]
    alone = reached(*timed_modules(e2e))
    assert "cutpoint.latency.worker" in alone
    assert not {name for name in alone if name.startswith("cutpoint.recipes")}
    assert "cutpoint.recipes.nms" in reached(*timed_modules([*e2e, {"by_hand": True}]))


@pytest.mark.parametrize("package", ["report", "gate", "compare", "evaluate"])
def test_nothing_is_timed_again_for_how_times_are_shown(reached, package):
    timed = reached(*timed_modules([{"by_hand": True}]))
    assert not {name for name in timed if name.startswith(f"cutpoint.{package}")}
    computed = {f"cutpoint.{name}" for name in ("latency.statistics", "latency.notes", "records.latency")}
    assert not computed & timed
    assert computed <= reached("cutpoint.latency.statistics")


def test_the_gate_reads_records_and_flags_alone(reached):
    found = reached("cutpoint.gate.check")
    packages = {name.split(".")[1] for name in found if name.count(".") > 1}
    assert packages <= {"gate", "records", "summary", "latency"}
    assert "cutpoint.latency.statistics" not in found


def test_an_edit_of_the_page_makes_the_page_alone(reached):
    rules = [
        text
        for path in RULES.glob("*.smk")
        for text in re.findall(r'get_code\("([\w.]+)"\)', path.read_text())
    ]
    assert "cutpoint.summary.build" in rules
    assert [module for module in rules if "cutpoint.report.page" in reached(module)] == [
        "cutpoint.report.page"
    ]
    assert "cutpoint.latency.statistics" not in reached("cutpoint.report.page")
