"""The gate: check the config's bounds for all variants. Results as JSON, as JUnit XML and as a table."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from cutpoint.files import replacing
from cutpoint.gate.against import judge_against
from cutpoint.gate.junit import as_junit
from cutpoint.printable import printable
from cutpoint.records.gate import (
    AGAINST_BASELINE,
    FAILED,
    INCONCLUSIVE,
    PASSED,
    SKIPPED,
    Check,
    Gate,
    JudgedCheck,
    read_gate,
    write_gate,
)
from cutpoint.records.json_file import as_content, as_record
from cutpoint.records.run_comparison import VariantChange, read_run_comparison
from cutpoint.records.summary import COLUMNS, Column, SummaryRow, read_summary
from cutpoint.summary.flags import said

NOTHING = "every bound was skipped, so the gate checked nothing"


def evaluate_gate(
    *, summary: str, checks: list[dict[str, Any]], out_json: str, out_xml: str, runs: str | None = None
) -> None:
    """Judge every check and write the results. A failed gate is not an error here.

    Args:
        summary: path of summary.csv.
        checks: what ``gate_rules.resolve_gate`` returns.
        out_json: see ``gate.Gate``.
        out_xml: the same as JUnit XML: one suite per data set and model, one case per check.
        runs: path of this run's comparison with the gate's baseline; null without one.
    """
    rows = {(row.dataset, row.model, row.variant): row for row in read_summary(summary)}
    changes = {change.key: change for change in read_run_comparison(runs).variants} if runs else {}
    wanted = [as_record(check, Check, "the plan's checks") for check in checks]
    gate = decide([judge(check, rows[check.key], changes.get(check.key)) for check in wanted])
    write_gate(out_json, gate)
    with replacing(out_xml) as temporary:
        nothing = NOTHING if _nothing_checked(gate.checks) else None
        as_junit(gate.checks, nothing).write(temporary, encoding="utf-8", xml_declaration=True)


def judge(check: Check, row: SummaryRow, change: VariantChange | None = None) -> JudgedCheck:
    """The result of a check on a variant's row of summary.csv, or on its change from the baseline."""
    if check.column in AGAINST_BASELINE:
        value, status, reason = judge_against(check, change, row.runtime is not None)
    else:
        value, status, reason = _judge(check, row)
    return JudgedCheck(**as_content(check), value=value, status=status, reason=reason)


def _judge(check: Check, row: SummaryRow) -> tuple[float | None, str, str | None]:
    """Value, status, reason."""
    if check.limit is None:
        failures = "; ".join(row.export_failures)
        return None, FAILED if row.export_failed else PASSED, failures or None
    column = COLUMNS[check.column]
    value: float | None = getattr(row, column.name)
    if value is None:
        return None, *_why_missing(column, row)
    doubt = _undecided(column, row)
    if doubt:
        return value, INCONCLUSIVE, doubt
    if not check.allows(value):
        return value, FAILED, _remark(column, row)
    if column.name == "agreement" and row.images_without_detections == row.images:
        return value, INCONCLUSIVE, "no detection on any image"
    return value, PASSED, _remark(column, row)


def _undecided(column: Column, row: SummaryRow) -> str | None:
    """Why a value is inconclusive; null if it is not."""
    if row.refused:
        return said(row, ["refused"])[0]
    if _is_time(column) and row.disturbed:
        return f"{said(row, ['disturbed'])[0]}: time again on an idle machine"
    if column.name.startswith("delta") and row.weak_reference:
        return f"{said(row, ['weak_reference'])[0]}: a loss cannot show against it"
    return None


def _remark(column: Column, row: SummaryRow) -> str | None:
    """Why a value is doubtful that still decides. A failed export has a separate check."""
    return "; ".join(said(row, [flag for flag in column.doubted_by if flag != "export_failed"])) or None


def _why_missing(column: Column, row: SummaryRow) -> tuple[str, str]:
    if _is_time(column) and row.runtime is None:
        return SKIPPED, "an external results file has no latency"
    if column.name == "model_mb":
        return SKIPPED, "no ONNX file"
    if column.compared and row.is_reference:
        return SKIPPED, "the reference itself"
    refused = said(row, ["refused", "reference_refused"])
    if refused:
        return INCONCLUSIVE, refused[0]
    if column.compared and row.delta_AP is not None:
        return INCONCLUSIVE, "too few images for an interval"
    if row.AP is None:
        return SKIPPED, "no ground truth"
    return INCONCLUSIVE, "no value in summary.csv"


def _is_time(column: Column) -> bool:
    return "disturbed" in column.doubted_by


def decide(checks: Sequence[JudgedCheck]) -> Gate:
    """The gate passes if no check failed and at least one bound had a value."""
    if _nothing_checked(checks):
        return Gate(False, f"gate failed: {NOTHING}", tuple(checks))
    count = Counter(check.status for check in checks)
    parts = [f"{count[s]} {s}" for s in (FAILED, INCONCLUSIVE, PASSED, SKIPPED) if count[s]]
    passed = count[FAILED] + count[INCONCLUSIVE] == 0
    word = "passed" if passed else "failed"
    return Gate(passed, f"gate {word}: of {len(checks)} checks {', '.join(parts)}", tuple(checks))


def _nothing_checked(checks: Sequence[JudgedCheck]) -> bool:
    return all(check.status == SKIPPED for check in checks if check.bound is not None)


def show_gate(path: str | Path) -> int:
    """Print the table and the verdict of ``evaluate_gate``'s JSON; return the exit code, 1 if it failed."""
    gate = read_gate(path)
    cells = [
        {
            "status": check.status if check.status in (PASSED, SKIPPED) else check.status.upper(),
            "data set, model": f"{check.dataset}, {check.model}",
            "variant": check.variant,
            "check": check.title,
            "value": check.shown_value,
            "reason": check.reason or "",
        }
        for check in gate.checks
    ]
    table = tabulate(cells, headers="keys", tablefmt="simple", disable_numparse=True)
    print(printable(f"\n{table}\n\ncutpoint: {gate.verdict}\n"))
    return 0 if gate.passed else 1
