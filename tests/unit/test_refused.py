"""A refused variant beside good ones: every later step finishes, and no number is made of it."""

import re
from pathlib import Path

import pytest
from chart_fixtures import texts
from datasets import save_labels
from report_fixtures import TABLES, write_data, write_detections, write_results

from cutpoint.compare.autopsy import Side, autopsy
from cutpoint.compare.bootstrap import sample_ap
from cutpoint.compare.comparison import compare
from cutpoint.compare.ladder import build_ladder
from cutpoint.compare.operating_points import measure_operating_points
from cutpoint.evaluate.coco import evaluate
from cutpoint.files import read_json
from cutpoint.gate.check import evaluate_gate
from cutpoint.records.detections import write_refusal
from cutpoint.records.metrics import SUMMARY
from cutpoint.records.per_class import read_per_class
from cutpoint.records.samples import read_gallery
from cutpoint.records.summary import read_summary
from cutpoint.report.charts.draw import draw_figures
from cutpoint.report.page import render_report
from cutpoint.report.samples import draw_samples
from cutpoint.summary.build import summarize

REASON = "cls_0 has NaN on image id 2 (a.jpg)"
VARIANTS = ("pytorch", "raw", "theirs")
IMAGES = 12


@pytest.fixture(scope="module")
def timing(tmp_path_factory):
    """A latency file: it is measured of a refused variant as well."""
    return write_results(tmp_path_factory.mktemp("timing"))["rows"][1]["latency"]


def run(root, refused, labelled, timing):
    """All steps behind the detections, in the workflow's order; the arguments of the page and its files."""
    manifest = write_data(root, "street", labelled, IMAGES)
    truth = read_json(manifest)["annotations"]
    labels = save_labels(root / "labels.json", [10, 20, 30])
    found, made = {}, {"rows": [], "points": [], "comparisons": [], "samples": [], "rungs": []}
    for name in VARIANTS:
        lost = ((3, 0),) if name == "raw" else ()
        found[name] = write_detections(root / f"{name}.json", labelled, IMAGES, lost)
        if name in refused:
            write_refusal(found[name], REASON)
    reference = found["pytorch"]
    for name in VARIANTS:
        own = {"dataset": "street", "model": "det", "variant": name}
        files = {key: str(root / f"{name}.{key}") for key in ("metrics", "samples", "comparison", "points")}
        if labelled:
            evaluate(truth=truth, detections=found[name], out=files["metrics"])
            sample_ap(truth=truth, detections=found[name], out=files["samples"], resamples=20)
        else:
            files |= {"metrics": None, "samples": None}
        base = None if name == "pytorch" else reference
        measure_operating_points(truth=truth, reference=base, variant=found[name], out=files["points"])
        made["points"].append({**own, "reference": "pytorch", "path": files["points"]})
        if base:
            cases = str(root / f"{name}.parquet")
            sides = {"reference": Side(reference), "variant": Side(found[name])}
            autopsy(**sides, manifest=manifest, labels=labels, out=cases)
            compare(
                reference_name="pytorch",
                manifest=manifest,
                reference_spec=None,
                variant_spec=None,
                reference=reference,
                variant=found[name],
                reference_samples=(labelled and made["rungs"][0]["samples"]) or None,
                variant_samples=files["samples"],
                autopsy=cases,
                recipes=[None, None],
                margin=0.001,
                corner_px=0.05,
                score=1e-4,
                out=files["comparison"],
            )
            made["comparisons"].append({**own, "path": files["comparison"]})
        comparison = files["comparison"] if base else None
        row = {
            **own,
            "manifest": manifest,
            "truth": None,
            "detections": found[name],
            "comparison": comparison,
        }
        row |= {"runtime": "onnxruntime", "cut": "raw", "precision": "fp32", "provider": "cpu"}
        row |= {"input": "mmdet", "recipe": "mmdet3", "shape": "dynamic", "batch": 1, "tf32": None}
        row |= {"verify": None, "onnx": None, "precision_report": None, "remarks": [], "published_ap": 0.5}
        made["rows"].append(row | {"metrics": files["metrics"], "latency": timing})
        rung = {"variant": name, "changes": [], "spec": None, "recipe": None, "verify": None, "alone": None}
        rung |= {"detections": found[name], "comparison": comparison, "latency": timing}
        made["rungs"].append(rung | {key: files[key] for key in ("metrics", "samples")})
    draw_samples(
        manifest=manifest,
        truth=truth,
        labels=labels,
        detections=found,
        autopsies={name: str(root / f"{name}.parquet") for name in VARIANTS if name != "pytorch"},
        reference="pytorch",
        public=None,
        images=1,
        megabytes=1,
        score_thr=0.3,
        out_dir=str(root / "gallery"),
    )
    made["samples"].append({"dataset": "street", "model": "det", "path": str(root / "gallery")})
    return made


