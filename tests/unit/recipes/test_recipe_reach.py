"""An edit of post-processing reaches what post-processes, and nothing else."""

import pytest

from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.digests import Digests


@pytest.fixture(scope="module")
def reach(tmp_path_factory):
    return CodeDigests(Digests(tmp_path_factory.mktemp("cache") / "digests.json")).closure


@pytest.mark.parametrize("module", ["export.cut", "detector.describe", "detector.trace", "predict.shard"])
def test_what_ends_before_the_post_processing_does_not_reach_it(reach, module):
    reached = reach(f"cutpoint.{module}")
    of_recipes = {name for name in reached if name.startswith("cutpoint.recipes")}
    in_graph = {
        f"cutpoint.export.{name}" for name in ("e2e", "ingraph", "emitters", "graph_rows", "graph_nms")
    }
    assert of_recipes | (reached & in_graph) == set()


@pytest.mark.parametrize("module", ["export.e2e", "predict.postprocess"])
def test_what_post_processes_reaches_it(reach, module):
    assert "cutpoint.recipes.recipe" in reach(f"cutpoint.{module}")


@pytest.mark.parametrize(
    "module", ["export.e2e", "predict.postprocess", "latency.worker", "compare.autopsy", "evaluate.coco"]
)
def test_words_for_the_page_are_reached_by_the_page_alone(reach, module):
    assert "cutpoint.report.steps" in reach("cutpoint.report.page")
    assert not any(name.startswith("cutpoint.report") for name in reach(f"cutpoint.{module}"))
