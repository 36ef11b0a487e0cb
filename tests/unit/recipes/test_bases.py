"""Recipes by name: what each does, worked by hand; and which definitions and stores are refused."""

import numpy as np
import pytest
from tiny import (
    ATSS_STEPS,
    PAA_STEPS,
    YOLOV3_STEPS,
    YOLOX_STEPS,
    atss_head,
    candidates,
    geometry,
    model_spec,
    raw_outputs,
    recipe_of,
    yolox_head,
)

from cutpoint.decode.candidates import from_raw
from cutpoint.errors import UserError
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.bases import BASES, OVERRIDDEN, steps_of
from cutpoint.recipes.names import OVERRIDES, RECIPES
from cutpoint.recipes.recipe import Recipe, floor_of, resolve_recipe
from cutpoint.recipes.schema import read_steps, write_steps
from cutpoint.recipes.served import check_served
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import Threshold
from cutpoint.records.head import Floor

PAA_FLOOR = Floor("product", 0.05**2 * (1 - 1e-6), True)
RETINA = {
    "head": "RetinaHead",
    "factor": None,
    "recipe": [s for s in ATSS_STEPS if s["step"] != "multiply_factor"],
}
HEADS = {
    "ATSS": atss_head(),
    "RetinaNet": atss_head(**RETINA),
    "RTMDet": atss_head(**RETINA | {"head": "RTMDetHead"}),
    "PAA": atss_head(head="PAAHead", recipe=PAA_STEPS, floor=PAA_FLOOR),
    "YOLOv3": atss_head(head="YOLOV3Head", recipe=YOLOV3_STEPS),
    "YOLOX": yolox_head(),
}


def detect(definition, head, rows, scores="class", **sizes):
    recipe = resolve_recipe(definition, head, scores)
    return apply_recipe(recipe, candidates(*rows), geometry(**sizes), model_spec(head))


def kinds(definition, head):
    return [step.name for step in resolve_recipe(definition, head).steps]


def test_the_names_are_those_that_the_config_knows():
    assert tuple(BASES) == RECIPES
    assert tuple(OVERRIDDEN) == OVERRIDES


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_made_of_known_steps_for_every_head(name, head):
    steps = steps_of(name, HEADS[head])
    assert read_steps(write_steps(steps)) == steps
    without = ("queries", "detr", "final", "final-clipped", "final-per-axis")
    assert [type(step) for step in steps].count(Nms) == (name not in without)


def test_mmdet3_is_the_heads_own_recipe():
    assert resolve_recipe("mmdet3", atss_head()) == recipe_of(*ATSS_STEPS)
    assert resolve_recipe({"base": "mmdet3"}, yolox_head()) == recipe_of(*YOLOX_STEPS)


def test_overrides_change_their_step_alone():
    definition = {"base": "mmdet3", "score_thr": 0.3, "nms_pre": 7, "iou_threshold": 0.5, "max_per_img": 9}
    recipe = resolve_recipe(definition, atss_head())
    assert recipe.get(Threshold).value == 0.3
    assert recipe.get(TopK) == TopK(7, "pair", "level")
    assert recipe.get(Nms).iou_threshold == 0.5
    assert recipe.get(MaxPerImg).k == 9
    assert [step.name for step in recipe.steps] == [step["step"] for step in ATSS_STEPS]
    # neither the head's own recipe nor the definition changed
    assert atss_head().recipe[0]["value"] == 0.05
    assert definition["base"] == "mmdet3"


def test_an_override_without_its_step_is_refused():
    with pytest.raises(UserError, match="nms_pre: YOLOXHead has no step 'top_k'"):
        resolve_recipe({"base": "mmdet3", "nms_pre": 100}, yolox_head())


def test_an_unknown_base_is_refused():
    with pytest.raises(
        UserError, match=r"'mmdet4': unknown; did you mean 'mmdet3'\? known: .*mmdet2-onnx, mmdet3"
    ):
        resolve_recipe("mmdet4", atss_head())


