"""Errors and operating points of a scene that can be counted by hand."""

import pytest
from scoring import complete_truth, truth_of

from cutpoint.compare.operating_points import bin_scores, measure_operating_points, trace_points
from cutpoint.evaluate.error_types import count_errors, judge
from cutpoint.files import read_json, write_json
from cutpoint.records.detections import make_results
from cutpoint.records.operating_points import Point, ScoreBin

CAR, BUS = 10, 20


def truth(image, category, box, crowd=0):
    return {
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": crowd,
    }


def found(image, category, score, box):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


BOXES = [
    truth(1, CAR, [0, 0, 100, 100]),
    truth(1, BUS, [200, 0, 100, 100]),
    truth(1, CAR, [400, 0, 100, 100]),
    truth(2, CAR, [0, 0, 100, 100]),
    truth(2, CAR, [300, 300, 100, 100], crowd=1),
]
ANNOTATIONS = {
    "images": [{"id": image} for image in (1, 2, 3)],
    "categories": [{"id": CAR, "name": "car"}, {"id": BUS, "name": "bus"}],
    "annotations": [{"id": number, **box} for number, box in enumerate(BOXES, start=1)],
}
# one of each kind, in this order
RESULTS = {
    "correct": found(1, CAR, 0.9, [0, 0, 100, 100]),
    "duplicate": found(1, CAR, 0.82, [0, 0, 100, 90]),
    "class": found(1, CAR, 0.72, [200, 0, 100, 100]),
    "localization": found(1, CAR, 0.62, [400, 0, 100, 40]),
    "both": found(1, BUS, 0.52, [0, 0, 100, 30]),
    "background": found(3, CAR, 0.42, [0, 0, 50, 50]),
    "ignored": found(2, CAR, 0.32, [310, 310, 50, 50]),
}


def judged(results, images=(1, 2, 3)):
    return judge(truth_of(ANNOTATIONS).of_images(images), make_results(list(results)))


@pytest.mark.parametrize("kind", RESULTS)
def test_each_kind_is_named(kind):
    names = judged(RESULTS.values())
    number = list(RESULTS).index(kind)
    at = names.scores.tolist().index(RESULTS[kind]["score"])
    assert names.kinds[at] == kind
    assert names.truth[at] == {"correct": 0, "class": 1, "localization": 2}.get(kind, -1), number
    assert (names.boxes, names.images) == (4, 3)


def test_a_box_that_nothing_finds_or_covers_is_missed():
    names = judged(RESULTS.values())
    everything = {
        "correct": 1,
        "class": 1,
        "localization": 1,
        "both": 1,
        "duplicate": 1,
        "background": 1,
        "missed": 1,
    }
    assert count_errors(names, 0) == everything
    # the bus and the car that only wrong detections cover are missed where those fall below the threshold
    assert count_errors(names, 0.65) == everything | {
        "localization": 0,
        "both": 0,
        "background": 0,
        "missed": 2,
    }
    assert count_errors(names, 0.95) == dict.fromkeys(everything, 0) | {"missed": 4}
    assert count_errors(judged([]), 0) == dict.fromkeys(everything, 0) | {"missed": 4}


def test_of_two_detections_the_better_score_finds_and_the_other_is_the_duplicate():
    pair = RESULTS["correct"], RESULTS["duplicate"]
    for first, second in (pair, pair[::-1]):
        first, second = first | {"score": 0.9}, second | {"score": 0.8}
        kinds = dict(zip(*(side.tolist() for side in _columns(judged([second, first]))), strict=True))
        assert kinds == {0.9: "correct", 0.8: "duplicate"}


def _columns(names):
    return names.scores, names.kinds


def test_images_that_are_not_judged_do_not_count():
    names = judged(RESULTS.values(), images=(2, 3))
    assert (len(names.scores), names.boxes, names.images) == (2, 1, 2)
    assert count_errors(names, 0)["missed"] == 1


def test_points_by_hand():
    points = {point.score_thr: point for point in trace_points(judged(RESULTS.values()))}
    assert list(points) == [round(0.05 * step, 2) for step in range(1, 20)]
    # one right, five wrong, one ignored, four to find, three images
    f1, boxes = pytest.approx(2 / (2 + 5 + 3)), pytest.approx(7 / 3)
    assert points[0.3] == Point(0.3, pytest.approx(1 / 6), 0.25, f1, boxes, None)
    assert points[0.85].precision == 1
    assert points[0.95] == Point(0.95, None, 0, 0, 0, None)


