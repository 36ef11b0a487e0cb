"""The worst differences of every model and cut as a page of docs: ``table.py FOLDER TARGET``."""

import json
import sys
from pathlib import Path
from typing import Any

from zoo_support import section

HEADER = ["model", "cut", "candidates", "detections", "matched", "ties", "score", "box px", "tensor", "s"]
# The title of each kind's section, in the order of the page.
KINDS = {"dense": "Dense heads", "rois": "Two-stage detectors", "queries": "Query detectors"}


def table(rows: list[dict[str, Any]]) -> str:
    """One line per model and cut; numbers right-aligned."""
    lines = [HEADER, ["---", "---", *["---:"] * (len(HEADER) - 2)]]
    lines += [cells(row) for row in rows if row["cut"] not in ("trace", "moved")]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cells(row: dict[str, Any]) -> list[str]:
    tensor = f"{row['tensor']:.1e}" if "tensor" in row else ""
    counts = [str(row[key]) for key in ("candidates", "detections", "matched")]
    differences = [f"{row['score']:.1e}", f"{row['box']:.1e}", tensor, f"{row['seconds']:.1f}"]
    failed = f" + {len(row['unexplained'])} not traced" if row["unexplained"] else ""
    return [row["head"], row["cut"], *counts, f"{len(row['ties'])}{failed}", *differences]


def sections(rows: list[dict[str, Any]]) -> str:
    """A table for each kind that was measured."""
    measured = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    return "\n".join(
        f"## {KINDS[kind]}\n\n{table(own)}{movement(own)}" for kind, own in measured.items() if own
    )


def movement(rows: list[dict[str, Any]]) -> str:
    """A line for each model that moves itself."""
    lines = [
        f"\nTorch beside itself with each input value changed by 1e-6 of it, {row['head']}: "
        f"{row['share']:.2%} of the detections matched, logits up to {row['logits']:.1e} apart. Its files "
        "cannot be closer to torch than that, so detections without a partner are not traced.\n"
        for row in rows
        if row["cut"] == "moved"
    ]
    return "".join(lines)


def text(folder: Path, target: str) -> str:
    """The whole page."""
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]
    traces = [row["seconds"] for row in rows if row["cut"] == "trace"]
    ties = [f"- {row['head']}, {row['cut']}: {tie}" for row in rows for tie in row.get("ties", [])]
    title, what = TITLES[target]
    return PAGE.format(
        title=title,
        target=target,
        what=what.format(models=len({row["head"] for row in rows})),
        fastest=min(traces, default=0),
        slowest=max(traces, default=0),
        sections=sections(rows),
        ties="\n".join(ties) or "None.",
        end=f"\n{section()}" if target == "heads" else END.get(target, ""),
    )


# Of each target of make: the page's title, and what it covers.
TITLES = {
    "heads": (
        "Every kind of head at every cut",
        "{models} configs of mmdet 3.3.0's zoo with narrow backbones",
    ),
    "zoo": (
        "Every kind of head at every cut",
        "{models} configs of mmdet 3.3.0's zoo with the zoo's backbones",
    ),
    "bodies": (
        "Backbones and necks at every cut",
        "{models} backbones and necks of mmdet 3.3.0's zoo, made narrow, under a dense head",
    ),
}
END = {
    "bodies": """
## Where scores differ by more than 1e-4

`resnest`, `weight_standardised` and `switchable_atrous` follow averages over the whole image, padding
included. ONNX Runtime rounds a float32 sum more than PyTorch: the mean of 10,816 values around 10 is 8e-6
off, PyTorch's 1.6e-6. With sums in float64 in its file, ResNeSt's logits are 5e-5 from those of PyTorch in
float64; without, 2e-3 (PyTorch's own in float32: 7e-5).
""",
}
PAGE = """# {title}

This page is written by `make {target}`. It covers {what},
with random weights on a CPU. The weights are spread so that each step of the post-processing has work: about
1500 pairs per image pass a dense head's threshold (`tests/heads/zoo_models.py`). The images are three noise
images of different sizes, none of which is the traced one. The detections are compared with mmdet's own
`predict` in both directions (same class, IoU >= 0.99 or 0.02 px). Counts are sums over the images,
differences are the largest of all images.

- `numpy` is our recipe `mmdet3` on torch's raw tensors. `raw`, `decoded` and `e2e` are the ONNX files. For
  `batch 3` both sides pad the images together. A graph cannot contain PAA's score voting, so PAA's `e2e`
  is compared with numpy `mmdet3+no-voting`.
- `ties` counts detections without a partner. Each of them is traced to a score or an IoU within rounding
  of a limit, or to a proposal that the network of one side alone chose (listed below).
- `score` and `box px` are the largest differences of matched detections. `tensor` is the largest
  difference of the outputs from torch's, in their own units (boxes in pixels). Where rows are ranks, rows of
  the same prior are compared.
- `s` is the time for the three images in seconds, including the comparison. Tracing and writing the files
  took {fastest:.0f} to {slowest:.0f} s per model.

{sections}
## Ties

{ties}
{end}"""


if __name__ == "__main__":
    folder, target = Path(sys.argv[1]), sys.argv[2]
    page = text(folder, target)
    (Path("docs") / f"{target}.md").write_text(page)
    print(page)
