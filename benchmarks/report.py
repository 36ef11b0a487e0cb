"""The report: how long it renders, how large it is, how soon it is seen, for the demo and for a large run.

Run: ``python benchmarks/report.py``. The demo's page is results/report.html, if it is there. The records of
the other pages are made up (tests/unit/report_fixtures.py): 4 variants of three small data
sets; 12 variants of 5000 images with 80 classes, and more pictures than the default config allows.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench import write_results
from playwright.sync_api import Browser, sync_playwright

from cutpoint.report.page import render_report
from cutpoint.report.samples import draw_samples

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests" / part) for part in ("unit", "browser")]

from datasets import save_labels  # noqa: E402
from page_fixtures import page_arguments, plotted, shown  # noqa: E402
from report_fixtures import VARIANTS, write_autopsy, write_detections  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPENED = 5
IMAGES, CLASSES, THRESHOLDS = 5000, 80, 100
# images on which variants differ; how many of them the gallery shows, and their size at most
DIFFERENT, SHOWN, MEGABYTES = 500, 200, 20
NOTES = """
`render` is the time of `render_report` alone, once, with figures and pictures already drawn. `first screen`
is the largest contentful paint in a window of 1280 x 800, from the start of the navigation. `ready` is when
toolbox, tables and figures can be used. Both are medians of {opened} openings from the disk in a fresh
context of headless Chromium {version}. Goals: 6 MB and 1 s for the demo, 60 MB and 3 s for 5000 images and 12
variants;
20 s to render.
"""
PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  done(list.getEntries().at(-1).startTime);
}).observe({ type: 'largest-contentful-paint', buffered: true }))"""
READY = "performance.getEntriesByName('ready')[0]?.startTime"


def large(root: Path) -> dict[str, Any]:
    """Records of 12 variants of 5000 images with 80 classes."""
    cells = [("raw", "fp32"), ("raw", "fp16"), ("raw", "int8"), ("decoded", "fp32"), ("decoded", "fp16")]
    cells += [("decoded", "int8"), ("e2e", "fp32"), ("e2e", "fp16"), ("e2e", "int8")]
    variants = {"pytorch": VARIANTS["pytorch"], "raw": VARIANTS["raw"]}
    for number, (cut, precision) in enumerate([*cells, ("raw", "fp32")]):
        ap = -0.002 * number
        judged = ("different", [ap - 0.003, ap + 0.001]) if number else ("lossless", [0.0, 0.0])
        made = {"runtime": "onnxruntime", "cut": cut, "precision": precision, "ap": ap, "judged": judged}
        variants[f"{cut}-{precision}-{number}"] = made
    classes = [f"class number {i}" for i in range(CLASSES)]
    arguments = page_arguments(
        root, gate=(), datasets={"val2017": True}, variants=variants, classes=classes, images=IMAGES
    )
    for entry in arguments["entries"]["points"]:
        _enlarge(Path(entry["path"]))
    return shown(plotted(arguments, root / "large"), samples=[_gallery(root, list(variants))])


def _gallery(root: Path, variants: list[str]) -> dict[str, str]:
    """The pictures of a data set; each variant misses boxes of its own."""
    manifest = root / "manifests" / "val2017.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    random = np.random.default_rng(0)
    for image in content["images"][:DIFFERENT]:
        noise = random.integers(0, 255, (image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(image["path"], cv2.GaussianBlur(noise, (0, 0), 1.5))
    found = {name: str(root / "detections" / "val2017" / "det" / f"{name}.json") for name in variants}
    autopsies = {}
    for number, name in enumerate(variants[1:]):
        lost = {(image, image % 3): "nms" for image in range(1 + number, DIFFERENT, 3)}
        causes = {(image, 0.9 - 0.1 * index): "nms" for image, index in lost}
        write_detections(Path(found[name]), True, IMAGES, lost=tuple(lost))
        autopsies[name] = write_autopsy(root / f"{name}.parquet", found[variants[0]], causes)
    draw_samples(
        manifest=str(manifest),
        truth=content["annotations"],
        labels=save_labels(
            root / "labels.json", range(CLASSES), [f"class number {i}" for i in range(CLASSES)]
        ),
        detections=found,
        autopsies=autopsies,
        reference=variants[0],
        public=None,
        images=SHOWN,
        megabytes=MEGABYTES,
        score_thr=0.3,
        out_dir=str(root / "gallery"),
    )
    return {"dataset": "val2017", "model": "det", "path": str(root / "gallery")}


def _enlarge(path: Path) -> None:
    """Operating points at as many thresholds as a real file has."""
    content = json.loads(path.read_text(encoding="utf-8"))
    (*_, point) = content["points"]
    content["points"] = [
        point | {"score_thr": i / THRESHOLDS, "recall": 1 - i / THRESHOLDS, "precision": 0.5 + i / 200}
        for i in range(THRESHOLDS)
    ]
    path.write_text(json.dumps(content), encoding="utf-8")


def opened(browser: Browser, report: Path) -> tuple[float, float]:
    """Seconds until the first screen is painted and until the page is ready."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(report.resolve().as_uri())
    page.wait_for_function(READY, timeout=300_000)
    painted, ready = page.evaluate(PAINTED) / 1000, page.evaluate(READY) / 1000
    context.close()
    return painted, ready


def main() -> None:
    """Measure and write the table."""
    path = os.environ.get("CUTPOINT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        print("report: no Chromium, skipped")
        return
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        reports: dict[str, tuple[Path, float | str]] = {}
        demo = ROOT / "results" / "report.html"
        if demo.exists():
            reports["demo"] = demo, ""
        for name, make in (("three data sets", page_arguments), ("5000 images, 12 variants", large)):
            folder = Path(temporary) / str(len(reports))
            folder.mkdir()
            arguments = make(folder)
            began = time.perf_counter()
            render_report(**arguments, out=str(folder / "report.html"))
            reports[name] = folder / "report.html", time.perf_counter() - began
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rows = []
        for name, (report, seconds) in reports.items():
            seen = [opened(browser, report) for _ in range(OPENED)]
            painted, ready = (statistics.median(times) for times in zip(*seen, strict=True))
            rows.append(
                {
                    "page": name,
                    "MB": report.stat().st_size / 1e6,
                    "render [s]": seconds,
                    "first screen [s]": painted,
                    "ready [s]": ready,
                }
            )
        notes = NOTES.format(opened=OPENED, version=browser.version)
        browser.close()
    write_results("report", rows, notes)


if __name__ == "__main__":
    main()
