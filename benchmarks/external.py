"""The nodes that the import appends to an external file, beside the file as it is.

Run: ``python benchmarks/external.py`` (needs CUTPOINT_REAL or ../shared/real). YOLOX-nano's own file is
dressed in the conventions of other stacks; the network is the same in all.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bench import median, ratio, time_in_turn, write_results
from onnxruntime import InferenceSession

from cutpoint.export.external import write_described
from cutpoint.layouts.classes import NAMED
from cutpoint.layouts.describe import describe
from cutpoint.layouts.facts import read_facts
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session, session_options

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reference" / "external"))
NOTES = """
A session of the file as it is (bare) and one of the file as imported, on the CPU, on the same tensors of
{images} photographs. Both take turns in every round, at least {rounds} rounds. A ratio is imported over bare,
median over median, with its 95 % bootstrap interval.

- `wall`: {threads} threads, wall time. It is doubtful where `load_1min` below is above 1.
- `cpu`: 1 thread, the time that its thread had on a core; other processes disturb it less.
- `nodes`: of the graph as written, before ONNX Runtime's optimisation.
"""
RUNS = 100


@dataclass(frozen=True)
class Pair:
    """A file in both forms: paths, the feeds of each image, and the number of nodes."""

    paths: tuple[str, str]
    feeds: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]
    nodes: tuple[int, int]


def make_pair(model: onnx.ModelProto, layout: str, images: list[str], folder: Path) -> Pair:
    """Import a file, and prepare the inputs of both forms."""
    theirs, ours = str(folder / f"{layout}.onnx"), str(folder / f"{layout}-imported.onnx")
    onnx.save(model, theirs)
    classes, facts = NAMED["coco80"], read_facts(theirs)
    found = describe(theirs, facts, layout, {}, classes)
    spec = str(folder / f"{layout}.spec.json")
    write_described(model="m", onnx=theirs, description=found, classes=classes, out=ours, out_spec=spec)
    pipeline = OnnxPipeline(Session(ours, "cpu", 1), "own")
    (name,) = {value.name for value in facts.inputs} - set(found.constants)
    feeds = []
    for path in images:
        tensor, sizes = pipeline.prepare(pipeline.decode(path))
        size = {"network_wh": (sizes.padded_width, sizes.padded_height)}
        more = {key: np.array([size[value]], np.int64) for key, value in found.constants.items()}
        feeds.append(({name: tensor, **more}, {"images": tensor}))
    return Pair((theirs, ours), feeds, (len(model.graph.node), len(onnx.load(ours).graph.node)))


def measure(pair: Pair, threads: int, min_seconds: float, clock: Callable[[], float]) -> list[np.ndarray]:
    """Milliseconds of both forms; round after round the next image, the same for both."""
    options = session_options(threads)
    turns = [0, 0]

    def open_form(form: int) -> Callable[[], None]:
        session = InferenceSession(pair.paths[form], options, providers=["CPUExecutionProvider"])

        def run() -> None:
            session.run(None, pair.feeds[turns[form] % len(pair.feeds)][form])
            turns[form] += 1

        return run

    calls = {"bare": open_form(0), "imported": open_form(1)}
    samples = time_in_turn(calls, min_seconds=min_seconds, min_runs=RUNS, clock=clock)
    return list(samples.values())


def main() -> None:
    """Measure and write ``results/external``."""
    import conventions as dress
    from detectors import REAL
    from dressing import nano

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8, help="of each file")
    arguments = parser.parse_args()
    names = [name for name in NAMED["coco80"] if name]
    net = nano(REAL, names)
    photographs = [str(path) for path in sorted((REAL / "coco-dev/images").iterdir())[:16]]
    files: dict[str, Any] = {
        "yolox": dress.yolox(net),
        "yolox-decoded": dress.yolox_decoded(net),
        "ultralytics": dress.ultralytics(net),
        "rtdetr": dress.rtdetr(net),
        "yolonas": dress.yolonas_batch(net),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for layout, model in files.items():
            pair = make_pair(model, layout, photographs, Path(folder))
            bare, imported = measure(pair, arguments.threads, arguments.seconds, time.perf_counter)
            bare_cpu, imported_cpu = measure(pair, 1, arguments.seconds, time.thread_time)
            rows.append(
                {
                    "layout": layout,
                    "nodes": pair.nodes[0],
                    "nodes_imported": pair.nodes[1],
                    "bare_wall_ms": median(bare),
                    "wall_ratio": ratio(imported, bare),
                    "bare_cpu_ms": median(bare_cpu),
                    "cpu_ratio": ratio(imported_cpu, bare_cpu),
                }
            )
    notes = NOTES.format(threads=arguments.threads, images=len(photographs), rounds=RUNS)
    write_results("external", rows, notes)


if __name__ == "__main__":
    main()