def test_a_threshold_below_the_floor_is_refused_and_the_message_tells_how_to_mend_it():
    message = (
        r"threshold 0.04: candidates end at class score 0.05; raise .*score_thr or lower .*candidate_floor"
    )
    with pytest.raises(UserError, match=message):
        resolve_recipe({"base": "mmdet3", "score_thr": 0.04}, atss_head())
    assert resolve_recipe({"base": "mmdet3", "score_thr": 0.05}, atss_head())


def threshold(on, value, inclusive):
    return Recipe((Threshold(on, value, inclusive),))


def test_what_the_candidates_can_serve():
    on_class = atss_head(floor=Floor("class", 0.05, False))
    on_product = yolox_head(floor=Floor("product", 0.05, True))
    check_served(threshold("class", 0.05, False).steps, on_class.floor)
    # a product is at most the class score
    check_served(threshold("product", 0.05, False).steps, on_class.floor)
    check_served(threshold("product", 0.05, True).steps, on_product.floor)
    check_served(threshold("product", 0.05, False).steps, on_product.floor)
    for refused, head in (
        (threshold("class", 0.05, True), on_class),  # one on the floor is missing
        (threshold("product", 0.04, True), on_product),
        (threshold("class", 0.9, True), on_product),  # a small factor hides any class score
        (Recipe(()), on_class),
    ):
        with pytest.raises(UserError, match="candidates end at"):
            check_served(refused.steps, head.floor)


def test_floor_of_is_the_recipes_own_threshold():
    recipe = resolve_recipe({"base": "mmdet3", "score_thr": 0.3}, atss_head())
    assert floor_of(recipe) == Floor("class", 0.3, False)
    check_served(recipe.steps, floor_of(recipe))


BOX, OTHER = (0, 0, 20, 20), (100, 100, 120, 120)


def test_mmdet2_onnx_by_hand():
    head = atss_head(recipe=[step | ({"k": 1} if step["step"] == "top_k" else {}) for step in ATSS_STEPS])
    rows = [
        # the best class score of the level, but a small factor: out by the location's product
        (0, 0, 0, 0.9, 0.1, BOX),
        (0, 1, 0, 0.5, 0.9, (0, 0, 50, 40)),
        (0, 1, 1, 0.4, 0.9, (0, 0, 50, 40)),  # the same location: both pairs stay
        (0, 1, 2, 0.055, 0.9, (0, 0, 50, 40)),  # 0.0495 does not pass the threshold on the product
        (1, 9, 0, 0.2, 0.9, (10, 10, 10, 20)),  # empty: mmdet2 has no least size; the cap of 2 drops it
    ]
    sizes = {"padded_height": 36, "padded_width": 64}
    found = detect("mmdet2-onnx", head, rows, **sizes)
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == [np.float32(0.5) * np.float32(0.9), np.float32(0.4) * np.float32(0.9)]
    # clipped to the tensor of 64 x 36, then scaled back by 2
    assert found.boxes.tolist() == [[0, 0, 100, 72]] * 2
    more = detect({"base": "mmdet2-onnx", "max_per_img": 9}, head, rows, **sizes)
    assert more.boxes[2].tolist() == [20, 20, 20, 40]
    # mmdet3 takes the pair with the best class score, and clips to the image of 40 x 32
    usual = detect("mmdet3", head, rows, **sizes)
    assert usual.scores.tolist() == [np.float32(0.9) * np.float32(0.1)]


