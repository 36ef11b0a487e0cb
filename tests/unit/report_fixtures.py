"""A whole set of result files as the workflow writes them: two labelled data sets, one without
annotations, four variants each, one model, drawn images."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from scoring import complete_truth

from cutpoint.records import autopsy
from cutpoint.records.autopsy import AutopsyRow
from cutpoint.records.csv_table import kind_of
from cutpoint.records.json_file import as_record
from cutpoint.records.summary import COLUMNS, SummaryRow
from cutpoint.records.timing import Timing, write_samples

CLASSES = ["pedestrian", "car", "traffic <light>"]
DATASETS = {"street": True, "coco_like": True, "unlabelled": False}
VARIANTS = {
    "pytorch": {"runtime": "pytorch", "cut": "e2e", "ap": 0.0},
    "raw": {"runtime": "onnxruntime", "cut": "raw", "ap": 0.00001},
    "e2e": {"runtime": "onnxruntime", "cut": "e2e", "ap": -0.0002},
    "raw-int8": {"runtime": "onnxruntime", "cut": "raw", "precision": "int8", "ap": -0.0213},
}
# verdict and 95 % interval with ground truth
VERDICTS = {
    "raw": ("lossless", [-0.0001, 0.0002]),
    "e2e": ("equivalent", [-0.0007, 0.0003]),
    "raw-int8": ("different", [-0.03, -0.012]),
}
MEDIANS = {"decode": 2.4, "preprocess": 1.6, "inference": 9.5, "postprocess": 0.8}
# the outputs of ``summarize``
TABLES = ("csv", "md", "per_class", "per_slice", "recommendations")
SIZES = [(240, 320), (180, 320), (320, 200), (150, 600)]  # height, width in pixels


def summary_row(**cells) -> SummaryRow:
    """A variant that nothing is wrong with; the rest empty."""
    empty = {name: () if kind_of(SummaryRow, name) is tuple else None for name in COLUMNS}
    place = {"dataset": "street", "model": "det", "variant": "raw", "runtime": "onnxruntime", "images": 4}
    flags = {"is_reference": False, "reference_refused": False}
    return SummaryRow(**empty | place | flags | cells)


def write(path: Path, value) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def boxes_of(image: int) -> np.ndarray:
    """(3, 4) float64 x, y, w, h in pixels, one box per class."""
    height, width = SIZES[(image - 1) % len(SIZES)]
    unit = np.array([[0.08, 0.3, 0.18, 0.6], [0.36, 0.45, 0.4, 0.35], [0.82, 0.1, 0.1, 0.25]])
    return unit * [width, height, width, height] + image


def write_data(
    root: Path,
    dataset: str,
    labelled: bool,
    images: int = 4,
    classes: Sequence[str] = CLASSES,
    file_name: str = "{:03d}.jpg",
) -> str:
    folder, entries, annotations = root / "data" / dataset, [], []
    folder.mkdir(parents=True, exist_ok=True)
    colours = [(80, 90, 220), (200, 120, 60), (60, 190, 220)]
    for image in range(1, images + 1):
        height, width = SIZES[(image - 1) % len(SIZES)]
        picture = np.full((height, width, 3), (196, 190, 182), np.uint8)
        picture[height // 2 :] = (120, 120, 118)
        for index, (x, y, w, h) in enumerate(boxes_of(image).astype(int)):
            cv2.rectangle(picture, (x, y), (x + w, y + h), colours[index], -1)
        path = folder / f"{image:03d}.jpg"
        cv2.imwrite(str(path), picture)
        entries.append({"id": image, "file_name": file_name.format(image), "path": str(path)})
        entries[-1] |= {"height": height, "width": width}
        for index, box in enumerate(boxes_of(image)):
            annotations.append({"id": len(annotations) + 1, "image_id": image})
            annotations[-1] |= {"category_id": 10 * (index + 1), "bbox": box.tolist()}
            annotations[-1] |= {"iscrowd": int(index == 2 and image == 1), "area": 1.0}
    categories = [{"id": 10 * (i + 1), "name": name} for i, name in enumerate(classes)]
    truth = {"images": entries, "annotations": annotations, "categories": categories}
    truth = complete_truth(truth)
    manifest = {"dataset": dataset, "images": entries, "left_out": [], "content": None}
    manifest["annotations"] = write(folder / "truth.json", truth) if labelled else None
    manifest["categories"] = categories if labelled else []
    return write(root / "manifests" / f"{dataset}.json", manifest)


def write_detections(path: Path, labelled: bool, images: int = 4, lost: tuple = ()) -> str:
    """One detection per drawn object, but for the (image, class index) pairs in ``lost``."""
    results = []
    for image in range(1, images + 1):
        for index, box in enumerate(boxes_of(image)):
            if (image, index) not in lost:
                category = 10 * (index + 1) if labelled else index + 1
                results.append({"image_id": image, "category_id": category})
                results[-1] |= {"bbox": (box + 0.5).tolist(), "score": 0.9 - 0.1 * index}
    return write(path, results)


def write_autopsy(path: Path, reference: str, causes: dict[tuple[int, float], str]) -> str:
    """A file that names the cause of the reference's detections of an image and score."""
    rows = [
        AutopsyRow(
            image_id=d["image_id"],
            side="reference",
            category_id=d["category_id"],
            score=d["score"],
            x1=x,
            y1=y,
            x2=x + width,
            y2=y + height,
            step=causes[d["image_id"], d["score"]],
        )
        for d in json.loads(Path(reference).read_text())
        if (d["image_id"], d["score"]) in causes
        for x, y, width, height in [d["bbox"]]
    ]
    autopsy.write_autopsy(path, rows)
    return str(path)


