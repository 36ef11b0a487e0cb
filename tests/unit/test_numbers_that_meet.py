"""Numbers that cannot lie: what does not meet is an error, and a model that detects nothing says so first."""

import json

import numpy as np
import pytest
from datasets import make_image, save_labels, save_manifest
from report_fixtures import summary_row
from scoring import truth_of

from cutpoint.compare.bootstrap import resample
from cutpoint.data.truth import build_truth
from cutpoint.errors import UserError
from cutpoint.evaluate.coco import evaluate, score
from cutpoint.latency.paired import PairedTimes
from cutpoint.predict.results_file import import_results
from cutpoint.records.detections import make_results
from cutpoint.records.manifest import Category
from cutpoint.records.metrics import SUMMARY
from cutpoint.records.truth import write_truth
from cutpoint.report.first import card
from cutpoint.runs.scores import compare_ap
from cutpoint.summary.markdown import as_markdown
from cutpoint.summary.recommend import recommend
from cutpoint.summary.warnings import warnings

IMAGES = range(1, 31)
SETTINGS = {"corner_px": 0.05, "score": 1e-4, "margin": 0.001}


def truth(boxes=IMAGES, category=1):
    """One box of 20 x 20 pixels on each of 30 images."""
    box = {"category_id": category, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
    return truth_of(
        {
            "images": [{"id": i} for i in IMAGES],
            "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
            "annotations": [box | {"id": i, "image_id": i} for i in boxes],
        }
    )


def found(images=IMAGES, category=1, x=10.0):
    box = {"category_id": category, "bbox": [x, 10.0, 20.0, 20.0], "score": 0.5}
    return make_results([box | {"image_id": i} for i in images])


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (
            found(images=range(1001, 1004)),
            r"none of 3 detections has the image_id of one of the 30 images .* \(the first has 1001\)",
        ),
        (
            found(category=7),
            r"none of 30 detections has the category_id of one of the 2 categories .* \(the first has 7\)",
        ),
    ],
)
def test_detections_that_meet_no_image_or_no_category_are_an_error(tmp_path, results, said):
    with pytest.raises(UserError, match=said):
        score(truth(), results)
    write_truth(tmp_path / "truth.json", truth())
    (tmp_path / "found.json").write_text(json.dumps(results.to_coco()))
    files = {name: str(tmp_path / f"{name}.json") for name in ("truth", "found", "metrics")}
    with pytest.raises(UserError, match=rf"found\.json on .*truth\.json: {said}"):
        evaluate(truth=files["truth"], detections=files["found"], out=files["metrics"])
    assert not (tmp_path / "metrics.json").exists()


def test_some_that_meet_and_none_at_all_are_scored():
    assert score(truth(), make_results([])).AP == 0
    mixed = make_results([*found(range(1, 16)).to_coco(), *found(range(900, 910)).to_coco()])
    assert score(truth(), mixed).AP == score(truth(), found(range(1, 16))).AP > 0.4


def test_a_subset_is_scored_on_its_images_alone():
    """Boxes and detections of other images do not count, and images of the subset without detections do."""
    half = truth().of_images(range(1, 11))
    everywhere = score(half, found(range(3, 31)))
    assert (everywhere.images, everywhere.detections) == (10, 8)
    # recall 0.8: 81 of 101 recalls
    assert pytest.approx(81 / 101) == everywhere.AP


def test_what_coco_gives_minus_one_for_is_null():
    metrics = score(truth(boxes=range(1, 4)), found())
    assert (metrics.APm, metrics.APl, metrics.ARm, metrics.ARl) == (None, None, None, None)
    assert [line.AP for line in metrics.per_class if line.category_id == 2] == [None]
    nothing = score(truth(boxes=()), found())
    assert {getattr(nothing, name) for name in SUMMARY} == {None}
    samples = resample(truth(boxes=()), found(), resamples=3)
    assert np.isnan(samples.ap).all()


