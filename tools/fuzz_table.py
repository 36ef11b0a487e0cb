"""Write docs/fuzzing.md from the counts of tests/fuzz."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNTS, FAILURES = ROOT / "tests/fuzz/counts.json", ROOT / "tests/fuzz/failures"
TABLE = ROOT / "docs/fuzzing.md"
# the targets, in words
WHAT = {
    "config": "the config, up to the plan",
    "annotations": "COCO annotations: listed, mapped, and results scored on them",
    "oddities": "what is odd in COCO annotations: counted and drawn",
    "yolo": "YOLO's label files: converted, then as COCO annotations",
    "yolo_yaml": "YOLO's data.yaml: the same",
    "voc": "Pascal VOC's XML files: the same",
    "kitti": "KITTI's label files: the same",
    "bdd100k": "BDD100K's JSON: the same",
    "cvat": "CVAT's XML: the same",
    "results": "a results file: read and scored",
    "slices": "a CSV file of slices",
    "images": "the bytes of an image: header, pixels, network input",
    "onnx_metadata": "what an ONNX file says of itself: classes, layout, size; then it runs",
    "onnx_graph": "graph, tensors and bytes of an ONNX file: imported, then it runs",
}
TEXT = """\
# Fuzzing

`make fuzz MINUTES=20 TARGET=config` spoils sound inputs and reads them as a run does; without `TARGET` it
fuzzes all targets in turn. Values, keys and shapes are replaced, left out, doubled and nested, and bytes
are changed. Each input must end in **a right result or one clear message**, within 10 seconds and 3 GiB
of memory. A result is right if it holds what its kind promises: boxes and metrics are finite and in
range, ids exist, images lie in their folder, pixels are those that OpenCV alone reads. A message has no
traceback and no control characters. Inputs run in a process of their own, so that a crash, a hang or a
hunger for memory in native code is seen and counted.

The counts are in `tests/fuzz/counts.json` and go on over several calls; an input is made of its number
alone. `ARGS=--anew` counts from the first input again, for code that changed. The first input of each
kind of failure is kept in `tests/fuzz/failures`, and `make test` runs it again. `make test` also fuzzes
each target for a moment. `tools/fuzz_table.py` writes this page from the counts.

| target | what is fuzzed | minutes | inputs | right result | one message | failures |
|---|---|---|---|---|---|---|
{rows}

A failure is a traceback, a crash, a hang, too much memory, a wrong result or a bad message. {kept} inputs
that failed once are kept; they pass today.
"""


def make_table() -> str:
    """The text of the page."""
    counts = json.loads(COUNTS.read_text())
    rows = [
        f"| `{name}` | {what} | {counts[name]['seconds'] / 60:.0f} | {counts[name]['inputs']} | "
        f"{counts[name]['sound']} | {counts[name]['refused']} | {counts[name]['failed']} |"
        for name, what in WHAT.items()
    ]
    kept = len(list(FAILURES.glob("*/*")))
    return TEXT.format(rows="\n".join(rows), kept=kept)


if __name__ == "__main__":
    sys.stdout.write(f"{TABLE.relative_to(ROOT)}\n")
    TABLE.write_text(make_table())