def metrics(delta: float, images: int = 4, classes: Sequence[str] = CLASSES) -> dict:
    keys = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    values = [(0.61, 12), (0.55, 30), (None, 4)]
    aps = {name: (10 * (i + 1), *values[i % 3]) for i, name in enumerate(classes)}
    per_class = [
        {"category_id": i, "name": n, "AP": None if ap is None else ap + delta, "ground_truths": g}
        | {"AP50": None if ap is None else 0.8}
        for n, (i, ap, g) in aps.items()
    ]
    per_class.append({"category_id": 10 * len(classes) + 10, "name": "bus", "AP": None, "AP50": None})
    per_class[-1]["ground_truths"] = 0
    values = dict.fromkeys(keys, 0.58 + delta) | {"APs": None, "AP50": 0.8, "AP75": 0.6}
    return {**values, "images": images, "detections": 40, "per_class": per_class}


PLACEMENT = {
    **{"nodes": {"CUDAExecutionProvider": 280, "CPUExecutionProvider": 12}, "parts": 5, "copies": 4},
    **{"share": {"CUDAExecutionProvider": 0.75, "CPUExecutionProvider": 0.25}, "slowest": {"Conv": 0.7}},
}


def latency(variant: str, factor: float, cells: dict | None = None) -> dict:
    def stage(p50):
        return {"p50": p50, "p90": p50 * 1.2, "p95": p50 * 1.3, "p99": p50 * 1.5} | {
            "mean": p50 * 1.05,
            "n": 50,
        }

    cells, torch = cells or VARIANTS[variant], variant == "pytorch"
    stages = {name: stage(p50 * factor) for name, p50 in MEDIANS.items()}
    total = sum(MEDIANS.values()) * factor
    stages["total"] = stage(total) | {"p50_ci95": [total - 0.5, total + 0.5]}
    return {
        "variant": variant,
        "runtime": cells["runtime"],
        "cut": cells["cut"],
        "provider_asked": "cpu",
        "provider_got": "cpu",
        "threads": 2,
        "batch": 1,
        "images": 32,
        "block_images": 8,
        "recipe": "mmdet3",
        "affinity": [0, 1],
        "cold_start": {"open_s": 0.25, "first_run_ms": 99.5},
        "warm_up": {"runs": 8, "seconds": 1.5, "shapes": {"256x320": {"runs": 8, "stable": True}}},
        "load": {"seconds": 5.0, "foreign_seconds": 0.1, "foreign_cores": 0.02},
        "throughput": None if torch else {"images_per_s": 80.25, "images": 64, "seconds": 0.8},
        "memory": {"host_peak_mib": 180.4, "device_mib": None},
        "node_placement": None if torch else PLACEMENT,
        "difference": None,
        "watch": {"before": {"load_1min": 0.1}, "during": {"load_1min": [1.0, 1.5]}}
        | {"after": {"load_1min": 1.25}, "throttled": []},
        "stages": stages,
        "notes": ["without compiled NMS"] if torch else [],
        **{"format": 2, "tf32": False, "without_compiled_nms": torch, "disturbed": False, "samples": "s"},
        "machine": {"cpu": "Testchip 9 <x86>", "load_1min": 0.5, "gpus": []}
        | {"libraries": {"onnx": "1.23.2", "numpy": "2.4"}},
    }


