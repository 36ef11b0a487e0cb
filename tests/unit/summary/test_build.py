import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_fixtures import VARIANTS, write_detections, write_results
from scoring import truth_of

from cutpoint.errors import UserError
from cutpoint.records.manifest import Skipped, read_manifest, write_manifest
from cutpoint.records.per_class import read_per_class
from cutpoint.records.summary import read_summary
from cutpoint.records.truth import LeftOut, write_truth
from cutpoint.records.verification import read_verification, write_verification
from cutpoint.summary.build import summarize

CONTRACT = (
    "dataset, model, variant, runtime, cut, precision, provider, input, recipe, images, images_skipped, "
    "images_without_detections, categories_left_out, boxes_left_out, AP, AP50, AP75, evaluator, delta_AP, "
    "delta_AP_lo, delta_AP_hi, verdict, agreement, latency_p50_ms, latency_p99_ms, "
    "latency_samples, latency_delta_ms, latency_delta_ms_lo, latency_delta_ms_hi, images_per_s, model_mb, "
    "shape, batch, tf32, layout, is_reference, refused, reference_refused, weak_reference, "
    "baseline_off, published_ap, "
    "suspicious, doubtful, images_to_decide, kept_otherwise, export_failed, export_failures, "
    "without_compiled_nms, unsteady, disturbed, foreign_cores, throttled, timed_batch, timed_recipe, notes"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("tables"))


def run(rows, folder: Path) -> dict[str, Path]:
    out = {
        "out_csv": folder / "summary.csv",
        "out_md": folder / "summary.md",
        "out_per_class": folder / "per_class.csv",
        "out_per_slice": folder / "per_slice.csv",
        "out_recommendations": folder / "recommendations.json",
    }
    summarize(rows=rows, **{key: str(path) for key, path in out.items()})
    return out


@pytest.fixture(scope="module")
def out(made, tmp_path_factory):
    return run(made["rows"], tmp_path_factory.mktemp("out"))


def cells(out, dataset, variant):
    """The cells as text, exactly as the file has them."""
    with out["out_csv"].open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    return next(x for x in lines if (x["dataset"], x["variant"]) == (dataset, variant))


def test_columns_and_order_are_the_contract(out):
    with out["out_csv"].open() as handle:
        assert handle.readline().strip() == CONTRACT.replace(" ", "")
        assert len(handle.readlines()) == 3 * len(VARIANTS)


def test_the_reference_has_empty_comparison_cells_and_no_model_size(out):
    row = cells(out, "street", "pytorch")
    empty = (
        "delta_AP delta_AP_lo delta_AP_hi verdict agreement latency_delta_ms images_per_s model_mb shape tf32"
    )
    assert [row[key] for key in empty.split()] == [""] * 10
    assert (row["AP"], row["images"], row["batch"]) == ("0.58", "4", "1")
    assert row["notes"] == "without compiled NMS"


def test_what_is_left_out_and_filled_in_stands_beside_ap_and_once_in_the_notes(made, out, tmp_path):
    truth = truth_of({"images": [], "annotations": [], "categories": []})
    notes = ("iscrowd missing or null: 3 of 9 annotations: 0 is used",)
    path = tmp_path / "truth.json"
    write_truth(path, replace(truth, notes=notes, left_out=LeftOut(2, 31, ("dog", "cat"))))
    changed = run([{**row, "truth": str(path)} for row in made["rows"]], tmp_path)
    for variant in ("pytorch", "raw"):
        row = cells(changed, "street", variant)
        assert (row["categories_left_out"], row["boxes_left_out"]) == ("2", "31")
    said = (
        "annotations: iscrowd missing or null: 3 of 9 annotations: 0 is used; "
        "not scored, no class of the model: dog, cat"
    )
    assert said in cells(changed, "street", "pytorch")["notes"]
    assert "annotations:" not in cells(changed, "street", "raw")["notes"]
    assert "boxes left out" in changed["out_md"].read_text()
    assert "boxes left out" not in out["out_md"].read_text()


