"""What the notes of a row of summary.csv say, from the files behind it."""

from typing import Any

from cutpoint.compare.baseline import LEAST_AP, NO_DETECTION
from cutpoint.data.inspection import Inspection, missed
from cutpoint.files import read_json
from cutpoint.records.detections import refusal
from cutpoint.records.truth import read_truth
from cutpoint.report.doubts import (
    BASELINE_OFF,
    DOUBTFUL,
    FAILED,
    REFERENCE_REFUSED,
    REFUSED,
    SUSPICIOUS,
    WEAK_REFERENCE,
)
from cutpoint.report.words import baseline_note, images_note


def notes_of(
    row: dict[str, Any], rows: list[dict[str, Any]], own: Inspection | None, reference: Inspection | None
) -> str | None:
    """``;``-separated; a refusal, a weak reference and the baseline first: all else depends on them.

    Args:
        row, rows: as of ``tables.summarize``.
        own, reference: of the row's and of its reference's detections; null where refused.
    """
    comparison, latency = _load(row["comparison"]), _load(row["latency"])
    refused = refusal(row["detections"])
    notes = [f"{REFUSED}: {refused}"] if refused else []
    notes += [REFERENCE_REFUSED] if comparison.get("refused") and not refused else []
    notes += [note for note in (_weakness(row, rows, own), _baseline(row, rows)) if note]
    notes += [SUSPICIOUS] if comparison.get("suspicious") else []
    doubts = [*own.doubts, missed(own, reference) if reference else None] if own else []
    notes += [f"{DOUBTFUL}: {doubt}" for doubt in doubts if doubt]
    notes += [images_note(comparison["images_to_decide"])] if comparison.get("images_to_decide") else []
    notes += [f"{FAILED}: {failure}" for failure in _load(row["verify"]).get("failures", [])]
    notes += row["remarks"] + (_truth_notes(row) if not row["comparison"] else [])
    notes += _precision_notes(_load(row["precision_report"]))
    notes += latency.get("notes", [])
    if latency and latency["batch"] != row["batch"]:
        notes.append(f"latency at batch {latency['batch']}")
    if latency and latency["recipe"] != row["recipe"]:
        notes.append(f"latency of recipe {latency['recipe']} (time again: --forcerun time_variants)")
    return "; ".join(dict.fromkeys(note.replace(";", ",") for note in notes)) or None


def reference_row(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row that a row is compared with; the reference's own is itself."""
    if not row["comparison"]:
        return row
    name = read_json(row["comparison"])["reference"]
    key = (row["dataset"], row["model"], name)
    return next(r for r in rows if (r["dataset"], r["model"], r["variant"]) == key)


def _load(path: str | None) -> dict[str, Any]:
    return read_json(path) if path else {}


def _truth_notes(row: dict[str, Any]) -> list[str]:
    """What was filled in or left out of the annotations: once for a data set and model, at its reference."""
    if not row["truth"]:
        return []
    truth = read_truth(row["truth"])
    names = truth.left_out.names
    return [f"annotations: {note}" for note in truth.notes] + (
        [f"not scored, no class of the model: {', '.join(names)}"] if names else []
    )


def _weakness(row: dict[str, Any], rows: list[dict[str, Any]], own: Inspection | None) -> str | None:
    """That the reference finds next to nothing: in figures for itself, briefly for its variants."""
    if row["comparison"]:
        return WEAK_REFERENCE if read_json(row["comparison"])["weak_reference"] else None
    compared = [r for r in rows if r["comparison"] and reference_row(r, rows) is row]
    if compared:
        found = [read_json(r["comparison"])["weak_reference"] for r in compared]
        weakness = next((text for text in found if text), None)
    else:
        ap = _load(row["metrics"]).get("AP")
        weak = ap is not None and ap < LEAST_AP
        weakness = (
            NO_DETECTION if own and not own.best else f"AP {ap:.4f} is under {LEAST_AP}" if weak else None
        )
    return weakness and f"{WEAK_REFERENCE}: {weakness}"


def _baseline(row: dict[str, Any], rows: list[dict[str, Any]]) -> str | None:
    """What the published AP says against the reference: in figures for itself, briefly for its variants."""
    reference = reference_row(row, rows)
    if row["published_ap"] is None or not reference["metrics"]:
        return None
    ap = read_json(reference["metrics"])["AP"]
    note = None if ap is None else baseline_note(ap, row["published_ap"])
    return note if note is None or reference is row else BASELINE_OFF


def _precision_notes(report: dict[str, Any]) -> list[str]:
    """Which tensors a reduced precision breaks; the page lists more of each."""
    notes = []
    if report.get("overflows"):
        worst = report["overflows"][0]
        notes.append(
            f"{len(report['overflows'])} tensors overflow, most {worst['tensor']} ({worst['max_abs']:.3g})"
        )
    if report.get("saturated"):
        worst = max(report["saturated"], key=lambda found: found["share_outside"])
        notes.append(
            f"{len(report['saturated'])} of {report['quantised_tensors']} tensors saturate, most "
            f"{worst['tensor']} ({worst['share_outside']:.2%})"
        )
    return notes
