"""Drawing a gallery of made-up detections."""

from pathlib import Path

from datasets import save_labels
from report_fixtures import CLASSES, write_autopsy, write_data, write_detections

from cutpoint.files import read_json
from cutpoint.records.samples import Gallery, read_gallery
from cutpoint.report.samples import draw_samples


def draw_gallery(
    root: Path,
    labelled: bool = True,
    lost: dict[str, tuple] | None = None,
    causes: dict | None = None,
    **other,
) -> Gallery:
    """Draw the gallery of the reference ``pytorch`` and of variants without some boxes.

    Args:
        lost: what each variant lacks; of ``pytorch`` too. By default one variant ``raw`` with everything.
        causes: for each variant, why; see ``write_autopsy``.
        other: arguments of ``draw_samples``.
    """
    gone = {"pytorch": (), **({"raw": ()} if lost is None else lost)}
    found = {
        name: write_detections(root / f"{name}.json", labelled, lost=boxes) for name, boxes in gone.items()
    }
    autopsies = {
        name: write_autopsy(root / f"{name}.parquet", found["pytorch"], (causes or {}).get(name, {}))
        for name in found
        if name != "pytorch"
    }
    manifest = other.pop("manifest", None) or write_data(root, f"set{labelled}", labelled)
    arguments = {
        "manifest": manifest,
        "truth": read_json(manifest)["annotations"],
        "labels": save_labels(root / "labels.json", range(len(CLASSES)), CLASSES),
        "detections": found,
        "autopsies": autopsies,
        "slices": None,
        "reference": "pytorch",
        "public": None,
        "images": 9,
        "megabytes": 1,
        "score_thr": 0.3,
        "out_dir": str(root / "gallery"),
    }
    draw_samples(**arguments | other)
    return read_gallery(root / "gallery" / "index.json")