def write_latency_samples(path: Path, timings: dict[str, dict]) -> str:
    """Twelve rounds of two runs of each variant; the rounds of all drift alike."""
    rows = []
    for number in range(12):
        for variant, timing in timings.items():
            drift = 1 + 0.02 * number / 12
            for image in (1, 2):
                stages = {name: stage["p50"] * drift for name, stage in timing["stages"].items()}
                rows.append({"variant": variant, "round": number, "image_id": image, "shape": "256x320"})
                rows[-1] |= stages
    shared = next(iter(timings.values())) | {"variants": timings}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_samples(path, rows, as_record(shared, Timing, "samples"))
    return str(path)


def verify(export: str, failed: bool) -> dict:
    tensors = [
        {"name": f"cls_{level}", "max_abs": 3.1e-6 * 10 ** (4 * failed), "max_rel": 1e-5}
        | {"cosine": None if export == "e2e" else 0.999999, "tolerance": "1e-3 + 1e-4 x |value|"}
        | {"passed": not failed, "reason": "max abs 3.1e-2" if failed else ""}
        for level in range(2)
    ]
    failures = ["cls_0, max abs 3.1e-2", "cls_1, max abs 3.1e-2; worst"] if failed else []
    told = {"export": export, "precision": "int8" if failed else "fp32", "passed": not failed}
    return told | {"failures": failures, "tensors": tensors, "images": 3, "inputs": [[1, 3, 64, 64]]}


def precision() -> dict:
    saturated = [
        {"tensor": "conv_0", "max_abs": 7.5, "range": [-7.0, 7.0], "share_outside": 0.0001},
        {"tensor": "conv_1", "max_abs": 0.9, "range": [0.0, 0.8], "share_outside": 0.012},
    ]
    kept = {"operators": {"Add": 12, "Conv": 3}, "nodes": {"first convolution": ["conv_a"]}}
    report = {"precision": "int8", "bytes": {"before": 4_200_000, "after": 1_300_000}}
    report |= {"images": {"calibration": 8, "held_out": 2}}
    return report | {"kept_fp32": kept, "quantised_tensors": 20, "saturated": saturated}


def part_of(delta: float, limits: list | None, different: bool | None) -> dict:
    """The difference in AP of a class or size."""
    part = {"delta_AP": delta, "delta_AP_ci95": limits, "p": None, "different": different}
    return part | {"suspicious": None, "images": 4}


def slice_of(
    name: str,
    value: str,
    images: int,
    labelled: bool,
    delta: float,
    limits: Sequence[float] | None,
    different: bool | None,
) -> dict:
    """A variant on a slice, of which all images have objects."""
    part = {"name": name, "value": value, "images": images, "agreement": 0.98}
    if labelled:
        part |= {"images_with_objects": images, "objects": 3 * images, "AP": 0.5 + delta, "delta_AP": delta}
        part |= {"delta_AP_ci95": limits, "different": different, "suspicious": different and delta > 0}
    return part


def verdict_of(variant: str, labelled: bool, delta: float, judged: tuple | None = None) -> dict:
    verdict, limits = judged or VERDICTS.get(variant, (None, None))
    if not labelled:
        verdict, limits = "lossless" if verdict == "lossless" else "inconclusive", None
    classes = [
        {"category_id": 10, **part_of(delta, limits, verdict == "different")},
        {"category_id": 20, **part_of(delta, None, None)},
    ]
    return {
        "delta_AP_ci95": limits,
        "delta_AP_ci90": limits,
        "delta_AP_se": None,
        "per_class": classes if labelled else None,
        "per_size": [
            {"size": size, **part_of(delta, limits, verdict == "different")} for size in ("small", "medium")
        ]
        if labelled
        else None,
        "per_slice": [
            slice_of("time", "night <b>", 30, labelled, delta, limits, verdict == "different"),
            slice_of("camera", "3", 4, labelled, delta, None, None),
        ],
        "boxes": {
            "reference": 100,
            "variant": 98,
            "missing": 3,
            "extra": 1,
            "shares": [{"iou": 0.5, "pairs": 97, "share": 0.98}, {"iou": 0.99, "pairs": 90, "share": 0.91}],
            "score_drift": {"p50": 1e-7, "p90": 2e-7, "p99": 3e-4, "max": 0.01, "mean": 0.0},
            "box_drift_px": {"p50": 0.001, "p90": 0.1, "p99": 1.5, "max": 22.0},
            "f1": [{"score_thr": 0.3, "reference": 50, "variant": 50, "f1": 0.99}],
            "images": 4,
            "per_image": [],
        },
        "lossless": None,
        "margin": 0.001,
        "verdict": verdict,
        "suspicious": False,
        "images_to_decide": None,
        "refused": None,
        "weak_reference": None,
    }


