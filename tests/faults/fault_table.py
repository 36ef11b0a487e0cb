"""The counts of the campaign as docs/faults.md."""

from collections import Counter
from typing import Any

COLUMNS = ("cases", "lost", "wrong", "more", "outlived", "traceback")
HEADS = ("cases", "lost", "wrong", "more than the same command", "a process outlived", "traceback")


def describe(counts: dict[str, Any]) -> str:
    """The page."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for row in counts["rows"]:
        rows[row["fault"], row["stage"]] = Counter({key: row[key] for key in COLUMNS})
    faults = sorted({fault for fault, _ in rows})
    kills = sum(row["cases"] for (fault, _), row in rows.items() if counts["kinds"][fault] == "kill")
    disk = sum(row["cases"] for (fault, _), row in rows.items() if counts["kinds"][fault] == "disk")
    lines = [
        "# Faults while running",
        "",
        "`make faults` runs the demo's rules on four images (`tests/faults/fault_project.py`), does",
        "something to the run at a random moment, and gives the same command again. Several may follow",
        "each other on one run. In the end it compares with a run without a fault: detections byte by byte,",
        "metrics by value, the list of all files, and whether each file is whole.",
        "",
        f"So far: {kills} kills and signals, {disk} cases of a full disk or a read-only folder, in",
        f"{counts['rounds']} runs.",
        "",
        "- **lost**: the same command did not finish, or a file is missing. **wrong**: other detections or",
        "  metrics, a half file, or a temporary file that stayed.",
        "- **more than the same command**: the command failed again, although the fault was over.",
        "- **a process outlived**: 3 seconds after Snakemake's end one of its processes still ran.",
        "- **traceback**: a fault of the machine that printed one.",
        "",
    ]
    lines += _table(["fault", *HEADS], [[fault, *_sum(rows, fault)] for fault in faults])
    lines += ["", "## By stage", "", "The stage that worked at that moment; the number of cases.", ""]
    stages = sorted({stage for _, stage in rows})
    none = Counter[str]()
    cases = {s: [str(rows.get((fault, s), none)["cases"] or "") for fault in faults] for s in stages}
    lines += _table(["stage", *faults], [[stage, *row] for stage, row in cases.items()])
    return "\n".join(lines) + "\n"


def _sum(rows: dict[tuple[str, str], Counter[str]], fault: str) -> list[str]:
    total = sum((row for (name, _), row in rows.items() if name == fault), Counter[str]())
    return [str(total[key]) for key in COLUMNS]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
