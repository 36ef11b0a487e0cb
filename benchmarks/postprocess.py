"""Post-processing of the raw cut: ours, mmdet's and OpenCV's on the same tensors, beside reading them once.

Run: ``python benchmarks/postprocess.py``; writes ``benchmarks/results/postprocess.json`` and ``.md``.
"""

import argparse
import itertools
from typing import Any

import cv2
import numpy as np
import torch
from bench import median, ratio, time_in_turn, write_results
from head_tensors import CONFIGS, Case, make_case
from mmengine.structures import InstanceData

from cutpoint.decode.candidates import from_raw
from cutpoint.detector.mmcv_ops import has_compiled_ops
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.nms import class_shifted_nms
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.records.detections import Detections

SIZES = ((640, 640), (800, 1344))
CANDIDATES = (100, 800, 3000)
THREADS = (1, 2)
NOTES = """
Random head tensors that look like real ones (`head_tensors.py`): 80 classes, one image, float32, heads and
settings of the configs that mmdet ships. About 100, 800 or 3000 pairs pass the model's own threshold. All
calls of a row ran in turn in one process. Times are medians. Ratios are ratios of medians with their 95 %
bootstrap interval.

- **pass**: `numpy.max` over the class logits of every level. It is the fastest way we know to read them once.
- **up to NMS**: from the tensors to boxes, scores and labels in original-image pixels. mmdet's is
  `predict_by_feat(with_nms=False)`, which clips, rescales and filters as ours does.
- **NMS**: class-shifted NMS of those boxes; OpenCV's is `cv2.dnn.NMSBoxesBatched` on the same boxes as lists,
  its fastest input, converted before. *kept otherwise*: boxes that only one of the two keeps (OpenCV
  computes in float64, without the shift).
- **total**: from the tensors to the detections. mmdet's is `predict_by_feat`, {nms}.
- **equal**: the boxes up to NMS and the detections are mmdet's: labels, scores within 1e-6, corners within
  0.001 px.
- Threads are torch's and OpenCV's; ours uses one.
"""


def mmdet_call(case: Case, with_nms: bool) -> InstanceData:
    """mmdet's own post-processing of the case's tensors."""
    tensors = [torch.from_numpy(case.outputs[name]) for name in case.spec.raw_names]
    levels = [tensors[i : i + case.spec.levels] for i in range(0, len(tensors), case.spec.levels)]
    g = case.geometry
    meta = {
        "img_shape": (g.resized_height, g.resized_width),
        "ori_shape": (g.height, g.width),
        "scale_factor": (g.scale_x, g.scale_y),
    }
    with torch.no_grad():
        return case.head.predict_by_feat(*levels, batch_img_metas=[meta], rescale=True, with_nms=with_nms)[0]


def is_equal(found: Detections, expected: InstanceData) -> bool:
    """Whether each of ours has one of mmdet's as its partner and none of mmdet's is left."""
    boxes, scores, labels = (expected[key].numpy() for key in ("bboxes", "scores", "labels"))
    if len(found) != len(scores):
        return False
    near = found.labels[:, None] == labels
    near &= np.abs(found.scores[:, None] - scores) <= 1e-6
    near &= np.abs(found.boxes[:, None] - boxes).max(axis=2, initial=0) <= 1e-3
    return bool(near.any(axis=0).all() and near.any(axis=1).all())


def measure(case: Case, threads: int, seconds: float) -> dict[str, Any]:
    """One row: times and ratios of a case."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    recipe = resolve_recipe("mmdet3", case.spec)
    step = recipe.get(Nms)
    before_nms = Recipe(recipe.steps[: recipe.steps.index(step)])
    threshold = step.iou_threshold

    def run(steps: Recipe) -> Detections:
        return apply_recipe(steps, from_raw(case.outputs, case.spec), case.geometry, case.model)

    rows = run(before_nms)
    corners = rows.boxes.astype(np.float64)
    lists = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
    lists = lists, rows.scores.tolist(), rows.labels.tolist()

    def ours_nms() -> np.ndarray:
        return class_shifted_nms(rows.boxes, rows.scores, rows.labels, threshold)

    def opencv_nms() -> np.ndarray:
        return cv2.dnn.NMSBoxesBatched(*lists, 0.0, threshold)

    ms = time_in_turn(
        {
            "pass": lambda: [level.max() for level in case.logits],
            "before": lambda: run(before_nms),
            "mmdet before": lambda: mmdet_call(case, with_nms=False),
            "nms": ours_nms,
            "opencv": opencv_nms,
            "total": lambda: run(recipe),
        },
        min_seconds=seconds,
        min_runs=15,
    )
    whole = time_in_turn({"mmdet": lambda: mmdet_call(case, with_nms=True)}, 0, min_runs=3, warm_up=1)
    equal = is_equal(rows, mmdet_call(case, False)) and is_equal(run(recipe), mmdet_call(case, True))
    return {
        "candidates": len(from_raw(case.outputs, case.spec)),
        "before NMS": len(rows),
        "kept by NMS": len(ours_nms()),
        "threads": threads,
        "pass, ms": median(ms["pass"])[0],
        "up to NMS, ms": median(ms["before"])[0],
        "mmdet's, ms": median(ms["mmdet before"])[0],
        "mmdet's / ours": ratio(ms["mmdet before"], ms["before"]),
        "NMS, ms": median(ms["nms"])[0],
        "OpenCV's, ms": median(ms["opencv"])[0],
        "ours / OpenCV's": ratio(ms["nms"], ms["opencv"]),
        "kept otherwise": len(set(ours_nms().tolist()) ^ set(np.ravel(opencv_nms()).tolist())),
        "total, ms": median(ms["total"])[0],
        "total / pass": ratio(ms["total"], ms["pass"]),
        "mmdet's total, ms": median(whole["mmdet"])[0],
        "equal": "yes" if equal else "no",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--seconds", type=float, default=0.7, help="at least, per row")
    options = parser.parse_args()
    rows = []
    for name, (height, width), candidates in itertools.product(options.heads, SIZES, CANDIDATES):
        case = make_case(name, height, width, candidates)
        for threads in THREADS:
            row = {"head": name, "size": f"{height}x{width}"} | measure(case, threads, options.seconds)
            rows.append(row)
    kind = "with mmcv's compiled NMS" if has_compiled_ops() else "without compiled NMS (mmcv-lite)"
    write_results("postprocess", rows, NOTES.format(nms=kind))


if __name__ == "__main__":
    main()
