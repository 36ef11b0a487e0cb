"""The comparison JSON: interval, verdict, agreement; and which tie rules two recipes share."""

import json

import pytest
from datasets import make_image, save_manifest
from scoring import complete_truth
from tiny import ATSS_STEPS, atss_head, model_spec

from cutpoint.compare.bootstrap import sample_ap
from cutpoint.compare.comparison import compare
from cutpoint.compare.slices import sample_slices
from cutpoint.records.autopsy import AutopsyRow, write_autopsy
from cutpoint.records.slices import Slice, write_slices

CONTRACT = {"reference", "delta_AP", "delta_AP_ci95", "verdict", "agreement", "autopsy"}
ADDED = {"delta_AP_ci90", "delta_AP_se", "per_size", "per_class", "suspicious", "images_to_decide", "margin"}
ADDED |= {"per_slice"}
IMAGES = range(1, 41)
STEPS = ("nms", "max_per_img")
RETINA = [step for step in ATSS_STEPS if step["step"] != "multiply_factor"]


def detections(shift=0.0, lost=(), score=0.9):
    """One detection an image on the only object there is, and one that hits nothing."""
    found = []
    for image in IMAGES:
        if image not in lost:
            found.append(
                {"image_id": image, "category_id": 1, "bbox": [10 + shift, 10, 40, 40], "score": score}
            )
        found.append({"image_id": image, "category_id": 1, "bbox": [200, 200, 20, 20], "score": 0.2})
    return found


def run(folder, reference, variant, labelled=True, recipes=("mmdet3", "mmdet3"), slices=(), **changes):
    boxes = [
        {
            "id": image,
            "image_id": image,
            "category_id": 1,
            "bbox": [10, 10, 40, 40],
            "area": 1600,
            "iscrowd": 0,
        }
        for image in IMAGES
    ]
    truth = {"images": [{"id": i} for i in IMAGES], "categories": [{"id": 1, "name": "car"}]}
    contents = {
        "truth": complete_truth(truth | {"annotations": boxes}),
        "spec": model_spec(atss_head()).to_dict(),
        "reference": reference,
        "variant": variant,
    }
    paths = {name: str(folder / f"{name}.json") for name in contents}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    del paths["truth"]
    spec = paths.pop("spec")
    paths |= {"reference_spec": spec, "variant_spec": spec}
    paths["manifest"] = save_manifest(folder / "manifest.json", map(make_image, IMAGES))
    samples = {f"{side}_samples": None for side in ("reference", "variant")}
    if labelled:
        samples = {name: str(folder / f"{name}.npz") for name in samples}
        for side in ("reference", "variant"):
            sample_ap(
                truth=str(folder / "truth.json"), detections=paths[side], out=samples[f"{side}_samples"]
            )
    if slices:
        samples["slices"] = str(folder / "slices.json")
        write_slices(samples["slices"], "street", "slices.csv", slices)
        for side in ("reference", "variant") if labelled else ():
            out = samples[f"{side}_slices"] = str(folder / f"{side}_slices.npz")
            files = {"truth": str(folder / "truth.json"), "slices": samples["slices"]}
            sample_slices(**files, detections=paths[side], out=out)
    autopsy = str(folder / "autopsy.parquet")
    box = dict.fromkeys(("score", "x1", "y1", "x2", "y2"), 0.5)
    rows = [AutopsyRow(image_id=1, side="variant", category_id=1, step=step, **box) for step in STEPS]
    write_autopsy(autopsy, rows)
    settings = {"autopsy": autopsy, "margin": 0.001, "corner_px": 0.05, "score": 1e-4} | changes
    out = folder / "out.json"
    compare(reference_name="pytorch", recipes=list(recipes), **paths, **samples, **settings, out=str(out))
    return json.loads(out.read_text())


def test_keys_are_the_contract_and_more(tmp_path):
    for labelled in (True, False):
        found = run(tmp_path, detections(), detections(), labelled)
        assert set(found) == CONTRACT | ADDED | {"format", "lossless", "boxes", "refused", "weak_reference"}
        assert found["reference"] == "pytorch"
        assert found["per_slice"] == []
        assert found["autopsy"] == {"reference": {}, "variant": dict.fromkeys(STEPS, 1)}
        assert "agreement" not in found["boxes"]


def test_the_same_detections_are_lossless(tmp_path):
    found = run(tmp_path, detections(), detections(shift=0.04))
    assert (found["verdict"], found["agreement"], found["delta_AP"]) == ("lossless", 1.0, 0.0)
    assert found["lossless"]["tolerances"] == {"corner_px": 0.05, "score": 1e-4}
    assert (found["lossless"]["pairs"], found["boxes"]["images"]) == (80, 40)
    # the tolerance is the config's
    found = run(tmp_path, detections(), detections(shift=0.04), corner_px=0.03)
    assert found["verdict"] == "equivalent"