def test_a_class_gives_at_most_200_boxes_to_the_deployed_recipes():
    head = atss_head(recipe=[s | {"k": 1000} if "k" in s else s for s in ATSS_STEPS])
    rows = [(0, i, 0, 0.9 - i / 1000, 1, (i * 30, 0, i * 30 + 20, 20)) for i in range(250)]
    rows += [(0, 250 + i, 1, 0.3 - i / 1000, 1, (i * 30, 0, i * 30 + 20, 20)) for i in range(10)]
    wide = {"padded_width": 10000, "resized_width": 10000, "padded_height": 32}
    for name in ("mmdet2-onnx", "mmdeploy"):
        assert np.bincount(detect(name, head, rows, **wide).labels).tolist() == [200, 10]
    assert np.bincount(detect("mmdet3", head, rows, **wide).labels).tolist() == [250, 10]


def test_mmdeploy_takes_5000_locations_of_all_levels_into_nms():
    steps = resolve_recipe("mmdeploy", HEADS["ATSS"]).steps
    assert [step.name for step in steps] == [
        "multiply_factor",
        "top_k",
        "threshold",
        "clip",
        "top_k",
        "nms",
        "max_per_img",
        "rescale",
    ]
    assert steps[1] == TopK(3, "location", "level")
    assert steps[4] == TopK(5000, "location", "image")
    assert kinds("mmdet2-onnx", HEADS["ATSS"]) == [step.name for step in (*steps[:4], *steps[5:])]


def test_mmdeploy_makes_yolox_multi_label_and_keeps_100():
    rows = [(0, 0, 0, 0.9, 0.9, BOX), (0, 0, 2, 0.8, 0.9, BOX), (0, 1, 1, 0.5, 0.5, OTHER)]
    found = detect("mmdeploy", HEADS["YOLOX"], rows, padded_width=10, padded_height=10)
    assert found.labels.tolist() == [0, 2]  # 0.25 passes >= of mmdet3, not > of mmdeploy
    assert found.boxes.tolist() == [[0, 0, 40, 40]] * 2  # not clipped
    assert detect("mmdet3", HEADS["YOLOX"], rows).labels.tolist() == [0, 1]
    many = [(0, i, 0, 0.9, 1, (i * 30, 0, i * 30 + 20, 20)) for i in range(150)]
    assert len(detect("mmdeploy", HEADS["YOLOX"], many)) == 100
    assert len(detect("mmdet3", HEADS["YOLOX"], many)) == 150


def test_mmdeploy_gives_rtmdet_neither_top_k_of_a_level_nor_clip():
    steps = resolve_recipe("mmdeploy", HEADS["RTMDet"]).steps
    assert [step.name for step in steps] == ["threshold", "top_k", "nms", "max_per_img", "rescale"]
    assert (steps[1].k, steps[1].per) == (5000, "image")
    assert "clip" in kinds("mmdet2-onnx", HEADS["RTMDet"])


def test_paas_root_is_mmdeploys_not_mmdet2s():
    rows = [(0, 0, 0, 0.5, 0.125, BOX), (0, 1, 1, 0.08, 0.5, OTHER)]
    assert detect("mmdeploy", HEADS["PAA"], rows).scores.tolist() == pytest.approx([0.25, 0.2])
    # the second product, 0.04, is below the threshold
    assert detect("mmdet2-onnx", HEADS["PAA"], rows).scores.tolist() == [0.0625]


def test_yolov3_keeps_its_own_thresholds_and_top_k_in_the_deployed_recipes():
    for name in ("mmdet2-onnx", "mmdeploy"):
        steps = resolve_recipe(name, HEADS["YOLOv3"]).steps
        assert [(step.name, getattr(step, "quantity", None)) for step in steps[:3]] == [
            ("threshold", "factor"),
            ("threshold", "class"),
            ("top_k", None),
        ]


