import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_fixtures import CLASSES, write_autopsy, write_data, write_detections

from cutpoint.errors import UserError
from cutpoint.records.detections import make_results
from cutpoint.report import drawing, samples
from cutpoint.report.drawing import Item
from cutpoint.report.samples import draw_samples


@pytest.fixture
def draw(tmp_path):
    """Draw the samples of a variant that lost some boxes; return the index and the folder."""

    def call(labelled=True, lost=(), count=9, score_thr=0.3, reference=(), causes=(), **other):
        detections = {
            f"{side}_detections": write_detections(tmp_path / f"{side}.json", labelled, lost=gone)
            for side, gone in (("reference", reference), ("variant", lost))
        }
        manifest = write_data(tmp_path, f"set{labelled}", labelled)
        out = tmp_path / "samples"
        arguments = {"reference_name": "pytorch", "variant_name": "raw", "classes": CLASSES}
        first = detections["reference_detections"]
        arguments["autopsy"] = write_autopsy(tmp_path / "autopsy.parquet", first, dict(causes))
        arguments |= {"count": count, "score_thr": score_thr, "out_dir": str(out)}
        truth = {"truth": json.loads(Path(manifest).read_text())["annotations"]}
        draw_samples(**({"manifest": manifest} | truth | detections | arguments | other))
        return json.loads((out / "index.json").read_text()), out

    return call


def test_images_that_differ_most_come_first_then_by_id(draw):
    index, _ = draw(lost=((3, 0), (3, 1), (2, 1)))
    assert [entry["image_id"] for entry in index] == [3, 2, 1, 4]
    assert "2 only in the reference, 0 only in the variant" in index[0]["caption"]
    assert "score >= 0.3" in index[0]["caption"]
    assert "every detection matched" in index[2]["caption"]


def test_an_image_without_detections_comes_after_those_with_some(draw):
    nothing = ((1, 0), (1, 1), (1, 2))
    index, _ = draw(lost=nothing, reference=nothing)
    assert [entry["image_id"] for entry in index] == [2, 3, 4, 1]


def test_a_detection_below_the_threshold_is_neither_drawn_nor_a_difference(draw):
    index, _ = draw(lost=((4, 2),), score_thr=0.75)
    assert [entry["image_id"] for entry in index] == [1, 2, 3, 4]


def visible(own, other):
    """Score and kind of what is drawn of scores and categories, all in one place."""
    sides = (
        make_results(
            [{"image_id": 1, "category_id": c, "bbox": [0, 0, 10, 10], "score": s} for s, c in entries]
        )
        for entries in (own, other)
    )
    return [(item.score, item.kind) for item in samples._visible(*sides, 0.3, {})]


def test_a_score_that_moves_across_the_threshold_is_matched():
    assert visible([(0.3001, 1)], [(0.2999, 1)]) == [(0.3001, "plain")]
    assert visible([(0.2999, 1)], [(0.3001, 1)]) == []


def test_matching_is_one_to_one_and_within_a_class():
    assert visible([(0.8, 1), (0.9, 1)], [(0.9, 1)]) == [(0.9, "plain"), (0.8, "thick")]
    assert visible([(0.9, 2)], [(0.9, 1)]) == [(0.9, "thick")]


def test_files_are_written_as_the_index_says_and_old_ones_go(draw):
    _, out = draw(count=4)
    index, _ = draw(count=2)
    assert [entry["file"] for entry in index] == ["00_1.jpg", "01_2.jpg"]
    assert sorted(path.name for path in out.iterdir()) == ["00_1.jpg", "01_2.jpg", "index.json"]


@pytest.mark.parametrize(("labelled", "panels"), [(True, 3), (False, 2)])
def test_the_ground_truth_panel_is_there_only_with_annotations(draw, labelled, panels):
    index, out = draw(labelled=labelled)
    shapes = {entry["image_id"]: cv2.imread(str(out / entry["file"])).shape for entry in index}
    width, gap = drawing.PANEL_PX[0], drawing.GAP_PX
    assert shapes[1][1] == panels * width + (panels - 1) * gap
    # 600 x 150 pixels: the panels stand one above the other
    height = drawing.WIDE_PX[0] // 4 + drawing.STRIP_PX
    assert shapes[4][0] == panels * height + (panels - 1) * gap + drawing.STRIP_PX


def test_classes_keep_their_colour_and_crowds_are_drawn_differently():
    picture = np.full((200, 300, 3), 128, np.uint8)
    names = {10: "pedestrian", 20: "car"}

    def drawn(**item):
        box = {"corners": np.array([100.0, 80, 160, 140]), "category_id": 20, **item}
        return drawing._annotate(picture, [Item(**box)], names, 1.0)

    plain, scored, crowd = drawn(), drawn(score=0.5), drawn(kind="crowd")
    colour = drawing.BACKGROUNDS.by_idx(1).as_bgr()
    assert tuple(plain[139, 130]) == colour == tuple(scored[139, 130])
    assert tuple(drawn(category_id=10)[139, 130]) == drawing.BACKGROUNDS.by_idx(0).as_bgr()
    assert tuple(plain[110, 130]) == (128, 128, 128)
    assert tuple(crowd[110, 130]) != (128, 128, 128)
    assert tuple(crowd[139, 130]) != colour


def test_labels_name_class_score_difference_and_crowd():
    names = {10: "person"}
    corners = np.zeros(4)
    assert drawing._label(Item(corners, 10, 0.456), names) == "person 0.46"
    assert drawing._label(Item(corners, 10, 0.456, kind="thick"), names) == "≠ person 0.46"
    assert drawing._label(Item(corners, 10, kind="crowd"), names) == "person (crowd)"
    assert drawing._label(Item(corners, 7), names) == "category 7"


def test_without_annotations_names_come_from_the_model(draw, monkeypatch):
    seen = []
    label = drawing._label
    monkeypatch.setattr(drawing, "_label", lambda *a: seen.append(label(*a)) or seen[-1])
    draw(labelled=False, count=1)
    assert sorted(set(seen)) == ["car 0.80", "pedestrian 0.90", "traffic <light> 0.70"]


def test_an_unmatched_box_says_what_became_of_it(draw, monkeypatch):
    seen = []
    label = drawing._label
    monkeypatch.setattr(drawing, "_label", lambda *a: seen.append(label(*a)) or seen[-1])
    draw(lost=((2, 0), (2, 1)), count=1, causes={(2, 0.9): "no_candidate"})
    assert {text for text in seen if "≠" in text} == {"≠ pedestrian 0.90 no candidate", "≠ car 0.80"}


def test_an_unreadable_image_is_named(draw, tmp_path):
    manifest = write_data(tmp_path, "broken", True)
    Path(tmp_path, "data/broken/001.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"cannot read the image .*001\.jpg"):
        draw(manifest=manifest)


def test_empty_detections_on_both_sides_are_drawn(draw):
    nothing = tuple((image, index) for image in range(1, 5) for index in range(3))
    index, _ = draw(lost=nothing, reference=nothing, count=1)
    assert "every detection matched" in index[0]["caption"]
