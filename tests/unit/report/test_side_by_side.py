import cv2
import numpy as np
import pytest
from gallery_files import draw_gallery

from cutpoint.report import drawing
from cutpoint.report.drawing import Item


@pytest.mark.parametrize(("labelled", "panels"), [(True, 3), (False, 2)])
def test_the_ground_truth_panel_is_there_only_with_annotations(tmp_path, labelled, panels):
    draw_gallery(tmp_path, labelled)
    folder = tmp_path / "gallery/side_by_side"
    shapes = {number: cv2.imread(str(folder / f"{number}.jpg")).shape for number in (1, 4)}
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


def test_a_box_without_a_partner_says_why_beside_the_variant_that_differs_most(tmp_path, monkeypatch):
    labels, heads = [], []
    label, strip = drawing._label, drawing._strip
    monkeypatch.setattr(drawing, "_label", lambda *a: labels.append(label(*a)) or labels[-1])
    monkeypatch.setattr(drawing, "_strip", lambda *a: heads.append(a[0]) or strip(*a))
    lost = {"raw": (), "worse": ((2, 0), (2, 1))}
    draw_gallery(tmp_path, False, lost=lost, images=1, causes={"worse": {(2, 0.9): "no_candidate"}})
    assert {text for text in labels if "≠" in text} == {
        "≠ pedestrian 0.90 no candidate",
        "≠ car 0.80 not followed",
    }
    assert heads[:2] == ["reference: pytorch: 3, 2 unmatched (≠)", "variant: worse: 1"]


def test_empty_detections_on_both_sides_are_drawn(tmp_path):
    nothing = tuple((image, index) for image in range(1, 5) for index in range(3))
    draw_gallery(tmp_path, lost={"pytorch": nothing, "raw": nothing}, images=1)
    assert (tmp_path / "gallery/side_by_side/1.jpg").stat().st_size > 1000
