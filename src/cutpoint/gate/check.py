"""The gate: do the variants keep the config's bounds; as JSON, as JUnit XML, and as a table to read."""

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from tabulate import tabulate

from cutpoint.files import read_json, replacing, write_json
from cutpoint.gate.rules import VERIFIED
from cutpoint.report.doubts import (
    DISTURBED,
    OF_DETECTIONS,
    OF_TIMES,
    REFERENCE_REFUSED,
    REFUSED,
    WEAK_REFERENCE,
    split_notes,
)
from cutpoint.report.tables import read_summary

PASSED, FAILED, INCONCLUSIVE, SKIPPED = "passed", "failed", "inconclusive", "skipped"
WORDS = {"min": (">=", "at least"), "max": ("<=", "at most")}
# a difference of two APs shall not fail at the limit itself by its rounding
ROUNDING = 1e-9
NOTHING = "every bound was skipped, and a gate that cannot fail is none"


def evaluate_gate(*, summary: str, checks: list[dict[str, Any]], out_json: str, out_xml: str) -> None:
    """Judge every check, and write what came out; a gate that fails is no error here.

    Args:
        summary: path of summary.csv.
        checks: what ``rules.resolve_gate`` returns.
        out_json: ``passed``; ``verdict``, one line; ``checks``: each with its ``value`` in the column's unit
            (null where there is none), its ``status`` ``passed``, ``failed``, ``inconclusive`` (which fails
            the gate as well) or ``skipped``, and ``reason`` (null where the value says it all).
        out_xml: the same as JUnit XML: one suite per data set and model, one case per check.
    """
    keys = ["dataset", "model", "variant"]
    rows = {tuple(row[key] for key in keys): row for row in read_summary(summary).to_dict("records")}
    judged = [check | judge(check, rows[tuple(check[key] for key in keys)]) for check in checks]
    write_json(out_json, {**decide(judged), "checks": judged})
    with replacing(out_xml) as temporary:
        as_junit(judged).write(temporary, encoding="utf-8", xml_declaration=True)


