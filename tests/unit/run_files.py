"""A small set of results, as a finished run leaves them, and its capsule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from report_fixtures import summary_row
from scoring import truth_of

from cutpoint.compare.bootstrap import sample_ap
from cutpoint.evaluate.coco import evaluate
from cutpoint.files import read_json, write_json
from cutpoint.latency.statistics import summarize_latency
from cutpoint.records.detections import make_results, write_refusal
from cutpoint.records.latency import STAGES
from cutpoint.records.manifest import Category, Image, Manifest, write_manifest
from cutpoint.records.per_class import write_per_class
from cutpoint.records.summary import write_summary
from cutpoint.records.timing import (
    ColdStart,
    Load,
    Memory,
    Timed,
    Timing,
    WarmedShape,
    WarmUp,
    Watched,
    write_samples,
)
from cutpoint.records.truth import write_truth
from cutpoint.runs.capsule import make_capsule

IMAGES = 12
# one object an image; the last four are found with a low score
SCORES = [0.9] * 8 + [0.35] * 4
BOX = [10.0, 20.0, 30.0, 40.0]
VARIANTS = ("pytorch", "raw")
PLACE = {"dataset": "street", "model": "det"}
CATEGORIES = (Category(1, "car"), Category(2, "person"))
COMPARISON = {"margin": 0.001, "corner_px": 0.05, "score": 0.0001}
MACHINE = {"processor": "Testchip 9", "architecture": "x86_64", "logical_cores": 2, "python": "3.11"}
TIMED = Timed(
    **{"runtime": "onnxruntime", "cut": "raw", "tf32": False, "recipe": "mmdet3", "provider_got": "cpu"},
    provider_asked="cpu",
    without_compiled_nms=False,
    affinity=(0, 1),
    cold_start=ColdStart(0.5, 9.5),
    warm_up=WarmUp({"1x1": WarmedShape(3, True)}, 3, 0.1),
    load=Load(5.0, 0.5, 0.1),
    throughput=None,
    memory=Memory(70.0, None),
    node_placement=None,
)
Found = Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]


def config_of(score_thr: float = 0.3, **keys: Any) -> dict[str, Any]:
    """The completed config, as far as it matters."""
    return {
        "device": "cpu",
        "models": {"det": {"config": "det.py", "checkpoint": "det.pth"}},
        "datasets": {"street": {"images": "images", "annotations": "instances.json"}},
        "recipes": {"low": {"base": "mmdet3", "score_thr": score_thr}},
        "evaluations": [{**PLACE, "variants": list(VARIANTS)}],
        "comparison": COMPARISON,
        **keys,
    }


def write_run(
    root: Path,
    *,
    score_thr: float = 0.3,
    total_ms: float = 10.0,
    prefix: str = "",
    change: Found = lambda variant, found: found,
    refused: str | None = None,
    labelled: bool = True,
    machine: dict[str, Any] | None = None,
    batch: int = 1,
    disturbed: bool = False,
    variants: tuple[str, ...] = VARIANTS,
    checkpoint: bytes = b"weights",
    third_image: bytes = b"image 3",
    area: float = 1200.0,
    config: dict[str, Any] | None = None,
) -> str:
    """Write the results of a run and its capsule; return the capsule's path.

    Args:
        root: an empty folder.
        score_thr: the threshold of ``raw``.
        total_ms: the median time of every variant.
        prefix: before the names of the images.
        change: changes a variant's detections.
        refused: why ``raw`` has no detections.
        labelled: whether there is ground truth.
        machine: facts that differ.
        batch: of the timing.
        disturbed: the flag of every time.
        variants: the variants of the run.
        checkpoint: its content.
        third_image: the content of that image.
        area: of every object, square pixels.
        config: replaces ``config_of(score_thr)``.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "det.pth").write_bytes(checkpoint)
    manifest, truth = _write_images(root, prefix, labelled, third_image, area)
    lines, entries = [], []
    for variant in variants:
        found = [
            {"image_id": image, "category_id": 1, "bbox": BOX, "score": score}
            for image, score in enumerate(SCORES, start=1)
            if variant == "pytorch" or score >= score_thr
        ]
        entry = {**PLACE, "variant": variant, "is_reference": variant == "pytorch"}
        entry["detections"] = str(root / f"detections-{variant}.json")
        if refused and variant == "raw":
            write_refusal(entry["detections"], refused)
        else:
            write_json(entry["detections"], make_results(change(variant, found)).to_coco())
        entry |= {"resamples": None, "latency": str(root / f"latency-{variant}.json")}
        ap = None
        if labelled:
            entry["resamples"] = str(root / f"resamples-{variant}.npz")
            sample_ap(truth=truth, detections=entry["detections"], out=entry["resamples"], resamples=200)
            metrics = str(root / f"metrics-{variant}.json")
            evaluate(truth=truth, detections=entry["detections"], out=metrics)
            ap = read_json(metrics)["AP"]
        flags = {"is_reference": variant == "pytorch", "disturbed": disturbed, "AP": ap}
        flags["refused"] = refused if variant == "raw" else None
        lines.append(summary_row(**PLACE, variant=variant, latency_p50_ms=total_ms, **flags))
        entries.append(entry)
    samples = _write_times(root, variants, total_ms, MACHINE | (machine or {}), batch)
    tables = [str(root / "summary.csv"), str(root / "per_class.csv")]
    write_summary(tables[0], lines)
    write_per_class(tables[1], [])
    out = str(root / "capsule.zip")
    make_capsule(
        config=config or config_of(score_thr),
        files=[["models.det.checkpoint", str(root / "det.pth")]],
        manifests={"street": manifest},
        truths=[{**PLACE, "path": truth}] if labelled else [],
        samples=[{**PLACE, "path": samples}],
        variants=entries,
        tables=tables,
        out=out,
    )
    return out


