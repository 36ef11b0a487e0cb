"""Latency on a GPU: every cut and precision of R50 detectors of each kind and of two small ones, and mmdet.

Run: ``python benchmarks/gpu.py`` on a machine with a CUDA device
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench import write_results
from detectors import (
    SMALL_ATSS,
    YOLOX_NANO,
    Detector,
    atss_r50,
    deformable_detr_r50,
    export,
    faster_rcnn_r50,
    latency_job,
    write_export,
)
from latency import candidates

from cutpoint.errors import UserError
from cutpoint.export.precision import to_fp16
from cutpoint.latency.coordinator import time_variants
from cutpoint.latency.statistics import summarize_latency
from cutpoint.plan.devices import has_gpu
from cutpoint.predict.runtime import Session
from cutpoint.records.latency import COPIES, STAGES, read_latency

CUTS = ("raw", "decoded", "e2e")
NOTES = """
Medians of one run in which all variants of a detector take turns; image file to final boxes. `pytorch` is
mmdet's own pipeline and `predict`. fp32 is without tf32 unless the variant says so. R50 detectors have their
zoo configs and drawn weights; `candidates`: pairs above the floor, mean over the images. `images/s`: several
images overlapped.
"""


def variants(detector: Detector, folder: Path, providers: list[str], threads: int) -> list[dict[str, Any]]:
    """Jobs of every runtime, provider, precision and cut."""
    jobs = []
    for tf32 in (False, True):
        job = latency_job(detector, folder, "pytorch", threads, "cuda") | {"tf32": tf32}
        jobs.append(job | {"variant": "pytorch" + " tf32" * tf32})
    for provider in providers:
        for cut in CUTS:
            job = latency_job(detector, folder, cut, threads, provider)
            jobs.append(job | {"variant": f"{provider} {cut} fp32"})
            half = str(folder / f"{cut}-fp16.onnx")
            jobs.append(job | {"variant": f"{provider} {cut} fp16", "model": half})
        tf32 = latency_job(detector, folder, "raw", threads, provider) | {"tf32": True}
        jobs.append(tf32 | {"variant": f"{provider} raw fp32 tf32"})
    return jobs


def usable(providers: list[str], model: str) -> list[str]:
    """Those providers that open a session here; says why another does not."""
    found = []
    for provider in providers:
        try:
            Session(model, provider)
            found.append(provider)
        except UserError as error:
            print(f"left out: {error}")
    return found


def half_precision(folder: Path) -> None:
    """The fp16 file of each cut."""
    spec, trace = str(folder / "spec.json"), str(folder / "trace-fp16.onnx")
    to_fp16(
        trace=str(folder / "trace.onnx"),
        spec=spec,
        manifest=str(folder / "manifest.json"),
        out=trace,
        report=str(folder / "fp16.json"),
    )
    for cut in CUTS:
        out = str(folder / f"{cut}-fp16.onnx")
        write_export(cut=cut, trace=trace, spec=spec, out=out)


def measure(name: str, detector: Detector, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """One row a variant."""
    export(detector, folder, *CUTS)
    half_precision(folder)
    found = round(candidates(folder))
    jobs = variants(detector, folder, usable(["cuda", "tensorrt"], str(folder / "raw.onnx")), threads=4)
    samples, rows = str(folder / "samples.parquet"), []
    time_variants(
        jobs=jobs,
        recipes={job["variant"]: {"recipe": "mmdet3", "recipe_text": "mmdet3"} for job in jobs},
        manifest=str(folder / "manifest.json"),
        images=8,
        min_seconds=seconds,
        min_runs=48,
        threads=4,
        batch=1,
        throughput=True,
        out=samples,
    )
    for job in jobs:
        out = folder / "latency.json"
        summarize_latency(samples=samples, variant=job["variant"], reference="pytorch", out=str(out))
        timed = read_latency(out)
        stages = timed.stages.in_order() | {"total": timed.stages.total}
        order = (*STAGES[:2], COPIES[0], "inference", COPIES[1], "postprocess", "total")
        placement = timed.node_placement
        rows.append(
            {"detector": name, "candidates": found, "variant": job["variant"]}
            | {f"{stage.replace('_', ' ')} [ms]": stages[stage].p50 for stage in order}
            | {"p99 [ms]": timed.stages.total.p99, "images/s": timed.throughput.images_per_s}
            | {"nodes": str(placement.nodes) if placement else "", "notes": "; ".join(timed.notes)}
        )
    return rows


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each variant")
    arguments = parser.parse_args()
    if not has_gpu():
        print("benchmarks/gpu.py skipped: no CUDA device")
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, draw in (
            ("ATSS-R50", atss_r50),
            ("Faster R-CNN R50", faster_rcnn_r50),
            ("Deformable DETR R50", deformable_detr_r50),
        ):
            folder = Path(temporary) / name.replace(" ", "-")
            large = draw(folder / "drawn", 800, 1333)
            rows += measure(f"{name} 800x1333", large, folder / "large", arguments.seconds)
        rows += measure("small ATSS 320", SMALL_ATSS, Path(temporary) / "small", arguments.seconds)
        if Path(YOLOX_NANO.checkpoint).is_file():
            rows += measure("YOLOX-nano 416", YOLOX_NANO, Path(temporary) / "yolox", arguments.seconds)
    write_results("gpu", rows, NOTES)


if __name__ == "__main__":
    main()