def test_lost_boxes_are_different_and_gained_ones_suspicious(tmp_path):
    worse = run(tmp_path, detections(), detections(lost=range(1, 16)))
    assert worse["verdict"] == "different"
    assert not worse["suspicious"]
    low, high = worse["delta_AP_ci95"]
    assert low < worse["delta_AP"] < high < 0
    assert worse["per_class"][0]["different"]
    better = run(tmp_path, detections(lost=range(1, 16)), detections())
    assert (better["verdict"], better["suspicious"]) == ("different", True)
    assert better["delta_AP"] == -worse["delta_AP"]


def test_too_few_images_are_inconclusive_and_the_margin_decides(tmp_path):
    reference, variant = detections(lost=[1, 2]), detections(lost=[3, 4, 5])
    found = run(tmp_path, reference, variant)
    assert found["verdict"] == "inconclusive"
    assert found["images_to_decide"] > 40
    assert run(tmp_path, reference, variant, margin=0.5)["verdict"] == "equivalent"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ([], "no detection at all"),
        # at one of 40 objects precision 1 up to recall 0.025: 3 of 101 recalls
        (detections(lost=range(2, 41)), None),
        ([d for d in detections() if d["bbox"][0] == 200], "AP 0.0000 is under 0.01"),
        (
            [d | {"category_id": 2} for d in detections()],
            "AP 0.0000, no detection of a class that has ground truth",
        ),
    ],
)
def test_nothing_is_judged_by_a_reference_that_finds_nothing(tmp_path, reference, reason):
    found = run(tmp_path, reference, detections())
    assert found["weak_reference"] == reason
    assert (found["verdict"], found["suspicious"]) == (
        ("inconclusive", False) if reason else ("different", True)
    )
    assert found["delta_AP"] > 0.9
    marks = {row["different"] for key in ("per_size", "per_class") for row in found[key]}
    assert marks == {None} if reason else True in marks
    same = run(tmp_path, reference, reference)
    assert (same["verdict"], same["weak_reference"]) == ("lossless", reason)


def test_a_reference_is_weak_without_annotations_only_where_it_has_no_detection(tmp_path):
    assert run(tmp_path, [], detections(), labelled=False)["weak_reference"] == "no detection at all"
    assert run(tmp_path, detections(), [], labelled=False)["weak_reference"] is None


def test_without_annotations_there_is_no_delta(tmp_path):
    found = run(tmp_path, detections(), detections(lost=[1]), labelled=False)
    assert [found[key] for key in ("delta_AP", "delta_AP_ci95", "per_class")] == [None] * 3
    assert (found["verdict"], found["images_to_decide"]) == ("inconclusive", None)
    assert found["boxes"]["missing"] == 1
    assert run(tmp_path, detections(), detections(), labelled=False)["verdict"] == "lossless"


def test_a_tie_at_the_threshold_of_both_recipes_is_no_loss(tmp_path):
    # in mmdet2's recipe class x centerness is thresholded, which is the score of a detection
    tie = {"image_id": 1, "category_id": 1, "bbox": [400, 400, 20, 20], "score": 0.05005}
    variant = [*detections(), tie]
    found = run(tmp_path, detections(), variant, recipes=("mmdet2-onnx", "mmdet2-onnx"))
    assert (found["verdict"], found["lossless"]["ties"]) == ("lossless", 1)
    # mmdet3's threshold is on the class score, which a detection does not show
    uncapped = {"base": "mmdet3", "max_per_img": 50}
    found = run(tmp_path, detections(), variant, recipes=(uncapped, uncapped))
    assert (found["verdict"], found["lossless"]["unmatched_variant"]) == ("equivalent", 1)


def test_each_slice_is_compared(tmp_path):
    slices = (Slice("time", "day", tuple(IMAGES)[:20]), Slice("time", "night", tuple(IMAGES)[20:]))
    found = run(tmp_path, detections(), detections(lost=range(25, 41)), slices=slices)
    day, night = found["per_slice"]
    assert (day["name"], day["value"], day["images"], day["objects"]) == ("time", "day", 20, 20)
    assert (day["delta_AP"], day["different"], day["agreement"]) == (0, False, 1)
    assert night["delta_AP"] < -0.5
    assert night["different"] is True
    alone = run(tmp_path, detections(), detections(lost=range(25, 41)), slices=slices, labelled=False)
    assert [(part["delta_AP"], part["agreement"]) for part in alone["per_slice"]] == [
        (None, 1),
        (None, night["agreement"]),
    ]


def test_differences_of_slices_from_a_weak_reference_have_no_mark(tmp_path):
    (part,) = run(tmp_path, [], detections(), slices=(Slice("time", "day", tuple(IMAGES)),))["per_slice"]
    assert part["delta_AP"] > 0.5
    assert (part["different"], part["suspicious"]) == (None, None)