def test_skipped_images_are_said_beside_every_row_and_named_in_that_of_the_reference(made, out, tmp_path):
    rows = [row for row in made["rows"] if row["dataset"] == "street"]
    manifest = replace(
        read_manifest(rows[0]["manifest"]),
        skipped=tuple(Skipped(n, f"{n}.jpg", "it is empty; copy it again") for n in range(10, 15)),
    )
    path = tmp_path / "manifest.json"
    write_manifest(path, manifest)
    changed = run([{**row, "manifest": str(path)} for row in rows], tmp_path)
    for variant in ("pytorch", "raw"):
        row = cells(changed, "street", variant)
        assert (row["images"], row["images_skipped"]) == ("4", "5")
        assert "5 images skipped" in row["notes"]
    assert (
        "skipped: image 10 (10.jpg): it is empty, copy it again; "
        in cells(changed, "street", "pytorch")["notes"]
    )
    assert "skipped: 2 more" in cells(changed, "street", "pytorch")["notes"]
    assert "10.jpg" not in cells(changed, "street", "raw")["notes"]
    text = changed["out_md"].read_text()
    assert "5 of 9 images cannot be read and are left out of every number here" in " ".join(text.split())
    assert "images skipped" not in out["out_md"].read_text()
    assert cells(out, "street", "pytorch")["images_skipped"] == "0"


def test_numbers_are_full_fractions_ms_and_megabytes(out):
    row = cells(out, "street", "raw-int8")
    assert float(row["delta_AP"]) == -0.0213
    assert float(row["AP"]) == 0.58 - 0.0213
    assert float(row["agreement"]) == 0.91
    assert float(row["model_mb"]) == 4.3
    assert float(row["latency_p50_ms"]) == pytest.approx(14.3 * 1.5)
    assert float(row["latency_p99_ms"]) == pytest.approx(14.3 * 1.5 * 1.5)
    assert row["shape"] == "dynamic"


def test_every_failed_tensor_is_a_note_of_its_own(out):
    notes = cells(out, "street", "raw-int8")["notes"].split(";")
    assert [note.strip() for note in notes] == [
        "failed: cls_0, max abs 3.1e-2",
        "failed: cls_1, max abs 3.1e-2, worst",
        "2 of 20 tensors saturate, most conv_1 (1.20%)",
    ]


def test_the_precision_is_the_files_own(made, tmp_path):
    row = made["rows"][1]
    verification = read_verification(row["verify"])
    write_verification(tmp_path / "v.json", replace(verification, precision="int8"))
    assert (row["precision"], verification.precision) == ("fp32", "fp32")
    rows = [made["rows"][0], dict(row, verify=str(tmp_path / "v.json"))]
    assert cells(run(rows, tmp_path), "street", "raw")["precision"] == "int8"


def test_tensors_that_overflow_are_noted(made, tmp_path):
    report = {"precision": "fp16", "bytes": {"before": 9, "after": 5}, "images": 8}
    report |= {"kept_fp32": {"operators": {}, "nodes": {}}}
    report |= {"overflows": [{"tensor": "reg", "max_abs": 123456.0}, {"tensor": "x", "max_abs": 7e4}]}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(report))
    rows = [made["rows"][0], dict(made["rows"][1], precision_report=str(path))]
    notes = cells(run(rows, tmp_path), "street", "raw")["notes"]
    assert notes == "2 tensors overflow, most reg (1.23e+05)"


def test_a_reference_off_the_published_ap_is_noted_before_anything_else(out):
    # published 0.57, the reference reaches 0.58
    assert cells(out, "coco_like", "pytorch")["notes"] == (
        "baseline off: AP 0.5800, published 0.5700; without compiled NMS"
    )
    assert cells(out, "coco_like", "raw")["notes"] == "baseline off"
    assert cells(out, "coco_like", "raw-int8")["notes"].startswith("baseline off; failed: ")
    assert "baseline" not in cells(out, "street", "pytorch")["notes"]
    text = out["out_md"].read_text()
    assert "\n- Baseline off: AP 0.5800, published 0.5700, more than 0.0015 apart" in text
    assert text.count("Baseline off") == 1


@pytest.mark.parametrize(("published", "off"), [(0.5815, False), (0.5785, False), (0.5816, True)])
def test_the_published_ap_may_be_0_0015_away(made, tmp_path, published, off):
    rows = [dict(row, published_ap=published) for row in made["rows"][:2]]
    out = run(rows, tmp_path)
    assert [("baseline off" in cells(out, "street", name)["notes"]) for name in ("pytorch", "raw")] == [
        off
    ] * 2