def judge(check: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """``value, status, reason`` of a check on a variant's row of summary.csv."""
    notes, column = split_notes(row["notes"]), check["column"]
    if column == VERIFIED:
        failures = [note.removeprefix("failed: ") for note in notes if note.startswith("failed:")]
        return _found(None, FAILED if failures else PASSED, "; ".join(failures) or None)
    value = row[column]
    refused = [note for note in notes if note.startswith((f"{REFUSED}: ", REFERENCE_REFUSED))]
    if pd.isna(value):
        return _found(None, *_why_missing(column, row, refused))
    if refused and refused[0] != REFERENCE_REFUSED:
        return _found(value, INCONCLUSIVE, refused[0])
    doubt = _undecided(column, notes)
    if doubt:
        return _found(value, INCONCLUSIVE, doubt)
    room = value - check["limit"] if check["bound"] == "min" else check["limit"] - value
    if room < -ROUNDING:
        return _found(value, FAILED, _remark(column, notes))
    if column == "agreement" and row["images_without_detections"] == row["images"]:
        return _found(value, INCONCLUSIVE, "no detection on any image")
    return _found(value, PASSED, _remark(column, notes))


def _undecided(column: str, notes: list[str]) -> str | None:
    """Why a value decides nothing; null where it does."""
    disturbed = [note for note in notes if note.startswith(DISTURBED)]
    if column.startswith("latency") and disturbed:
        return f"{disturbed[0]}: time again on an idle machine"
    weak = [note for note in notes if note.startswith(WEAK_REFERENCE)]
    if column.startswith("delta") and weak:
        return f"{weak[0]}: nothing can be lost to it"
    return None


def _remark(column: str, notes: list[str]) -> str | None:
    """What makes a value doubtful that decides all the same; a failed export has a check of its own."""
    if column == "model_mb":
        return None
    about = OF_TIMES if column.startswith("latency") else OF_DETECTIONS
    return "; ".join(n for n in notes if n.startswith(about) and not n.startswith("failed: ")) or None


def _found(value: float | None, status: str, reason: str | None) -> dict[str, Any]:
    return {"value": value, "status": status, "reason": reason}


def _why_missing(column: str, row: dict[str, Any], refused: list[str]) -> tuple[str, str]:
    if column.startswith("latency") and pd.isna(row["runtime"]):
        return SKIPPED, "detections made elsewhere have no latency"
    if column == "model_mb":
        return SKIPPED, "no ONNX file"
    compared = column.startswith("delta") or column == "agreement"
    if compared and pd.isna(row["verdict"]):
        return SKIPPED, "the reference itself"
    if refused:
        return INCONCLUSIVE, refused[0]
    if compared and not pd.isna(row["delta_AP"]):
        return INCONCLUSIVE, "too few images for an interval"
    if pd.isna(row["AP"]):
        return SKIPPED, "no ground truth"
    return INCONCLUSIVE, "no value in summary.csv"


def decide(judged: list[dict[str, Any]]) -> dict[str, Any]:
    """``passed`` and ``verdict``: no check failed, and at least one bound had a value to hold."""
    if _nothing_checked(judged):
        return {"passed": False, "verdict": f"gate failed: {NOTHING}"}
    count = Counter(check["status"] for check in judged)
    parts = [f"{count[s]} {s}" for s in (FAILED, INCONCLUSIVE, PASSED, SKIPPED) if count[s]]
    passed = count[FAILED] + count[INCONCLUSIVE] == 0
    word = "passed" if passed else "failed"
    return {"passed": passed, "verdict": f"gate {word}: of {len(judged)} checks {', '.join(parts)}"}


def _nothing_checked(judged: list[dict[str, Any]]) -> bool:
    return all(check["status"] == SKIPPED for check in judged if check["column"] != VERIFIED)


def as_junit(judged: list[dict[str, Any]]) -> ElementTree.ElementTree:
    """JUnit XML of judged checks; where nothing was checked, a case of its own fails."""
    root = ElementTree.Element("testsuites", name="cutpoint gate")
    suites: dict[str, ElementTree.Element] = {}
    for check in judged:
        name = f"{check['dataset']}, {check['model']}"
        if name not in suites:
            suites[name] = ElementTree.SubElement(root, "testsuite", name=name)
        place = f"{check['dataset']}.{check['model']}.{check['variant']}"
        case = _add_case(suites[name], place, title(check))
        if check["status"] == SKIPPED:
            ElementTree.SubElement(case, "skipped", message=check["reason"])
        elif check["status"] != PASSED:
            _add_failure(case, check["status"], said(check), f"{check['variant']} ({name}): ")
    if _nothing_checked(judged):
        suite = ElementTree.SubElement(root, "testsuite", name="gate")
        _add_failure(_add_case(suite, "gate", "a bound was checked"), FAILED, NOTHING)
    for node in (*root, root):
        failures, skipped = (len(list(node.iter(kind))) for kind in ("failure", "skipped"))
        numbers = {"failures": failures, "errors": 0, "skipped": skipped, "time": 0}
        numbers["tests"] = len(list(node.iter("testcase")))
        node.attrib |= {key: str(number) for key, number in numbers.items()}
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _add_case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time="0")


def _add_failure(case: ElementTree.Element, kind: str, message: str, prefix: str = "") -> None:
    ElementTree.SubElement(case, "failure", type=kind, message=message).text = prefix + message


def title(check: dict[str, Any]) -> str:
    """``delta_AP_lo >= -0.002``."""
    if check["column"] == VERIFIED:
        return VERIFIED
    return f"{check['column']} {WORDS[check['bound']][0]} {check['limit']:g}"


def shown(value: float | None) -> str:
    """A value of any column, to five digits; empty where there is none."""
    return "" if value is None else f"{value:.5g}"


def said(check: dict[str, Any]) -> str:
    """What a check that does not pass says by itself."""
    if check["column"] == VERIFIED:
        return f"export verification failed: {check['reason']}"
    wanted = f"must be {WORDS[check['bound']][1]} {check['limit']:g}"
    value = f"is {shown(check['value'])}" if check["value"] is not None else "has no value"
    reason = f" ({check['reason']})" if check["reason"] else ""
    return f"{check['column']} {value}, {wanted}{reason}"


def show_gate(path: str | Path) -> int:
    """Print the table and the verdict of ``evaluate_gate``'s JSON; return the exit code, 1 if it failed."""
    content = read_json(path)
    cells = [
        {
            "status": check["status"] if check["status"] in (PASSED, SKIPPED) else check["status"].upper(),
            "data set, model": f"{check['dataset']}, {check['model']}",
            "variant": check["variant"],
            "check": title(check),
            "value": shown(check["value"]),
            "reason": check["reason"] or "",
        }
        for check in content["checks"]
    ]
    table = tabulate(cells, headers="keys", tablefmt="simple", disable_numparse=True)
    print(f"\n{table}\n\ncutpoint: {content['verdict']}\n")
    return 0 if content["passed"] else 1
