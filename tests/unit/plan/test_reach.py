"""Which code a rule's digest follows: what an edit makes again, and what it leaves."""

import pytest

from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.digests import Digests
from cutpoint.plan.tables import timed_modules


@pytest.fixture
def reached(tmp_path):
    codes = CodeDigests(Digests(tmp_path / "digests.json"))
    return lambda *modules: set().union(*map(codes.closure, modules))


def test_only_hand_written_post_processing_is_timed_again_for_its_code(reached):
    e2e = [{"cut": "e2e", "runtime": "pytorch"}, {"cut": "e2e", "runtime": "onnxruntime"}]
    alone = reached(*timed_modules(e2e))
    assert "cutpoint.latency.worker" in alone
    assert not {name for name in alone if name.startswith("cutpoint.recipes")}
    assert "cutpoint.recipes.nms" in reached(*timed_modules([*e2e, {"cut": "raw"}]))


@pytest.mark.parametrize("package", ["report", "gate", "compare", "evaluate"])
def test_nothing_is_timed_again_for_how_times_are_shown(reached, package):
    timed = reached(*timed_modules([{"cut": "decoded"}]))
    assert not {name for name in timed if name.startswith(f"cutpoint.{package}")}
    computed = {f"cutpoint.{name}" for name in ("latency.statistics", "latency.notes", "records.latency")}
    assert not computed & timed
    assert computed <= reached("cutpoint.latency.statistics")
