"""Distances, ranks and what may be said, by hand."""

import numpy as np
import pytest
from datasets import make_image, make_manifest, save_manifest

from cutpoint.compare import diagnosis
from cutpoint.compare.diagnosis import _judge_nothing, diagnose, judge, rank
from cutpoint.compare.fingerprints import distance, split_images
from cutpoint.files import read_json, write_json
from cutpoint.records.detections import make_results, write_refusal
from cutpoint.records.diagnosis import Candidate
from cutpoint.records.fingerprints import Fingerprint


def test_the_distance_is_in_standard_deviations():
    ours, theirs, variance = np.array([0.3, 0.0]), np.array([0.0, 0.4]), np.array([0.01, 0.01])
    # 3 and 4 deviations
    assert distance(ours, theirs, variance) == pytest.approx(np.sqrt((9 + 16) / 2))
    # no feature counts for more than 10
    assert distance(ours, np.array([99.0, 0.0]), variance) == pytest.approx(10 / np.sqrt(2))


def mistake(name, value, deviation=0.03, grain=0.04):
    return Fingerprint((name,), (f"the {name}",), {"a": value}, {"a": deviation}, {"a": grain})


def test_the_nearest_comes_first():
    lines = rank([mistake("far", 1.0), mistake("near", 0.2)], {"a": np.array([0.1])}, {"a": 0.0})
    assert [line.names for line in lines] == [("near",), ("far",)]
    # 2 x 0.03 ** 2 + 0.04 ** 2 = 0.0034: of both sides the images' chance, and one box
    assert lines[0].distance == pytest.approx(0.1 / np.sqrt(0.0034))


def line(name, distance, match_rate=None, slip=False):
    return Candidate((name,), (f"the {name}",), distance, match_rate, slip)


@pytest.mark.parametrize(
    ("ranking", "verdict", "names"),
    [
        ([], "too few images", []),
        ([line("none", 0.2, 0.99), line("a", 0.3, 1.0)], "nothing to explain", []),
        ([line("a", 0.5, 1.0), line("none", 4, 0.3)], "looks like", ["a"]),
        # a slip of the file may leave most detections as they should be
        ([line("left", 0.2, 1.0, True), line("none", 0.3, 0.99)], "looks like", ["left"]),
        ([line("none", 0.2, 1.0), line("left", 0.2, 1.0, True)], "nothing to explain", []),
        ([line("corners", 4.0, 0.99, True), line("none", 5, 0)], "looks like", ["corners"]),
        # what makes the detections is right, however far
        ([line("b", 1.3, 0.2), line("a", 1.4, 0.985), line("none", 4, 0.3)], "looks like", ["a"]),
        # two at once, the second too small to be seen beside the first
        ([line("a", 0.5, 0.95), line("b", 2, 0.1), line("none", 4, 0.3)], "resembles", ["a"]),
        ([line("a", 0.5, 0.9), line("b", 1.1, 0.1), line("none", 4, 0.3)], "resembles", ["a", "b"]),
        ([line("a", 1.3, 0.6), line("none", 4, 0.3)], "nothing fits", []),
        # the eighth bit
        ([line("none", 0.9, 0.9), line("a", 1.0, 0.8)], "nothing fits", []),
    ],
)
def test_what_may_be_said(ranking, verdict, names):
    found = judge(ranking, 1.2)
    assert (found.verdict, found.names) == (verdict, tuple(names))
    assert all(f"the {name}" in found.text for name in names)


@pytest.mark.parametrize(("shared", "another"), [(None, False), (1.0, False), (0.98, False), (0.93, True)])
def test_a_reference_that_is_not_the_model_s_own_is_said(shared, another):
    """A results file of another tool: then the difference is the reference's."""
    found = judge([line("none", 0.2, 1.0), line("a", 0.3, 0.5)], 1.2, shared)
    assert found.verdict == "nothing to explain"
    assert ("The reference has only 93.0% of them" in found.text) == another


def detection(score=0.5, x=10.0, image=1):
    return {"image_id": image, "category_id": 1, "bbox": [x, 10.0, 100.0, 100.0], "score": score}


def match_rate(made, own):
    return diagnosis.match_rate(make_results(made), make_results(own))


def test_the_fraction_of_the_same_detections():
    made = [detection(), detection(x=500.0)]
    assert match_rate(made, made) == 1
    assert match_rate([], []) == 1
    assert match_rate(made, []) == 0
    # one of two, in score and place
    assert match_rate(made, [detection(0.515), detection(0.6, x=500.0)]) == 0.5
    assert match_rate(made, [detection(x=12.0), detection(x=540.0)]) == 0.5


def test_boxes_that_a_clip_left_without_an_area_do_not_count():
    flat = detection(x=300.0) | {"bbox": [300.0, 10.0, 100.0, 0.0]}
    thin = detection(x=400.0) | {"bbox": [640.0, 10.0, 0.0, 100.0]}
    assert match_rate([detection(), flat], [detection(), flat, thin]) == 1
    assert match_rate([detection(), flat], [flat]) == 0
    assert match_rate([flat], [thin]) == 1


def test_what_leaves_no_detection_is_only_likely():
    gone, other = line("dark", 0.2, 1.0), line("slip", 0.2, 1.0, slip=True)
    found = _judge_nothing([gone, line("none", 3, 0.0), other, line("b", 4, 0.0)], 12)
    assert (found.verdict, found.names) == ("resembles", ("dark",))
    assert found.text == "Resembles the dark: no detection on these 12 images."
    # the model itself finds nothing there
    found = _judge_nothing([line("none", 0, 1.0), line("b", 4, 0.0)], 12)
    assert (found.verdict, found.names) == ("nothing fits", ())
    assert found.text == "Nothing to compare: no detection on these 12 images."


def test_no_image_is_in_both_parts():
    data = make_manifest(make_image(n) for n in range(25))
    first, second = ({part_image.id for part_image in part} for part in split_images(data, 40))
    assert (len(first), len(second)) == (12, 12)
    assert not first & second
    assert [len(part) for part in split_images(data, 5)] == [5, 5]


def test_few_images_are_no_error(tmp_path):
    paths = {key: str(tmp_path / f"{key}.json") for key in ("fingerprints", "manifest", "out")}
    save_manifest(paths["manifest"], [make_image(n) for n in range(8)])
    write_json(paths["fingerprints"], {"images": [1, 2], "limit": None, "mistakes": [], "refused": None})
    write_json(tmp_path / "d.json", [])
    sides = {"reference": str(tmp_path / "d.json"), "variant": str(tmp_path / "d.json")}
    other = {"model": "", "provider": "cpu", "threads": 1}
    diagnose(**paths, **sides, **other, images=40, labels="", truth=None)
    found = read_json(paths["out"])
    assert (found["verdict"], found["ranking"], found["images"]) == ("too few images", [], 4)
    # a refused variant has nothing to be diagnosed
    write_refusal(tmp_path / "v.json", "cls_0 has NaN")
    diagnose(
        **paths, **sides | {"variant": str(tmp_path / "v.json")}, **other, images=40, labels="", truth=None
    )
    found = read_json(paths["out"])
    assert (found["verdict"], found["text"]) == ("refused", "Refused: cls_0 has NaN.")
