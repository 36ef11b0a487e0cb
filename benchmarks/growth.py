"""How time and memory of every rule grow with the number of images.

Run: ``python benchmarks/growth.py`` (needs CUTPOINT_REAL or ../shared/real). It takes hours, and may be
stopped and started again: what is done stays in ``--folder``. ``--images 500 --rules evaluate compare``
measures only these.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import write_results
from detectors import YOLOX_NANO
from repeated import repeat_photographs, replay, write_yolo
from rule_times import read_jobs, run_workflow

from cutpoint.records.detections import read_results

SIZES = (500, 5_000, 20_000, 100_000)
# from here on a simulated detector: the network's time is known, and so many images would take it hours
SIMULATED_FROM = 20_000
MODEL = "yolox_nano"
# flat: at most so much more from one size to the next
FLAT = 1.2
NOTES = """
Every rule of a run of YOLOX-nano on COCO photographs, repeated under ids of their own, with 2 variants, 20
slices and a gate; each job is a process of its own. From {simulated} images on the network does not run: its
predictions on the photographs are repeated with them. `convert_annotations` and `import_results` are of the
same data in YOLO's format and as a results file.

- `ms N`: processor time (user and system) of the dearest job of the rule, divided by N images. It depends
  little on other work on the machine, and is an upper limit where there was some. It includes the start of
  the process, one to six seconds, which few images share.
- `MiB N`: the largest memory of a job (VmHWM).
- `time`, `memory`: flat if no size needs over {flat} times what the size before it does, per image for
  time, in all for memory. Otherwise the largest of these factors for time, and for memory what each more
  image adds from the last size but one to the last, or, where that is nothing, between the sizes before.