def test_the_threshold_that_regains_the_recall():
    boxes = [a for a in ANNOTATIONS["annotations"] if not a["iscrowd"]]
    reference, variant = (
        [found(a["image_id"], a["category_id"], s, a["bbox"]) for a, s in zip(boxes, scores, strict=False)]
        for scores in ((0.9, 0.8, 0.6, 0.5), (0.7, 0.65, 0.3))
    )
    points = trace_points(judged(variant), judged(reference))
    regains = {point.score_thr: point.regains_at for point in points}
    # two of the reference's are left at 0.75, three at 0.55, four at 0.5: the variant has three in all
    assert (regains[0.95], regains[0.85], regains[0.75]) == (None, 0.7, 0.65)
    assert (regains[0.55], regains[0.5]) == (0.3, None)
    recall = {point.score_thr: point.recall for point in trace_points(judged(reference))}
    at = judged(variant)
    for threshold, regained in regains.items():
        if regained is not None:
            right = at.kinds[at.scores >= regained] == "correct"
            assert right.sum() / at.boxes >= recall[threshold]
            assert (at.scores > regained).sum() / at.boxes < recall[threshold]


def test_scores_in_bins():
    reference = [found(1, CAR, 0.95, [0, 0, 100, 100]), found(1, CAR, 0.91, [400, 0, 100, 100])]
    variant = [found(1, CAR, 0.85, [0, 0, 100, 100]), found(1, CAR, 0.61, [400, 0, 100, 100])]
    variant.append(found(3, CAR, 0.65, [0, 0, 50, 50]))
    sides = make_results(reference), make_results(variant)
    rows = {row.low: row for row in bin_scores(judged(variant), *sides)}
    assert list(rows) == [round(0.1 * step, 1) for step in range(10)]
    assert rows[0.9] == ScoreBin(0.9, 0, None, None, 2, pytest.approx(-0.2))
    assert rows[0.6] == ScoreBin(0.6, 2, pytest.approx(0.63), 0.5, 0, None)
    # a score on the border belongs above it, a score of one to the last bin
    for score, low in ((0.7, 0.7), (0.3, 0.3), (1.0, 0.9)):
        one = [found(1, CAR, score, [0, 0, 100, 100])]
        rows = bin_scores(judged(one), None, make_results(one))
        assert [row.low for row in rows if row.detections] == [low]


@pytest.fixture
def measure(tmp_path):
    def run(reference, variant, annotated=True):
        contents = {
            "truth": complete_truth(ANNOTATIONS),
            "reference": reference,
            "variant": variant,
        }
        paths = {name: str(tmp_path / name) for name in contents}
        for name, content in contents.items():
            write_json(paths[name], content)
        measure_operating_points(
            truth=paths["truth"] if annotated else None,
            reference=None if reference is None else paths["reference"],
            variant=paths["variant"],
            out=str(tmp_path / "out"),
        )
        return read_json(tmp_path / "out")

    return run


def test_the_file(measure):
    reference = [RESULTS["correct"], found(1, BUS, 0.8, [200, 0, 100, 100]), RESULTS["background"]]
    variant = [RESULTS["correct"], RESULTS["class"]]
    content = measure(reference, variant)
    # the reference's F1 is highest as soon as the background is out, at 0.45, and stays so to 0.8
    assert content["score_thr"] == 0.8
    assert content["errors"]["missed"] == 3
    assert content["error_changes"] == {
        **dict.fromkeys(("class", "localization", "both", "duplicate", "background"), 0),
        "correct": -1,
        "missed": 1,
    }
    assert len(content["points"]) == 19
    assert sum(row["pairs"] for row in content["scores"]) == 1


def test_the_reference_itself_and_no_ground_truth(measure):
    alone = measure(None, list(RESULTS.values()))
    assert alone["error_changes"] is None
    assert alone["errors"]["correct"] == 1
    assert alone["points"][0]["regains_at"] == 0.9
    assert {row["drift"] for row in alone["scores"]} == {None}
    blind = measure([RESULTS["correct"]], [RESULTS["correct"] | {"score": 0.8}], annotated=False)
    assert [blind[key] for key in ("score_thr", "points", "errors", "error_changes")] == [None] * 4
    assert blind["scores"][-1] == {
        "from": 0.9,
        "detections": None,
        "mean_score": None,
        "correct": None,
        "pairs": 1,
        "drift": pytest.approx(-0.1),
    }
