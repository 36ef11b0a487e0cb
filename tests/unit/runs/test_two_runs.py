"""Two runs compared: what changed is named, and nothing else."""

import numpy as np
import pytest
from run_files import BOX, config_of, write_run

from cutpoint.records.run_comparison import Change
from cutpoint.runs.compare import compare
from cutpoint.runs.reading import open_capsule
from cutpoint.runs.words import as_lines

# COCO's AP of 8 of 12 objects found without a mistake: of its 101 recalls, 0 to 0.66 are reached.
FOUND_8_OF_12 = 67 / 101


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def compared(tmp_path, plain):
    def run(baseline, changed):
        sides = (tmp_path / "a", baseline), (tmp_path / "b", changed)
        paths = [write_run(folder, **keys) if keys else plain for folder, keys in sides]
        with open_capsule(paths[0]) as old, open_capsule(paths[1]) as new:
            return compare(old, new)

    return run


def of(comparison, variant):
    return next(entry for entry in comparison.variants if entry.variant == variant)


def text_of(comparison):
    return "\n".join(as_lines(comparison))


def test_equal_runs_say_that_nothing_changed(compared):
    # made anew, in another folder
    found = compared({}, {"total_ms": 10.0})
    assert found.inputs.changes == ()
    assert (found.only_baseline, found.only_run) == ((), ())
    raw = of(found, "raw")
    assert (raw.detections.images_changed, raw.detections.only_baseline, raw.detections.only_run) == (0, 0, 0)
    assert (raw.detections.images, raw.detections.agreement) == (12, 1.0)
    assert (raw.ap.delta_AP, raw.ap.delta_AP_ci95, raw.ap.verdict) == (0, (0, 0), "lossless")
    # the medians of the same rounds differ by nothing, also in every resample
    assert (raw.latency.difference_ms, raw.latency.difference_ci95, raw.latency.ratio) == (0, (0, 0), 1)
    assert raw.latency.claim == "no difference shown"
    lines = as_lines(found)
    assert "inputs: nothing changed" in lines
    assert "detections: nothing changed (2 variants)" in lines
    assert "AP: nothing changed (2 variants)" in lines
    assert any("10.00" in line and "+0.00 to +0.00" in line for line in lines)


def test_a_changed_threshold_is_named_and_nothing_else(compared):
    found = compared({}, {"score_thr": 0.4})
    assert found.inputs.changes == (Change("recipes.low.score_thr", "0.3", "0.4"),)
    assert of(found, "pytorch").detections.images_changed == 0
    raw = of(found, "raw")
    boxes = raw.detections
    assert (boxes.images_changed, boxes.baseline, boxes.run) == (4, 12, 8)
    assert (boxes.only_baseline, boxes.only_run) == (4, 0)
    assert boxes.agreement == pytest.approx(2 * 8 / 20)
    assert raw.ap.baseline == pytest.approx(1)
    assert raw.ap.delta_AP == pytest.approx(FOUND_8_OF_12 - 1)
    low, high = raw.ap.delta_AP_ci95
    assert -0.7 < low < FOUND_8_OF_12 - 1 < high < 0
    assert raw.ap.verdict == "different"
    text = text_of(found)
    assert "inputs: changed: 1 in config\n  recipes.low.score_thr: 0.3 -> 0.4\n" in text
    assert "detections: changed in 1 of 2 variants\n  street, det, raw: 4 of 12 images differ" in text
    assert "AP: changed in 1 of 2 variants\n  street, det, raw: 1.0000 -> 0.6634, -0.3366" in text


def test_a_box_that_moves_by_a_bit_is_a_change_but_no_loss(compared):
    def nudge(variant, found):
        moved = {**found[0], "bbox": [np.nextafter(BOX[0], 11).item(), *BOX[1:]]}
        return [moved, *found[1:]] if variant == "raw" else found

    raw = of(compared({}, {"change": nudge}), "raw")
    assert (raw.detections.images_changed, raw.detections.only_baseline, raw.detections.only_run) == (1, 1, 1)
    assert (raw.detections.agreement, raw.ap.verdict) == (1.0, "lossless")


def test_a_repeated_box_and_another_order(compared):
    found = compared({}, {"change": lambda variant, boxes: [*boxes[::-1], boxes[0]]})
    raw = of(found, "raw")
    assert (raw.detections.images_changed, raw.detections.only_baseline, raw.detections.only_run) == (1, 0, 1)
    found = compared({}, {"change": lambda variant, boxes: boxes[::-1]})
    assert of(found, "raw").detections.images_changed == 0