def test_external_detections_have_neither_run_nor_latency(made, tmp_path):
    row = dict(made["rows"][1], variant="theirs", remarks=["external: x.json"])
    row |= dict.fromkeys(["runtime", "cut", "precision", "provider", "input", "recipe", "shape", "batch"])
    row |= dict.fromkeys(["latency", "verify", "onnx"])
    text = cells(run([made["rows"][0], row], tmp_path), "street", "theirs")
    empty = "runtime cut precision provider input recipe shape batch latency_p50_ms model_mb"
    assert [text[key] for key in empty.split()] == [""] * 10
    assert (float(text["AP"]), text["notes"]) == (pytest.approx(0.58001), "external: x.json")


def test_a_batch_that_was_not_timed_is_said(made, tmp_path):
    rows = [made["rows"][0], dict(made["rows"][1], batch=4)]
    assert "latency at batch 1" in cells(run(rows, tmp_path), "street", "raw")["notes"]


def test_the_recipe_that_was_timed_is_said_where_it_is_another(made, tmp_path):
    rows = [made["rows"][0], dict(made["rows"][1], recipe="mmdet3+score_thr=0.3")]
    table = run(rows, tmp_path)
    note = "latency of recipe mmdet3 (time again: --forcerun time_variants)"
    assert note in cells(table, "street", "raw")["notes"]
    assert "latency of recipe" not in cells(table, "street", "pytorch")["notes"]


def test_throughput_is_empty_where_it_was_not_measured(out):
    found = [cells(out, "street", variant)["images_per_s"] for variant in ("pytorch", "raw")]
    assert found == ["", "80.25"]


def test_without_annotations_ap_is_empty_and_agreement_stays(out):
    row = cells(out, "unlabelled", "e2e")
    assert [row[key] for key in ("AP", "AP50", "AP75", "delta_AP")] == [""] * 4
    assert float(row["agreement"]) == 1.0
    assert "unlabelled" not in {line.dataset for line in read_per_class(out["out_per_class"])}


def test_an_interval_a_fixed_shape_and_tf32_are_written(made, tmp_path):
    row = dict(next(r for r in made["rows"] if r["variant"] == "e2e"))
    compared = json.loads(Path(row["comparison"]).read_text()) | {"delta_AP_ci95": [-0.002, 0.001]}
    row["comparison"] = str(tmp_path / "c.json")
    Path(row["comparison"]).write_text(json.dumps(compared))
    row |= {"shape": [608, 416], "tf32": "off"}
    text = cells(run([made["rows"][0], row], tmp_path), "street", "e2e")
    assert (text["delta_AP_lo"], text["delta_AP_hi"]) == ("-0.002", "0.001")
    assert (text["shape"], text["tf32"]) == ("608x416", "off")


def class_rows(out, variant):
    rows = read_per_class(out["out_per_class"])
    return [row for row in rows if (row.dataset, row.variant) == ("street", variant)]


def test_per_class_lists_only_classes_with_ground_truth(out):
    rows = class_rows(out, "raw-int8")
    assert [row.name for row in rows] == ["pedestrian", "car", "traffic <light>"]
    assert [row.ground_truths for row in rows] == [12, 30, 4]
    assert {row.evaluator for row in rows} == {"pycocotools"}
    assert rows[0].delta_AP == pytest.approx(-0.0213)
    assert [row.AP is None for row in rows] == [False, False, True]
    assert [row.delta_AP is None for row in rows] == [False, False, True]
    assert {row.delta_AP for row in class_rows(out, "pytorch")} == {None}


def test_intervals_and_verdicts_are_written(out):
    row = cells(out, "street", "raw-int8")
    assert (row["verdict"], row["delta_AP_lo"], row["delta_AP_hi"]) == ("different", "-0.03", "-0.012")
    row = cells(out, "unlabelled", "e2e")
    assert (row["verdict"], row["delta_AP_lo"], row["delta_AP_hi"]) == ("inconclusive", "", "")
    assert "| -0.0300 to -0.0120 |" in out["out_md"].read_text()


def test_what_a_verdict_needs_or_doubts_is_a_note(made, tmp_path):
    row = dict(next(r for r in made["rows"] if r["variant"] == "e2e"))
    compared = json.loads(Path(row["comparison"]).read_text())
    row["comparison"] = str(tmp_path / "c.json")
    for change, said in (
        ({"suspicious": True}, "suspicious: better than the reference"),
        ({"images_to_decide": 1200}, "about 1200 images would decide"),
    ):
        Path(row["comparison"]).write_text(json.dumps(compared | change))
        assert cells(run([made["rows"][0], row], tmp_path), "street", "e2e")["notes"] == said