def operating_points(variant: str, labelled: bool) -> dict:
    int8, reference = variant == "raw-int8", variant == "pytorch"
    errors = {"correct": 90 - 5 * int8, "class": 3, "localization": 7}
    errors |= {"both": 0, "duplicate": 0, "background": 4, "missed": 2 + 5 * int8}
    point = {"score_thr": 0.35, "precision": 0.9, "recall": 0.8, "f1": 0.847, "boxes_per_image": 7.125}
    point["regains_at"] = None if reference else 0.2875 if int8 else 0.35
    drift = None if reference else -0.0125 if int8 else 0.0
    empty = {"detections": 0, "mean_score": None, "correct": None}
    return {
        "format": 2,
        "score_thr": 0.35 if labelled else None,
        "points": [point | {"score_thr": 0.3}, point] if labelled else None,
        "errors": errors if labelled else None,
        "error_changes": {kind: 5 * int8 * (kind == "missed") for kind in errors}
        if labelled and not reference
        else None,
        "scores": [
            {"from": 0.8, **empty, "pairs": None if reference else 0, "drift": None},
            {"from": 0.9, **empty, "pairs": None if reference else 40, "drift": drift},
        ],
        "refused": None,
    }


def diagnosis() -> dict:
    ranking = [
        {"names": ["stretch"], "texts": ["stretched"], "distance": 0.614, "match_rate": 0.9984},
        {"names": ["half_pixel", "half"], "texts": ["half a stride", "half"], "distance": 3.2}
        | {"match_rate": 0.0},
        {"names": ["none"], "texts": ["no mistake"], "distance": 4.0, "match_rate": 0.25},
        {"names": ["unit_range"], "texts": ["far away"], "distance": 9.0, "match_rate": None},
    ]
    ranking = [line | {"slip": False} for line in ranking]
    said = {"verdict": "looks like", "names": ["stretch"], "text": "Looks like stretched."}
    return {"format": 2, "images": 40, "limit": 1.1, **said, "ranking": ranking}


