import json
from pathlib import Path

from fault_table import describe

ROOT = Path(__file__).parents[2]


def row(fault, stage, cases, **problems):
    return (
        {"fault": fault, "stage": stage, "cases": cases}
        | dict.fromkeys(("lost", "wrong", "more", "outlived", "traceback"), 0)
        | problems
    )


def test_the_page_counts_by_fault_and_by_stage():
    rows = [
        row("kill", "predict", 3, more=1),
        row("kill", "report", 2),
        row("full", "report", 4, lost=1),
    ]
    page = describe({"rounds": 5, "rows": rows, "kinds": {"kill": "kill", "full": "disk"}})
    assert "So far: 5 kills and signals, 4 cases of a full disk or a read-only folder" in page
    assert "| kill | 5 | 0 | 0 | 1 | 0 | 0 |" in page
    assert "| full | 4 | 1 | 0 | 0 | 0 | 0 |" in page
    assert "| predict |  | 3 |" in page
    assert "| report | 4 | 2 |" in page


def test_the_document_is_that_of_the_counts():
    counts = json.loads((ROOT / "tests/faults/counts.json").read_text())
    assert (ROOT / "docs/faults.md").read_text() == describe(counts)