def changed(row, folder, **comparison):
    """The row with other values in its comparison."""
    path = folder / "comparison.json"
    path.write_text(json.dumps(json.loads(Path(row["comparison"]).read_text()) | comparison))
    return dict(row, comparison=str(path))


def test_images_without_detections_are_counted_and_said_where_the_reference_has_some(made, out, tmp_path):
    assert cells(out, "street", "raw")["images_without_detections"] == "0"
    lost = [(image, index) for image in (2, 3) for index in range(3)]
    path = write_detections(tmp_path / "lost.json", labelled=True, lost=lost)
    table = run([made["rows"][0], dict(made["rows"][1], detections=path)], tmp_path)
    row = cells(table, "street", "raw")
    assert row["images_without_detections"] == "2"
    assert row["notes"] == "doubtful: 2 of 4 images have no detection, the reference has on 2 of them"
    assert "raw is doubtful: 2 of 4 images have no detection" in table["out_md"].read_text()


def test_entries_that_cannot_be_right_are_said(made, tmp_path):
    results = json.loads(Path(made["rows"][1]["detections"]).read_text())
    path = tmp_path / "twice.json"
    path.write_text(json.dumps(results + results[:1]))
    table = run([made["rows"][0], dict(made["rows"][1], detections=str(path))], tmp_path)
    said = "doubtful: 1 of 13 entries repeat another one, first image 1 category 10 score 0.9"
    assert cells(table, "street", "raw")["notes"] == said


def test_a_reference_that_finds_nothing_is_said_of_every_row_and_to_the_console(made, tmp_path, capsys):
    rows = [made["rows"][0], changed(made["rows"][1], tmp_path, weak_reference="AP 0.0021 is under 0.01")]
    table = run(rows, tmp_path)
    notes = cells(table, "street", "pytorch")["notes"]
    assert notes == "weak reference: AP 0.0021 is under 0.01; without compiled NMS"
    assert cells(table, "street", "raw")["notes"] == "weak reference"
    said = "The reference pytorch is weak: AP 0.0021 is under 0.01. No difference from it has a verdict."
    assert f"\n- {said}\n\n| variant" in table["out_md"].read_text()
    assert f"cutpoint: street, det: {said}\n" in capsys.readouterr().err


def test_a_reference_alone_is_said_to_be_weak_as_well(made, tmp_path):
    metrics = json.loads(Path(made["rows"][0]["metrics"]).read_text()) | {"AP": 0.0021}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    row = dict(made["rows"][0], metrics=str(tmp_path / "metrics.json"))
    notes = cells(run([row], tmp_path), "street", "pytorch")["notes"]
    assert notes == "weak reference: AP 0.0021 is under 0.01; without compiled NMS"
    (tmp_path / "none.json").write_text("[]")
    row = dict(row, detections=str(tmp_path / "none.json"))
    notes = cells(run([row], tmp_path), "street", "pytorch")["notes"]
    assert notes.startswith("weak reference: no detection at all; ")


def test_classes_have_intervals_of_their_own(out):
    rows = class_rows(out, "raw-int8")
    assert [row.delta_AP_lo for row in rows] == [-0.03, None, None]
    assert [row.different for row in rows] == [True, None, None]
    assert {row.different for row in class_rows(out, "pytorch")} == {None}


def test_reading_back_keeps_a_variant_called_none(made, tmp_path):
    rows = [dict(made["rows"][0], variant="none"), dict(made["rows"][4], variant="007")]
    summary = read_summary(run(rows, tmp_path)["out_csv"])
    assert [row.variant for row in summary] == ["none", "007"]
    assert summary[0].delta_AP is None


def test_markdown_has_a_table_per_set_four_decimals_and_units(out):
    text = out["out_md"].read_text()
    assert text.count("\n## ") == 3
    assert "p50 [ms]" in text
    assert "| 0.5587 " in text
    assert "-0.0213" in text
    assert "<NA>" not in text
    assert "nan" not in text


def test_metrics_over_another_number_of_images_are_refused(made, tmp_path):
    row = dict(made["rows"][0])
    stale = json.loads(Path(row["metrics"]).read_text()) | {"images": 3}
    row["metrics"] = str(tmp_path / "stale.json")
    Path(row["metrics"]).write_text(json.dumps(stale))
    with pytest.raises(UserError, match=r"3 images but .* lists 4"):
        run([row], tmp_path)
    assert not (tmp_path / "summary.csv").exists()