def _write_images(root: Path, prefix: str, labelled: bool, third: bytes, area: float) -> tuple[str, str]:
    images = []
    for number in range(1, IMAGES + 1):
        path = root / f"images/{prefix}{number:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(third if number == 3 else b"image %d" % number)
        images.append(Image(number, path.name, str(path), 100, 200))
    manifest, truth = str(root / "manifest.json"), str(root / "truth.json")
    annotations = "instances.json" if labelled else None
    write_manifest(manifest, Manifest("street", annotations, None, tuple(images), (), CATEGORIES))
    boxes = [
        {"id": image.id, "image_id": image.id, "category_id": 1, "bbox": BOX, "area": area, "iscrowd": 0}
        for image in images
    ]
    listed = [{"id": image.id, "file_name": image.file_name} for image in images]
    categories = [{"id": category.id, "name": category.name} for category in CATEGORIES]
    content = {"images": listed, "annotations": boxes, "categories": categories}
    write_truth(truth, truth_of(content))
    return manifest, truth


def _write_times(
    root: Path, variants: tuple[str, ...], total_ms: float, machine: dict[str, Any], batch: int
) -> str:
    """Four rounds of three runs each: 1 ms below the median, at it, and 1 ms above."""
    rows = [
        {"variant": variant, "round": turn, "image_id": image, "shape": "1x1"}
        | dict.fromkeys(STAGES, total_ms + step)
        for variant in variants
        for turn in range(4)
        for image, step in ((1, -1.0), (2, 0.0), (3, 1.0))
    ]
    shared = {"threads": 2, "batch": batch, "images": 3, "block_images": 3, "machine": machine}
    watch = Watched({}, {}, {}, ())
    samples = str(root / "samples.parquet")
    write_samples(samples, rows, Timing(**shared, watch=watch, variants=dict.fromkeys(variants, TIMED)))
    for variant in variants:
        out = str(root / f"latency-{variant}.json")
        summarize_latency(samples=samples, variant=variant, reference="pytorch", out=out)
    return samples