def test_renamed_files_do_not_hide_equal_content(compared):
    config = config_of()
    config["datasets"]["street"]["images"] = "moved"
    found = compared({}, {"prefix": "renamed-", "config": config})
    assert found.inputs.changes == (Change("datasets.street.images", '"images"', '"moved"', True),)
    assert found.inputs.nothing_changed
    assert of(found, "raw").ap.delta_AP == 0
    assert "inputs: nothing changed but names" in as_lines(found)


def test_keys_are_compared_down_to_the_innermost(compared):
    config = config_of(later=None, verify="strict")
    config["evaluations"][0]["ladder"] = ["raw"]
    del config["recipes"]["low"]["score_thr"]
    found = compared({}, {"config": config})
    assert set(found.inputs.config) == {
        Change("verify", None, '"strict"'),
        Change("evaluations[0].ladder", None, '["raw"]'),
        Change("recipes.low.score_thr", "0.3", None),
    }
    assert "  recipes.low.score_thr: 0.3 -> absent" in as_lines(found)


def test_another_checkpoint_is_named_by_its_content(compared):
    (change,) = compared({}, {"checkpoint": b"other"}).inputs.files
    assert (change.key, change.same_content) == ("models.det.checkpoint", False)
    assert "sha256" in change.baseline
    assert change.baseline != change.run


def test_variants_that_one_run_has_are_named(compared):
    found = compared({}, {"variants": ("pytorch",)})
    assert (found.only_baseline, found.only_run) == (("street, det, raw",), ())
    assert "  only in the baseline: street, det, raw" in as_lines(found)


def test_a_refused_variant_is_not_compared(compared):
    raw = of(compared({}, {"refused": "NaN in boxes"}), "raw")
    assert (raw.detections, raw.ap) == (None, None)
    assert raw.not_compared == "refused in the run: NaN in boxes"
    assert raw.doubts_run == ("refused",)


def test_without_ground_truth_detections_are_compared_alone(compared):
    found = compared({"labelled": False}, {"labelled": False, "score_thr": 0.4})
    raw = of(found, "raw")
    assert raw.ap is None
    assert raw.detections.images_changed == 4
    assert "AP: no ground truth in both runs" in as_lines(found)


def test_latency_is_claimed_on_one_machine(compared):
    found = compared({}, {"total_ms": 12.0})
    latency = of(found, "raw").latency
    assert (latency.baseline_ms, latency.run_ms) == (10, 12)
    assert (latency.difference_ms, latency.difference_ci95) == (2, (2, 2))
    assert latency.ratio == pytest.approx(1.2)
    assert latency.claim == "slower"
    assert of(compared({"total_ms": 12.0}, {}), "raw").latency.claim == "faster"


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"machine": {"processor": "Other 1"}}, Change("processor", "Testchip 9", "Other 1")),
        ({"machine": {"libraries": {"onnxruntime": "1.2"}}}, Change("onnxruntime", "null", "1.2")),
        ({"machine": {"gpus": ["H200"]}}, Change("gpus", "null", '["H200"]')),
        ({"batch": 4}, Change("batch", "1", "4")),
    ],
)
def test_a_fact_that_differs_forbids_the_claim_and_is_named(compared, change, fact):
    found = compared({}, {"total_ms": 30.0, **change})
    latency = of(found, "raw").latency
    assert (latency.facts, latency.claim) == ((fact,), None)
    assert latency.difference_ms == 20
    assert f"not claimed ({fact.key} differs)" in text_of(found)


def test_facts_that_times_do_not_depend_on_forbid_nothing(compared):
    changed = {"machine": {"load_1min": 3.5, "libraries": {"mmdet": "9", "onnx": "2"}}, "total_ms": 12.0}
    assert of(compared({}, changed), "raw").latency.claim == "slower"


def test_a_flag_of_either_side_forbids_the_claim(compared):
    found = compared({"disturbed": True}, {"total_ms": 30.0})
    latency = of(found, "raw").latency
    assert (latency.doubts_baseline, latency.doubts_run, latency.claim) == (("disturbed",), (), None)
    assert "not claimed (baseline: disturbed)" in text_of(found)


def test_another_image_is_not_paired_but_the_others_are_compared(compared):
    found = compared({}, {"third_image": b"another"})
    raw = of(found, "raw")
    assert raw.detections.images == 11
    assert (raw.ap.delta_AP, raw.ap.not_paired) == (None, "the images differ")
    assert [change.key for change in found.inputs.files] == [
        "datasets.street.images: content",
        "ground truth of street, det",
    ]
    assert "1.0000 -> 1.0000, not paired: the images differ" in text_of(found)


def test_another_truth_is_not_paired(compared):
    found = compared({}, {"area": 7.0})
    assert [change.key for change in found.inputs.files] == ["ground truth of street, det"]
    assert of(found, "raw").ap.not_paired == "the ground truth differs"
    assert of(found, "raw").detections.images_changed == 0