def report(root, made):
    """The tables, the figures, the gate and the page; paths by name."""
    out = {name: str(root / f"out_{name}") for name in (*TABLES, "ladder", "gate", "page")}
    summarize(rows=made["rows"], **{f"out_{key}": out[key] for key in TABLES})
    rungs, base = made["rungs"], {"variant": "pytorch", "samples": made["rungs"][0]["samples"]}
    build_ladder(rungs=rungs, reference=base, published_ap=None, out=out["ladder"])
    ladders = [{"dataset": "street", "model": "det", "path": out["ladder"]}]
    pair = {"dataset": "street", "model": "det"}
    latency = made["rows"][0]["latency"]
    entries = {
        "ladders": ladders,
        "samples": made["samples"],
        "recommendations": [{**pair, "path": out["recommendations"]}],
        "verifies": [],
        "checks": [],
        "precisions": [],
        "latencies": [{**pair, "variant": name, "path": latency} for name in VARIANTS],
        "comparisons": made["comparisons"],
        "points": made["points"],
        "diagnoses": [],
    }
    files = {"summary": out["csv"], "per_class": out["per_class"]}
    draw_figures(**files, entries=entries, **pair, out_dir=str(root / "figures"))
    entries["figures"] = [{**pair, "path": str(root / "figures")}]
    place = {"dataset": "street", "model": "det", "bound": "min"}
    columns = (("AP", 0.1), ("agreement", 0.5), ("latency_p50_ms", 0))
    checks = [
        {**place, "variant": name, "column": column, "limit": limit}
        for name in VARIANTS
        for column, limit in columns
    ]
    evaluate_gate(summary=out["csv"], checks=checks, out_json=out["gate"], out_xml=str(root / "gate.xml"))
    render_report(
        **files,
        entries=entries,
        gate=out["gate"],
        config={
            "models": {"det": {"config": "det.py"}},
            "comparison": {"margin": 0.001, "corner_px": 0.05, "score": 1e-4},
        },
        out=out["page"],
    )
    return {**out, "figures": root / "figures"}


