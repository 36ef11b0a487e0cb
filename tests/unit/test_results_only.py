"""Results files alone: every step behind the detections, and a page about nothing else."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from chart_fixtures import texts
from datasets import save_labels
from report_fixtures import CLASSES, TABLES, boxes_of, write, write_data

from cutpoint.compare.autopsy import Side, autopsy
from cutpoint.compare.bootstrap import sample_ap
from cutpoint.compare.comparison import compare
from cutpoint.compare.operating_points import measure_operating_points
from cutpoint.evaluate.coco import evaluate
from cutpoint.files import read_json
from cutpoint.predict.results_file import import_results
from cutpoint.records.verification import TensorCheck, Verification, write_verification
from cutpoint.report.charts.draw import draw_figures
from cutpoint.report.page import render_report
from cutpoint.report.samples import draw_samples
from cutpoint.summary.build import summarize

IMAGES = 24
RUN = {
    **{"runtime": "onnxruntime", "cut": "decoded", "precision": "fp32", "provider": "cpu"},
    **{"input": "own", "recipe": "ultralytics", "batch": 1, "layout": "ultralytics"},
}


def predictions(lost=(), shift=0.0):
    """As Ultralytics writes them: stems, class + 1, one box an object; without those in ``lost``."""
    return [
        {
            "image_id": image,
            "file_name": f"{image:03d}.jpg",
            "category_id": index + 1,
            "bbox": [round(float(value), 3) for value in np.add(box, (shift, 0, 0, 0))],
            "score": round(0.9 - 0.35 * index, 5),
        }
        for image in range(1, IMAGES + 1)
        for index, box in enumerate(boxes_of(image))
        if (image, index) not in lost
    ]


@pytest.fixture(scope="module", params=[True, False], ids=["labelled", "unlabelled"])
def made(request, tmp_path_factory):
    """The variants ``pt``, ``same`` and ``worse`` of results, up to the page; paths by name."""
    root, labelled = tmp_path_factory.mktemp("results"), request.param
    manifest = write_data(root, "street", labelled, IMAGES)
    truth = read_json(manifest)["annotations"]
    labels = save_labels(root / "labels.json", [10, 20, 30] if labelled else [1, 2, 3], CLASSES)
    files = {
        "pt": predictions(),
        "same": predictions(shift=0.01),
        "worse": predictions(lost=[(image, 1) for image in range(1, IMAGES, 2)]),
        "strict": [entry for entry in predictions() if entry["score"] > 0.5],
    }
    rows, points, comparisons = [], [], []
    for name, content in files.items():
        own = {"dataset": "street", "model": "det", "variant": name}
        path = {
            kind: str(root / f"{name}.{kind}") for kind in ("found", "metrics", "npz", "cases", "cmp", "op")
        }
        import_results(
            variant=name,
            results=write(root / f"{name}.json", content),
            category_ids="label_plus_one",
            manifest=manifest,
            labels=labels,
            out=path["found"],
        )
        base = str(root / "pt.found")
        if labelled:
            evaluate(truth=truth, detections=path["found"], out=path["metrics"])
            sample_ap(truth=truth, detections=path["found"], out=path["npz"], resamples=50)
        reference = None if name == "pt" else base
        measure_operating_points(truth=truth, reference=reference, variant=path["found"], out=path["op"])
        points.append({**own, "reference": "pt", "path": path["op"]})
        if reference:
            sides = {"reference": Side(base), "variant": Side(path["found"])}
            autopsy(**sides, manifest=manifest, labels=labels, out=path["cases"])
            compare(
                reference_name="pt",
                manifest=manifest,
                reference=base,
                variant=path["found"],
                reference_spec=None,
                variant_spec=None,
                reference_samples=str(root / "pt.npz") if labelled else None,
                variant_samples=path["npz"] if labelled else None,
                autopsy=path["cases"],
                recipes=[None, None],
                margin=0.001,
                corner_px=0.05,
                score=1e-4,
                out=path["cmp"],
            )
            comparisons.append({**own, "path": path["cmp"]})
        row = {**own, "manifest": manifest, "detections": path["found"], "truth": truth}
        row |= {"metrics": path["metrics"] if labelled else None, "remarks": [f"external: {name}.json"]}
        rows.append(row | {"comparison": path["cmp"] if reference else None})
    draw_samples(
        manifest=manifest,
        truth=truth,
        labels=labels,
        detections={name: str(root / f"{name}.found") for name in files},
        autopsies={name: str(root / f"{name}.cases") for name in files if name != "pt"},
        reference="pt",
        public=None,
        images=3,
        megabytes=1,
        score_thr=0.3,
        out_dir=str(root / "gallery"),
    )
    samples = [{"dataset": "street", "model": "det", "path": str(root / "gallery")}]
    entries = {"points": points, "comparisons": comparisons, "samples": samples}
    entries |= {
        kind: [] for kind in ("ladders", "verifies", "checks", "latencies", "precisions", "diagnoses")
    }
    return {"root": root, "rows": rows, "entries": entries, "labelled": labelled}


def report(made, folder, rows=None, **entries):
    """The rows of summary.csv, summary.md and the page, without its style and script."""
    place = {"dataset": "street", "model": "det"}
    out = {key: str(folder / key) for key in (*TABLES, "page")}
    summarize(rows=rows or made["rows"], **{f"out_{key}": out[key] for key in TABLES})
    files = {"summary": out["csv"], "per_class": out["per_class"]}
    figures = str(folder / "figures")
    draw_figures(**files, entries=made["entries"], **place, out_dir=figures)
    made_here = {"recommendations": [place | {"path": out["recommendations"]}]}
    made_here["figures"] = [place | {"path": figures}]
    render_report(
        **files,
        entries=made["entries"] | made_here | entries,
        gate=None,
        config={
            "models": {"det": {"classes": CLASSES}},
            "comparison": {"margin": 0.001, "corner_px": 0.05, "score": 1e-4},
        },
        out=out["page"],
    )
    with open(out["csv"], newline="", encoding="utf-8") as file:
        summary = {row["variant"]: row for row in csv.DictReader(file)}
    html = Path(out["page"]).read_text(encoding="utf-8")
    page = re.sub(r"<(style|script|svg)\b.*?</\1>", "", html, flags=re.DOTALL)
    return summary, Path(out["md"]).read_text(encoding="utf-8"), page


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_reference_that_is_a_results_file_is_compared_like_any_other(made, tmp_path):
    summary, _, page = report(made, tmp_path)
    assert [row["is_reference"] for row in summary.values()] == ["True", "False", "False", "False"]
    assert summary["same"]["verdict"] == "lossless"
    assert float(summary["same"]["agreement"]) == 1
    # 12 of the reference's 72 boxes are missing
    assert float(summary["worse"]["agreement"]) == pytest.approx(2 * 60 / 132)
    assert summary["worse"]["verdict"] == ("different" if made["labelled"] else "inconclusive")
    text = text_of(page)
    assert "worse 0.9091 0.9091" in text
    assert "12 of 72 0 of 60" in text
    if made["labelled"]:
        assert float(summary["worse"]["delta_AP"]) < -0.1
        assert re.search(r"AP is lower with strict \([^)]*\) and worse \(", text)
        assert "Operating point and errors" in text


def test_limits_that_the_files_show_are_said_in_short_and_in_the_row(made, tmp_path):
    summary, _, page = report(made, tmp_path)
    said = ["scores from 0.55, the reference from 0.2", "at most 2 boxes an image, the reference 3"]
    assert summary["strict"]["kept_otherwise"] == "; ".join(said)
    assert summary["strict"]["notes"] == "; ".join([*said, "external: strict.json"])
    assert f"strict has {said[0]}. strict has {said[1]}." in text_of(page)
    assert summary["same"]["kept_otherwise"] == ""


def test_the_page_says_nothing_of_what_there_is_not(made, tmp_path):
    _, markdown, page = report(made, tmp_path)
    text = text_of(page)
    for word in (
        "PyTorch",
        "mmdet",
        "Latency",
        "latency",
        "Timing",
        "Exports",
        "None",
        "runtime",
        "Cuts",
        "Where boxes went",
    ):
        assert word not in text, word
    assert "How good is each variant" in text
    targets = re.findall(r'href="#([^"?]+)', page)
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', page))
    heads = next(line for line in markdown.splitlines() if line.startswith("| variant"))
    assert "p50" not in heads
    assert "runtime" not in heads
    # no heading without anything below it
    assert not re.search(r"</h([23])>\s*(<h[23]|</section>)", page)


def test_a_file_without_an_mmdet_model_is_checked_and_not_verified(made, tmp_path):
    passed = TensorCheck("boxes", None, None, None, "finite, within reach of the input", True, "")
    wrong = TensorCheck("scores", None, None, None, "within 0 to 1", False, "scores from -9.1 to 4.2: logits")
    failure = f"{wrong.name}, {wrong.reason}"
    check = Verification("det.onnx", "fp32", False, (failure,), (passed, wrong), 3, ())
    path = str(tmp_path / "check.json")
    write_verification(path, check)
    rows = [*made["rows"][:1], *(row | RUN | {"verify": path} for row in made["rows"][1:3])]
    summary, _, page = report(made, tmp_path, rows, checks=[{"model": "det", "path": path}])
    assert (summary["worse"]["export_failed"], summary["worse"]["layout"]) == ("True", "ultralytics")
    text = text_of(page)
    assert "The same for all variants that are run: runtime onnxruntime, provider cpu" in text
    assert f"worse failed its check: {failure}." in text
    assert "Checks of external files" in text
    assert "scores within 0 to 1 no scores from -9.1 to 4.2: logits" in text
    assert "an external file whose outputs do not look as its layout says" in text
    assert "PyTorch" not in text.replace("no PyTorch model", "")
    assert "Export verification" not in text
    assert "layout" in text


def test_the_figure_explains_only_the_marks_that_it_has(made, tmp_path):
    report(made, tmp_path)
    said = set(texts((tmp_path / "figures/ap.svg").read_text(encoding="utf-8")))
    assert "results file" in said
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    of_truth = {"operating_points", "precision_recall", "calibration", "errors"}
    assert {"ap", "drift"} <= drawn
    assert drawn & of_truth == (of_truth if made["labelled"] else set())
    assert not drawn & {"tradeoff", "ladder", "latency", "stages", "stage_times", "causes"}
    assert not said & {"raw", "decoded", "e2e"}


def test_the_ids_of_the_files_were_those_of_another_tool(made):
    found = json.loads((made["root"] / "pt.found").read_text())
    assert {entry["category_id"] for entry in found} == ({10, 20, 30} if made["labelled"] else {1, 2, 3})
    assert len(found) == 3 * IMAGES
