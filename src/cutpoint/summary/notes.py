"""The notes of a row: its flags in words, and facts without a column. They are for people only."""

from cutpoint.records.manifest import Manifest
from cutpoint.records.precision import PrecisionReport
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow, VariantRecords
from cutpoint.records.truth import GroundTruth
from cutpoint.summary.flags import said

# so many skipped images are named
NAMED = 3


def notes_of(row: SummaryRow, records: VariantRecords) -> str | None:
    """Notes separated by ``;``. A refusal, a weak reference and the baseline come first.

    Args:
        row: complete except for its notes.
        records: what the row was made from.
    """
    notes = said(row, [flag for flag in OF_DETECTIONS if flag != "export_failed"])
    notes += [images_note(row.images_to_decide)] if row.images_to_decide else []
    notes += row.kept_otherwise
    notes += said(row, ["export_failed"])
    notes += records.planned.remarks
    # once per data set and model, in the row of the reference
    notes += _skipped_notes(records.manifest) if row.is_reference else []
    notes += _truth_notes(records.truth) if row.is_reference and records.truth is not None else []
    notes += _precision_notes(records.precision) if records.precision else []
    notes += said(row, [flag for flag in OF_TIMES if flag != "refused"])
    return "; ".join(dict.fromkeys(note.replace(";", ",") for note in notes)) or None


def images_note(images: int) -> str:
    """The number of images that an inconclusive variant needs, as a note."""
    return f"about {images} images would decide"


def _skipped_notes(manifest: Manifest) -> list[str]:
    """The images that cannot be read; of many only the first."""
    named = [f"skipped: image {image.id} ({image.file_name}): {image.reason}" for image in manifest.skipped]
    return named[:NAMED] + ([f"skipped: {len(named) - NAMED} more"] if len(named) > NAMED else [])


def _truth_notes(truth: GroundTruth) -> list[str]:
    """What was filled in or left out of the annotations."""
    names = truth.left_out.names
    return [f"annotations: {note}" for note in truth.notes] + (
        [f"not scored, no class of the model: {', '.join(names)}"] if names else []
    )


def _precision_notes(report: PrecisionReport) -> list[str]:
    """The tensors that a reduced precision breaks; the page lists more of them."""
    notes = []
    if report.overflows:
        most = report.overflows[0]
        notes.append(f"{len(report.overflows)} tensors overflow, most {most.tensor} ({most.max_abs:.3g})")
    if report.saturated:
        worst = max(report.saturated, key=lambda tensor: tensor.share_outside)
        notes.append(
            f"{len(report.saturated)} of {report.quantised_tensors} tensors saturate, most "
            f"{worst.tensor} ({worst.share_outside:.2%})"
        )
    return notes