def test_seed_topk_nms_reads_corners_as_centre_and_size():
    rows = [
        (0, 0, 0, 0.9, 1, (10, 10, 20, 20)),
        (0, 0, 1, 0.8, 1, (10, 10, 20, 20)),  # the location's second class: dropped
        (0, 1, 0, 0.8, 1, (10, 10, 20, 16)),  # IoU 0.6 as corners: both stay in mmdet3
        (0, 2, 0, 0.7, 1, (30, 30, 34, 34)),  # far apart as corners
        (1, 9, 0, 0.05, 1, (90, 90, 99, 99)),  # on the threshold
    ]
    found = detect("seed-topk-nms", HEADS["ATSS"], rows)
    # 0..20 x 0..20 and 0..20 x 2..18 overlap by 0.8: suppressed; 13..47 x 13..47 by 49 / 1507: stays
    assert found.scores.tolist() == np.float32([0.9, 0.7]).tolist()
    assert found.boxes.tolist() == [[20, 20, 40, 40], [60, 60, 68, 68]]
    assert len(detect({"base": "mmdet3", "nms_pre": 9, "max_per_img": 9}, HEADS["ATSS"], rows)) == 4


def test_seed_topk_nms_suppresses_across_two_gaps():
    # read as centre and size: 0..4 x 0..4 and 6..10 x 6..10, gaps of 2 and 2, whose product is 4
    rows = [(0, 0, 0, 0.9, 1, (2, 2, 4, 4)), (0, 1, 0, 0.8, 1, (8, 8, 4, 4))]
    definition = {"base": "seed-topk-nms", "iou_threshold": 0.1}
    assert len(detect(definition, HEADS["ATSS"], rows)) == 1  # 4 / (16 + 16 - 4)
    assert len(detect("seed-topk-nms", HEADS["ATSS"], rows)) == 2
    # the classes are shifted apart by the largest coordinate + 1: 9, a smaller gap than it looks
    apart = [rows[0], (0, 1, 1, 0.8, 1, (8, 8, 4, 4))]
    shifted = detect({"base": "seed-topk-nms", "iou_threshold": 0.9}, HEADS["ATSS"], apart)
    # (17, 17, 13, 13) is 10.5..23.5: gaps of 6.5 and 6.5, 42.25 / (16 + 169 - 42.25) = 0.296
    assert len(shifted) == 2
    assert len(detect({"base": "seed-topk-nms", "iou_threshold": 0.29}, HEADS["ATSS"], apart)) == 1
    assert len(detect({"base": "seed-topk-nms", "iou_threshold": 0.3}, HEADS["ATSS"], apart)) == 2


def test_seed_topk_nms_keeps_the_1000_best_of_all_levels():
    rows = [(i % 2, i, 0, 0.9 - i / 10000, 1, (i * 300, 0, 1, 1)) for i in range(1200)]
    assert len(detect({"base": "seed-topk-nms", "iou_threshold": 1.0}, HEADS["ATSS"], rows)) == 1000


def test_seed_per_class_by_hand():
    rows = [
        (0, 0, 0, 0.9, 0.9, (0, 0, 9, 9)),
        (0, 0, 1, 0.8, 0.9, (0, 0, 9, 9)),  # the location's second class
        (0, 1, 0, 0.8, 0.9, (0, 0, 9, 5)),  # 10 x 10 and 10 x 6: exactly 0.6, stays
        (0, 2, 0, 0.7, 0.9, (0, 0, 9, 5.2)),  # 0.62 with the old pixel, 0.578 without
        (0, 3, 1, 0.7, 0.9, (0, 0, 9, 9)),  # another class
        (1, 9, 2, 0.6, 0.5, (50, 50, 59, 59)),  # 0.3 is not above 0.3
    ]
    found = detect("seed-per-class", HEADS["ATSS"], rows)
    assert found.labels.tolist() == [0, 0, 1]
    assert found.boxes.tolist() == [[0, 0, 18, 18], [0, 0, 18, 10], [0, 0, 18, 18]]
    many = [(0, i, i % 3, 0.9 - i / 1000, 1, (i * 30, 0, i * 30 + 9, 9)) for i in range(150)]
    assert len(detect("seed-per-class", HEADS["ATSS"], many)) == 100