def first_words(page):
    """What the page says first of the data set and model."""
    said = re.search(r'<div class="card.*?</article>', Path(page).read_text(), re.S)[0]
    text = re.sub(r"<(figure)\b.*?</\1>", "", said, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def rows_of(path):
    return {row.variant: row for row in read_summary(path)}


@pytest.mark.parametrize("labelled", [True, False])
def test_a_refused_variant_has_no_numbers_and_the_others_keep_theirs(tmp_path, timing, labelled):
    alone = run(tmp_path / "alone", (), labelled, timing)
    made = run(tmp_path / "refused", ("theirs",), labelled, timing)
    out, base = report(tmp_path / "refused", made), report(tmp_path / "alone", alone)
    rows, before = rows_of(out["csv"]), rows_of(base["csv"])
    assert rows["raw"] == before["raw"]
    theirs = rows["theirs"]
    assert theirs.verdict == "inconclusive"
    assert theirs.notes.split("; ")[0] == f"refused: {REASON}"
    empty = ("AP", "AP50", "AP75", "delta_AP", "delta_AP_lo", "delta_AP_hi", "agreement")
    assert {getattr(theirs, column) for column in empty} == {None}
    assert (theirs.refused, theirs.reference_refused) == (REASON, False)
    compared = read_json(made["comparisons"][-1]["path"])
    assert (compared["refused"], compared["agreement"], compared["boxes"]) == (REASON, None, None)
    assert compared["autopsy"] == {"reference": {}, "variant": {}}
    if labelled:
        content = read_json(made["rows"][-1]["metrics"])
        assert content["refused"] == REASON
        assert {content[key] for key in (*SUMMARY, "detections")} == {None}
        assert content["images"] == IMAGES
        assert [row["ground_truths"] for row in content["per_class"]] == [IMAGES, IMAGES, IMAGES - 1]
        classes = read_per_class(out["per_class"])
        assert {line.AP for line in classes if line.variant == "theirs"} == {None}
    ladder = read_json(out["ladder"])["rungs"]
    assert [rung["refused"] for rung in ladder] == [None, None, REASON]
    assert (ladder[2]["delta_to_previous"], ladder[2]["agreement_to_previous"]) == (None, None)
    drawn = read_gallery(Path(made["samples"][0]["path"]) / "index.json")
    assert drawn.refused == {"theirs": REASON}
    assert [list(picture.variants) for picture in drawn.pictures] == [["raw"]]
    first = first_words(out["page"])
    assert f"theirs is refused: {REASON}." in first
    assert "theirs (" not in first
    words = texts((out["figures"] / "ap.svg").read_text())
    assert "theirs" in words
    assert sum(word.startswith("refused") for word in words) == 1


def test_a_gate_on_a_refused_variant_is_inconclusive_whatever_the_bound(tmp_path, timing):
    out = report(tmp_path, run(tmp_path, ("theirs",), True, timing))
    checks = {(c["variant"], c["column"]): c for c in read_json(out["gate"])["checks"]}
    for column in ("AP", "agreement", "latency_p50_ms"):
        found = checks["theirs", column]
        assert (found["status"], found["reason"]) == ("inconclusive", f"refused: {REASON}")
        assert checks["raw", column]["status"] == "passed"
    assert not read_json(out["gate"])["passed"]


@pytest.mark.parametrize("labelled", [True, False])
def test_beside_a_refused_reference_nothing_is_compared_and_that_is_said_first(tmp_path, timing, labelled):
    made = run(tmp_path, ("pytorch",), labelled, timing)
    out = report(tmp_path, made)
    rows = rows_of(out["csv"])
    assert rows["raw"].verdict == rows["theirs"].verdict == "inconclusive"
    assert rows["raw"].notes.split("; ")[0] == "reference refused"
    assert rows["pytorch"].notes.split("; ")[0] == f"refused: {REASON}"
    if labelled:
        assert rows["raw"].AP > 0.5
    first = first_words(out["page"])
    assert f"The reference pytorch is refused, so nothing is compared with it: {REASON}." in first
    assert "Too few images" not in first
    compared = read_json(made["comparisons"][0]["path"])
    assert compared["refused"] == f"the reference is refused: {REASON}"
    checks = {(c["variant"], c["column"]): c["status"] for c in read_json(out["gate"])["checks"]}
    assert checks["raw", "agreement"] == "inconclusive"
    assert checks["pytorch", "agreement"] == "skipped"
    assert checks["raw", "AP"] == ("passed" if labelled else "inconclusive")


@pytest.mark.parametrize("labelled", [True, False])
def test_where_all_are_refused_the_page_is_finished(tmp_path, timing, labelled):
    out = report(tmp_path, run(tmp_path, VARIANTS, labelled, timing))
    assert {row.AP for row in read_summary(out["csv"])} == {None}
    first = first_words(out["page"])
    assert all(f"{name} is refused" in first for name in VARIANTS)
    drawn = {path.stem for path in out["figures"].glob("*.svg")}
    assert drawn == {"latency", "stages", "stage_times"}