- `evaluate`: pycocotools up to 20,000 images, above that Cutpoint's own evaluation, see docs/large.md.
- `plan, first`: a dry run that reads all files for the first time; `plan, again`: the next one.
"""


def configure(folder: Path) -> dict[str, dict[str, Any]]:
    """The configs of a size: the run, PyTorch, and the same data with annotations of another format."""
    images = str(folder / "data/images")
    run = {"runtime": "onnxruntime", "cut": "raw"}
    loose = {"base": "mmdet3", "iou_threshold": 0.5}
    main = {
        "device": "cpu",
        "models": {MODEL: {"config": YOLOX_NANO.config, "checkpoint": YOLOX_NANO.checkpoint}},
        "datasets": {
            "photos": {
                "images": images,
                "annotations": str(folder / "data/instances.json"),
                "slices": str(folder / "data/slices.csv"),
            }
        },
        "variants": {"raw": run, "loose": {**run, "recipe": loose}},
        "evaluations": [
            {
                "model": MODEL,
                "dataset": "photos",
                "variants": ["raw", "loose"],
                "reference": "raw",
                "ladder": ["raw", "loose"],
                "diagnose": ["loose"],
            }
        ],
        "gate": [{"variants": ["loose"], "agreement": {"min": 0.5}}],
        "latency": {"images": 8, "min_seconds": 0.5, "min_runs": 8},
    }
    mmdet = {
        **{key: main[key] for key in ("device", "models", "datasets")},
        "variants": {"pytorch": {"runtime": "pytorch", "cut": "e2e"}},
        "evaluations": [
            {"model": MODEL, "dataset": "photos", "variants": ["pytorch"], "reference": "pytorch"}
        ],
    }
    labels = {
        "device": "cpu",
        "models": {MODEL: {"classes": "coco80"}},
        "datasets": {"labels": {"images": images, "annotations": str(folder / "yolo"), "format": "yolo"}},
        "variants": {"found": {"results": str(folder / "yolo/found.json")}},
        "evaluations": [{"model": MODEL, "dataset": "labels", "variants": ["found"], "reference": "found"}],
    }
    return {"main": main, "mmdet": mmdet, "labels": labels}


class Size:
    """The runs of one number of images, in a folder of its own."""

    def __init__(self, folder: Path, images: int, options: argparse.Namespace) -> None:
        self.folder, self.images, self.options = folder.resolve() / str(images), images, options
        self.measured = self.folder / "measured"

    def prepare(self) -> None:
        """Write data and configs."""
        source = YOLOX_NANO.images, YOLOX_NANO.annotations
        repeat_photographs(*source, self.images, self.folder / "data")
        self.measured.mkdir(exist_ok=True)
        for name, content in configure(self.folder).items():
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name / "config.json").write_text(json.dumps(content, indent=1))

    def snakemake(self, run: str, *arguments: str) -> dict[str, float] | None:
        """Call Snakemake in one of the runs; what the process itself took, null if it failed."""
        work, log = self.folder / run, self.folder / run / "log.txt"
        began = time.perf_counter()
        found = run_workflow(work, self.measured, "--keep-going", *arguments, log=log)
        seconds = time.perf_counter() - began
        print(f"{self.images} images, {run}: {' '.join(arguments)}: {seconds:.0f} s", flush=True)
        if found is None:
            print(f"  failed: see {log}", flush=True)
        return found

    def plan(self) -> None:
        """Measure two dry runs, the first one without digests that are known."""
        for name, forget in (("plan, first", True), ("plan, again", False)):
            done = self.measured / f"{name}.json"
            if forget:
                (self.folder / "main/.snakemake/cutpoint-digests.json").unlink(missing_ok=True)
            if not done.exists():
                found = self.snakemake("main", "--dry-run", "--quiet")
                if found:
                    done.write_text(json.dumps({"rule": name, **found}))

    def run(self, photographs: int, source: Path) -> None:
        """Run all that is not done yet.

        Args:
            photographs: how many images repeat.
            source: a run whose predictions are repeated instead of a network's from ``SIMULATED_FROM`` on.
        """
        chosen = ["--until", *self.options.rules] if self.options.rules else []
        chosen += ["--omit-from", *self.options.leave_out] if self.options.leave_out else []
        if self.images >= self.options.simulated:
            made = [str(path.relative_to(source)) for path in source.glob(f"results/models/{MODEL}/*.onnx")]
            made = [path for path in made if "trace" not in path]
            parts = ("manifests/photos", f"labels/photos/{MODEL}", f"truth/photos/{MODEL}")
            before = [*(f"results/{part}.json" for part in parts), *made]
            self.snakemake("main", *before)
            for run in source.glob(f"results/predictions/photos/{MODEL}/*"):
                replay(run, photographs, self.images, self.folder / "main" / run.relative_to(source))
            # no rule has made these predictions
            chosen += ["--rerun-triggers", "mtime"]
        diff = f"results/recipe_diffs/photos/{MODEL}/raw--loose.json"
        self.snakemake("main", "all", "golden", diff, *chosen)
        self.compare(chosen)
        if self.images < self.options.simulated:
            predictions = f"results/predictions/photos/{MODEL}/pytorch-e2e/0.parquet"
            self.snakemake("mmdet", predictions, *chosen)
        self.label(chosen)

    def compare(self, chosen: Sequence[str]) -> None:
        """Hold the run against its own capsule."""
        capsule, copy = self.folder / "main/results/capsule.zip", self.folder / "main/baseline.zip"
        if capsule.exists():
            shutil.copyfile(capsule, copy)
            self.snakemake("main", "results/runs/comparison.html", "--config", f"baseline={copy}", *chosen)

    def label(self, chosen: Sequence[str]) -> None:
        """The rules for annotations of another format, and for a results file."""
        detections = self.folder / f"main/results/detections/photos/{MODEL}/raw.json"
        if not detections.exists():
            return
        write_yolo(self.folder / "data/instances.json", self.folder / "yolo")
        found = self.folder / "yolo/found.json"
        if not found.exists():
            self._number(detections, found)
        parts = (f"labels/{MODEL}", "manifests/labels", f"detections/labels/{MODEL}/found")
        targets = [f"results/{part}.json" for part in ("annotations/labels", *parts[1:])]
        self.snakemake("labels", *targets, *chosen)

    def _number(self, detections: Path, found: Path) -> None:
        """The same detections with categories from 1 to 80."""
        content = json.loads((self.folder / "data/instances.json").read_text())
        numbers = {c: n for n, c in enumerate(sorted(c["id"] for c in content["categories"]), start=1)}
        boxes = read_results(detections).to_coco()
        found.write_text(json.dumps([box | {"category_id": numbers[box["category_id"]]} for box in boxes]))

    def read(self) -> dict[str, dict[str, float]]:
        """What the dearest job of each rule took."""
        return {
            rule: {key: max(job[key] for job in jobs) for key in jobs[0]}
            for rule, jobs in read_jobs(self.measured).items()
        }


def make_rows(found: dict[int, dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """One row for each rule; a cell is empty where nothing is measured."""
    rules = dict.fromkeys(rule for size in found.values() for rule in size)
    rows = []
    for rule in sorted(rules):
        known = {images: size[rule] for images, size in found.items() if rule in size}
        row: dict[str, Any] = {"rule": rule}
        for images in found:
            row[f"ms {images}"] = known[images]["cpu_s"] / images * 1000 if images in known else ""
        for images in found:
            row[f"MiB {images}"] = round(known[images]["peak_mib"]) if images in known else ""
        rows.append(row | judge(known))
    return rows


def judge(known: dict[int, dict[str, float]]) -> dict[str, str]:
    """Whether time per image and memory are flat, and how they grow if not."""
    if len(known) < 2:
        return {"time": "one size", "memory": "one size"}
    sizes = sorted(known)
    pairs = list(pairwise(sizes))
    times = [known[b]["cpu_s"] / b / (known[a]["cpu_s"] / a) for a, b in pairs]
    peaks = [known[b]["peak_mib"] / known[a]["peak_mib"] for a, b in pairs]
    added = [(known[b]["peak_mib"] - known[a]["peak_mib"]) * 1024 / (b - a) for a, b in pairs]
    each = next((more for more in reversed(added) if more > 0), 0)
    return {
        "time": "flat" if max(times) <= FLAT else f"x {max(times):.2f}",
        "memory": "flat" if max(peaks) <= FLAT else f"{each:.1f} KiB an image",
    }


def main() -> None:
    """Measure what is not measured yet and write the table of all that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("growth-data"), help="25 GB for 100,000 images")
    parser.add_argument("--images", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--simulated", type=int, default=SIMULATED_FROM, help="from so many images on")
    parser.add_argument("--rules", nargs="*", help="only these and what they need")
    parser.add_argument("--leave-out", nargs="*", help="all but these and what needs them")
    options = parser.parse_args()
    photographs = len(json.loads(YOLOX_NANO.annotations.read_text())["images"])
    for images in options.images:
        size = Size(options.folder, images, options)
        size.prepare()
        size.plan()
        size.run(photographs, source=options.folder.resolve() / "500/main")
    found = {images: Size(options.folder, images, options).read() for images in SIZES}
    notes = NOTES.format(flat=FLAT, simulated=options.simulated)
    write_results("growth", make_rows({n: rules for n, rules in found.items() if rules}), notes)


if __name__ == "__main__":
    main()