def take(folder, entries, category_ids):
    manifest = save_manifest(
        folder / "manifest.json",
        [make_image(1)],
        categories=[Category(7, "car"), Category(8, "bus")],
        annotations="truth.json",
        left_out=[2],
    )
    (folder / "theirs.json").write_text(json.dumps(entries))
    import_results(
        variant="theirs",
        results=str(folder / "theirs.json"),
        manifest=manifest,
        labels=save_labels(folder / "labels.json", [7, None], ["car", "bus"]),
        category_ids=category_ids,
        out=str(folder / "out.json"),
    )


@pytest.mark.parametrize(
    ("image", "category", "said"),
    [
        (2, 7, "2 are on images that datasets.street leaves out .*, 0 of categories"),
        (1, 1, "0 are on images that datasets.street leaves out .*, 2 of categories that no class"),
    ],
)
def test_a_results_file_of_which_nothing_counts_is_an_error(tmp_path, image, category, said):
    entry = {"image_id": image, "category_id": category, "bbox": [1, 2, 3, 4], "score": 0.5}
    with pytest.raises(UserError, match=f"theirs.json: none of its 2 detections counts: {said}"):
        take(tmp_path, [entry, entry], "label" if category < 7 else None)


def test_ground_truth_without_a_box_of_a_mapped_category_is_an_error(tmp_path):
    annotations = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 100, "width": 200}],
        "categories": [{"id": 7, "name": "car"}, {"id": 8, "name": "bus"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 8, "bbox": [1, 2, 30, 40], "iscrowd": 0}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(annotations))
    manifest = save_manifest(
        tmp_path / "manifest.json",
        [make_image(1)],
        categories=[Category(7, "car"), Category(8, "bus")],
        annotations=str(tmp_path / "truth.json"),
    )
    settings = {"invalid_boxes": None, "categories_without_class": "leave_out"}
    files = {"manifest": manifest, "labels": save_labels(tmp_path / "labels.json", [7], ["car"])}
    with pytest.raises(UserError, match="has 1 boxes on the 1 images that are scored, and none is of a"):
        build_truth(**files, **settings, out=str(tmp_path / "out.json"))
    settings["categories_without_class"] = "count"
    build_truth(**files, **settings, out=str(tmp_path / "out.json"))


def test_variants_that_detect_nothing_say_so_at_the_top_of_the_page_and_the_table():
    some = {"images_without_detections": 3}
    none = {"images_without_detections": 4}
    reference = summary_row(variant="pt", is_reference=True, AP=0.5, **some)
    int8 = summary_row(variant="int8", AP=0.0, **none)
    said = "int8 detects nothing: no box on any of the 4 images."
    assert warnings([reference, int8])[0] == said
    advice = recommend([reference, int8], PairedTimes({}))
    assert card([reference, int8], advice).severe == [said]
    text = as_markdown([reference, int8], [advice])
    assert text.index(said) < text.index("| variant")
    weak = summary_row(variant="pt", is_reference=True, AP=0.0, weak_reference="no detection at all", **none)
    first, second, *_ = warnings([weak, int8])
    assert first == "pt and int8 detect nothing: no box on any of the 4 images."
    assert second.startswith("The reference pt is weak: no detection at all.")
    assert not any("nothing" in text for text in warnings([reference, summary_row(AP=0.5, **some)]))


@pytest.mark.parametrize(("x", "identical", "verdict"), [(10, True, "lossless"), (50, False, "inconclusive")])
def test_against_a_weak_baseline_only_the_same_detections_have_another_verdict(x, identical, verdict):
    baseline, run = found(range(1, 31), x=100.0), found(range(1, 31), x=100.0 if identical else x)
    samples = tuple(resample(truth(), side, resamples=20) for side in (baseline, run))
    change = compare_ap(
        (0.0, 0.0), samples, (baseline, run), identical=identical, obstacle=None, settings=SETTINGS
    )
    assert (change.verdict, change.delta_AP) == (verdict, None)
    assert change.not_paired == "weak baseline: AP 0.0000 is under 0.01"
    unknown = compare_ap(
        (0.0, 0.0), samples, (baseline, run), identical=True, obstacle="the images differ", settings=SETTINGS
    )
    assert (unknown.verdict, unknown.not_paired) == (None, "the images differ")