def write_results(
    root: Path,
    datasets: dict[str, bool] = DATASETS,
    variants: dict[str, dict] = VARIANTS,
    classes: Sequence[str] = CLASSES,
    file_name: str = "{:03d}.jpg",
    images: int = 4,
) -> dict:
    """Write everything; return the arguments: rows, ladders, verifies, latencies, manifests.

    Args:
        datasets: whether each has ground truth.
        variants: cells by name; ``judged`` is verdict and interval; the first is the reference ``pytorch``.
        classes: three names or more.
        file_name: of the images, a format of their number.
        images: how many each data set has.
    """
    made = {"rows": [], "ladders": [], "verifies": [], "latencies": [], "manifests": {}}
    made |= {"comparisons": [], "points": [], "diagnoses": []}
    conversion = write(root / "trace-int8-street.precision.json", precision())
    made["precisions"] = [{"model": "det", "path": conversion}]
    for dataset, labelled in datasets.items():
        manifest = write_data(root, dataset, labelled, images, classes, file_name)
        made["manifests"][dataset] = manifest
        rungs, timings = [], {}
        for number, (variant, cells) in enumerate(variants.items()):
            place, name = f"{dataset}/det", f"{variant}.json"
            reference, int8 = variant == "pytorch", variant == "raw-int8"
            timing = latency(variant, 3 - 0.5 * number if number < 5 else 1 + 0.1 * number, cells)
            timing["machine"]["load_1min"] = 0.5 if labelled else 0.9
            compared = {
                "reference": "pytorch",
                "delta_AP": cells["ap"] if labelled else None,
                **verdict_of(variant, labelled, cells["ap"], cells.get("judged")),
                "agreement": 0.91 if int8 else 1.0,
                "autopsy": {"reference": {"nms": 3, "max_per_img": 1} if int8 else {}, "variant": {}},
            }
            score = metrics(cells["ap"], images, classes) if labelled else None
            onnx = root / f"{variant}.onnx"
            onnx.write_bytes(b"x" * 4_300_000)
            row = {"dataset": dataset, "model": "det", "variant": variant}
            row |= {"runtime": cells["runtime"], "cut": cells["cut"], "provider": "cpu"}
            row |= {"precision": cells.get("precision", "fp32"), "input": "mmdet"}
            row |= {"recipe": "mmdet3", "shape": None if reference else "dynamic", "batch": 1}
            row |= {"published_ap": 0.57 if dataset == "coco_like" else None, "remarks": []}
            row |= {
                "precision_report": conversion if int8 else None,
                "tf32": None,
                "manifest": manifest,
                "truth": None,
                "onnx": None if reference else str(onnx),
            }
            row["detections"] = write_detections(root / "detections" / place / name, labelled, images)
            timings[variant] = timing
            row["latency_samples"] = str(root / "latency" / place / "samples.parquet")
            row["latency"] = write(root / "latency" / place / name, timing)
            row["metrics"] = score and write(root / "metrics" / place / name, score)
            row["comparison"] = None
            if not reference:
                row["comparison"] = write(root / "comparisons" / place / name, compared)
                own = {"dataset": dataset, "model": "det", "variant": variant}
                made["comparisons"].append({**own, "path": row["comparison"]})
            if int8 and labelled:
                path = write(root / "diagnoses" / place / name, diagnosis())
                made["diagnoses"].append({**own, "path": path})
            points = write(root / "points" / place / name, operating_points(variant, labelled))
            own = {"dataset": dataset, "model": "det", "variant": variant}
            made["points"].append({**own, "reference": "pytorch", "path": points})
            path = root / "verify" / name
            row["verify"] = None if reference else write(path, verify(variant, int8))
            made["rows"].append(row)
            own = {"dataset": dataset, "model": "det", "variant": variant}
            made["latencies"].append({**own, "path": row["latency"]})
            rung = {"variant": variant, "AP": score and score["AP"], "refused": None}
            rung |= {"delta_to_reference": None if reference else compared["delta_AP"]}
            rung |= {"delta_to_reference_ci95": None if reference else compared["delta_AP_ci95"]}
            rung |= {"agreement": None if reference else compared["agreement"]}
            rung |= {"agreement_to_previous": None if reference else compared["agreement"]}
            tensors = {"name": "box_1", "max_abs": 3.1e-6}
            rung |= {"tensor_difference": None if reference else tensors}
            alone = {"variant": "raw-int8", "delta_AP": -0.0211, "delta_AP_ci95": [-0.03, -0.01]}
            rung["alone"] = alone if int8 and labelled else None
            rung["recipe_steps"] = ["max_per_img k 2 → 3", "max_per_img left out"] if int8 else []
            rung["latency_difference_ms"] = -7.15 if number > 1 else None
            before = list(variants.values())[number - 1]
            rung["changes"] = [
                f"{key} {before.get(key, 'fp32')} → {cells.get(key, 'fp32')}"
                for key in ("runtime", "cut", "precision")
                if number and before.get(key) != cells.get(key)
            ]
            rung["latency_p50_ms"] = timing["stages"]["total"]["p50"]
            last = rungs[-1]["AP"] if rungs else None
            step = None if last is None else score["AP"] - last
            rung["delta_to_previous"] = step
            rung["delta_to_previous_ci95"] = None if step is None else [step - 0.001, step + 0.001]
            rungs.append(rung)
        write_latency_samples(root / "latency" / dataset / "det" / "samples.parquet", timings)
        ladder = {"reference": "pytorch", "rungs": rungs}
        ladder["published_ap"] = 0.57 if dataset == "coco_like" else None
        path = write(root / "ladders" / dataset / "det.json", ladder)
        made["ladders"].append({"dataset": dataset, "model": "det", "path": path})
    for variant in list(variants)[1:]:
        made["verifies"].append({"model": "det", "path": str(root / f"verify/{variant}.json")})
    return made