def test_class_agnostic_is_mmdet3_with_one_nms_over_all_classes():
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, BOX)]
    assert detect("class-agnostic", HEADS["ATSS"], rows).labels.tolist() == [0]
    assert detect("mmdet3", HEADS["ATSS"], rows).labels.tolist() == [0, 1]
    assert kinds("class-agnostic", HEADS["ATSS"]) == kinds("mmdet3", HEADS["ATSS"])


def test_overrides_of_the_other_recipes():
    recipe = resolve_recipe({"base": "mmdeploy", "nms_pre": 7, "score_thr": 0.2}, HEADS["ATSS"])
    assert [step.k for step in recipe.steps if isinstance(step, TopK)] == [7, 5000]
    assert recipe.get(Threshold).value == 0.2
    recipe = resolve_recipe({"base": "seed-topk-nms", "nms_pre": 7, "score_thr": 0.2}, HEADS["ATSS"])
    assert (recipe.get(TopK).k, recipe.get(Threshold).value) == (7, 0.2)
    recipe = resolve_recipe({"base": "mmdet3", "score_thr": 0.2}, HEADS["YOLOv3"])
    assert [step.value for step in recipe.steps if isinstance(step, Threshold)] == [0.3, 0.2]
    assert "score_voting" not in kinds({"base": "mmdet3", "score_voting": False}, HEADS["PAA"])
    for definition, head, message in (
        ({"base": "mmdeploy", "nms_pre": 7}, "YOLOX", "no step 'top_k' to change"),
        ({"base": "seed-per-class", "max_per_img": 7}, "ATSS", "no step 'max_per_img' to change"),
        ({"base": "mmdet3", "score_voting": False}, "ATSS", "no step 'score_voting'"),
        ({"base": "mmdet3", "score_voting": True}, "PAA", "only false"),
        ({"base": "mmdet3", "score_tr": 0.3}, "ATSS", "did you mean 'score_thr'"),
        ({"base": "mmdet3", "nms_pre": 0.5}, "ATSS", "k 0.5: a whole number is expected"),
        ({"score_thr": 0.3}, "ATSS", "give a name"),
    ):
        with pytest.raises(UserError, match=message):
            resolve_recipe(definition, HEADS[head])


def test_a_recipe_of_the_users_own():
    steps = [
        {"step": "threshold", "quantity": "class", "value": 0.1},
        {"step": "multiply_factor", "root": True},
        {"step": "nms", "iou_threshold": 0.5, "space": "per_class"},
        {"step": "max_per_img", "k": 1},
    ]
    rows = [(0, 0, 0, 0.64, 0.25, BOX), (0, 1, 1, 0.81, 0.25, OTHER)]
    found = detect({"steps": steps}, HEADS["ATSS"], rows)
    assert (found.labels.tolist(), found.scores.tolist()) == ([1], [pytest.approx(0.45)])
    assert found.boxes.tolist() == [list(OTHER)]  # without a rescale: network pixels


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "give a list"),
        ("nms", "give a list"),
        (
            [{"step": "nmss", "iou_threshold": 0.5}],
            r"step 1 'nmss': unknown; did you mean 'nms'\? known: best_box",
        ),
        ([{"iou_threshold": 0.5}], "step 1: give `{step: NAME"),
        (
            [{"step": "max_per_img", "k": 1}, {"step": "nms", "iou_treshold": 0.5}],
            r"step 2 \(nms\): parameter 'iou_treshold': unknown; did you mean 'iou_threshold'",
        ),
        ([{"step": "nms"}], "iou_threshold is missing"),
        (
            [{"step": "threshold", "quantity": "logit", "value": 0.5}],
            "quantity 'logit': one of class, factor, product",
        ),
        ([{"step": "threshold", "quantity": "class", "value": "high"}], "value 'high': a number"),
        ([{"step": "max_per_img", "k": True}], "k True: a whole number"),
        ([{"step": "multiply_factor", "root": 1}], "root 1: true or false"),
        ([{"step": "nms", "iou_threshold": 0.5, "max_per_class": 9}], "needs `space: per_class`"),
        ([{"step": "nms", "iou_threshold": 0.5, "offset": True}], "offset True: one of 0, 1"),
    ],
)
def test_steps_that_mean_nothing_are_refused_with_a_suggestion(steps, message):
    with pytest.raises(UserError, match=message):
        resolve_recipe({"steps": steps}, HEADS["ATSS"])


def test_overrides_beside_steps_are_refused():
    with pytest.raises(UserError, match="score_thr is given in addition to `steps`"):
        resolve_recipe({"steps": list(ATSS_STEPS), "score_thr": 0.3}, HEADS["ATSS"])


TOP_K, MULTIPLY, VOTING = {"step": "top_k", "k": 5}, {"step": "multiply_factor"}, {"step": "score_voting"}
NMS = {"step": "nms", "iou_threshold": 0.5}
ON_PRODUCT = {"step": "threshold", "quantity": "product", "value": 0.3}


def test_a_rank_by_class_score_before_the_threshold_needs_a_floor_on_the_class_score():
    by_class, by_product = recipe_of(TOP_K, MULTIPLY, ON_PRODUCT), recipe_of(MULTIPLY, TOP_K, ON_PRODUCT)
    floors = {on: Floor(on, 0.3, False) for on in ("class", "product")}
    check_served(by_class.steps, floors["class"])
    check_served(by_product.steps, floors["class"])
    check_served(by_product.steps, floors["product"])
    with pytest.raises(UserError, match="thresholds the class score"):
        check_served(by_class.steps, floors["product"])
    assert floor_of(by_class).quantity == "class"
    assert floor_of(by_product).quantity == "product"


def test_boxes_that_vote_must_be_among_the_candidates():
    floor = Floor("product", 0.3, False)
    check_served(recipe_of(MULTIPLY, NMS, ON_PRODUCT).steps, floor)
    check_served(recipe_of(MULTIPLY, ON_PRODUCT, NMS, VOTING).steps, floor)
    with pytest.raises(UserError, match="without a threshold"):
        check_served(recipe_of(MULTIPLY, NMS, ON_PRODUCT, VOTING).steps, floor)


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        ("ATSS", {"mmdet3", "class-agnostic"}),
        ("YOLOv3", {"mmdet3", "class-agnostic", "mmdet2-onnx", "mmdeploy"}),
        ("PAA", set()),  # its own recipe starts with the product
        ("YOLOX", set()),
        ("RetinaNet", set()),  # nothing to fuse
    ],
)
def test_what_fused_scores_can_serve(head, refused):
    found = set()
    for name in RECIPES:
        try:
            resolve_recipe({"base": name, "score_thr": 0.3}, HEADS[head], scores="fused")
        except UserError:
            found.add(name)
    assert found == refused, head
    if refused:
        with pytest.raises(UserError, match=r"gives the factor beside it|only class score x factor"):
            resolve_recipe("mmdet3", HEADS[head], scores="fused")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("head", HEADS)
def test_candidates_below_the_floor_change_nothing(head, name):
    # the claim behind check_served: a store that ends at the recipe's own floor gives the same detections
    spec = HEADS[head]
    definition = {"base": name, "score_thr": 0.3}
    recipe = resolve_recipe(definition, spec)
    stores = {"least": Floor("class", 0.0, False), "own": floor_of(recipe)}
    for seed in range(4):
        outputs = raw_outputs(spec, [(6, 6), (3, 3)], seed=seed)
        found = {}
        for key, floor in stores.items():
            store = model_spec(spec).with_floor(floor).head
            rows = from_raw(outputs, store)
            found[key] = len(rows), apply_recipe(recipe, rows, geometry(), model_spec(spec))
        (most, expected), (least, detections) = found["least"], found["own"]
        assert most > least >= len(detections) > 0
        for field, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(detections, field), value, err_msg=field)
