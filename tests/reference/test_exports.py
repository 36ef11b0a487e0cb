"""ONNX files of every cut against PyTorch and against the numpy recipe, from one dynamic trace a model."""

import json
import math
import re

import numpy as np
import onnx
import pytest
import torch
from datasets import make_image, save_manifest
from models import geometry, noise, pixel_deviation, write_export
from onnx import numpy_helper

from cutpoint.data.image import clip_size
from cutpoint.decode.candidates import from_decoded
from cutpoint.detector.verify import verify_export
from cutpoint.errors import UserError
from cutpoint.export.acceptance import accept_export
from cutpoint.files import read_json, write_json
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import limit_top_k, resolve_recipe
from cutpoint.recipes.steps import STEPS
from cutpoint.recipes.steps.boxes import Rescale
from cutpoint.records.model import METADATA_KEY

# batch, height, width: neither the example's nor each other's
SHAPES = [(1, 192, 256), (2, 160, 96), (3, 64, 352), (1, 416, 416)]


def images_for(model, batch, height, width, seed=0):
    return noise(height, width, seed, batch) * np.float32(pixel_deviation(model.detector))


def names(values):
    return [value.name for value in values]


@pytest.mark.parametrize("shape", SHAPES)
def test_raw_and_decoded_equal_torch_at_any_shape(exports, shape):
    images = images_for(exports.model, *shape)
    expected = exports.model.cuts(images)
    head = exports.model.spec.head
    # YOLOX-nano is deep, and with random weights it amplifies rounding; trained weights differ by 2e-4
    tolerance = {"ATSSHead": 5e-5, "YOLOXHead": 2e-2}[head.head]
    raw, decoded = exports.raw.run({"images": images}), exports.decoded.run({"images": images})
    assert tuple(raw) == head.raw_names
    assert list(decoded) == head.decoded_names
    for name, value in (raw | decoded).items():
        assert value.dtype == expected[name].dtype, name
        assert value.shape == expected[name].shape, name
        # corners are differences of centres and sizes: the box's largest number is the scale of their error
        size = np.abs(expected[name])
        size = size.max(axis=-1, keepdims=True) if name == "boxes" else size
        assert (np.abs(value - expected[name]) <= tolerance * (1 + size / 10)).all(), name
    assert decoded["level_counts"].dtype == np.int64
    assert decoded["level_counts"].sum() == decoded["boxes"].shape[1]
    assert len(head.raw_names) == {"ATSSHead": 15, "YOLOXHead": 9}[head.head]


def sizes_for(model, batch, height, width):
    """An other clip size and scale for each image; the first fills the tensor."""
    rows = [
        ((height, width), (0.5, 0.5)),
        ((height - 9, width - 30), (0.7, 0.72)),
        ((height // 2, width), (1.5, 1.25)),
    ]
    found = []
    for resized, scale in rows[:batch]:
        sizes = geometry(resized, (height, width), scale)
        found.append((sizes, [*clip_size(sizes, model.spec.input), *scale]))
    return [sizes for sizes, _ in found], np.array([row for _, row in found], np.float32)


def expected_detections(exports, decoded, image, sizes, recipe="mmdet3"):
    spec = exports.model.spec
    candidates = from_decoded(decoded, spec.head, image)
    return candidates, apply_recipe(resolve_recipe(recipe, spec.head), candidates, sizes, spec)


def assert_rows(outputs, image, expected, boxes_atol=1e-3):
    """One image's rows of an e2e output, padding included."""
    count = outputs["count"][image]
    assert count == len(expected)
    np.testing.assert_allclose(outputs["scores"][image, :count], expected.scores, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(outputs["labels"][image, :count], expected.labels)
    np.testing.assert_allclose(outputs["boxes"][image, :count], expected.boxes, rtol=1e-6, atol=boxes_atol)
    assert (outputs["labels"][image, count:] == -1).all()
    assert (outputs["scores"][image, count:] == 0).all()
    assert (outputs["boxes"][image, count:] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_e2e_equals_the_numpy_recipe_of_each_image(exports, shape):
    images = images_for(exports.model, *shape)
    sizes, image_sizes = sizes_for(exports.model, *shape)
    decoded = exports.decoded.run({"images": images})
    outputs = exports.e2e.run({"images": images, "image_sizes": image_sizes})
    assert list(outputs) == ["boxes", "scores", "labels", "count"]
    kinds = {name: str(value.dtype) for name, value in outputs.items()}
    assert kinds == {"boxes": "float32", "scores": "float32", "labels": "int64", "count": "int64"}
    for image in range(shape[0]):
        candidates, expected = expected_detections(exports, decoded, image, sizes[image])
        assert len(candidates) > len(expected) > 3
        assert_rows(outputs, image, expected)
    if exports.model.spec.head.head == "ATSSHead":
        assert outputs["boxes"].shape == (shape[0], 100, 4)  # the cap
    else:
        assert outputs["boxes"].shape[1] == outputs["count"].max()


def test_the_steps_of_the_atss_recipe_all_had_work(atss_exports):
    # else the test above would prove less than it says
    model = atss_exports.model
    images = images_for(model, 3, 416, 416)
    sizes = sizes_for(model, 3, 416, 416)[0][2]  # a clip at half the height leaves many boxes empty
    decoded = atss_exports.decoded.run({"images": images})
    candidates = from_decoded(decoded, model.spec.head, 2)
    recipe = resolve_recipe("mmdet3", model.spec.head)
    whole = apply_recipe(recipe, candidates, sizes, model.spec)
    assert len(candidates) < decoded["scores"][2].size
    for step in ("top_k", "clip", "multiply_factor", "min_size", "nms", "max_per_img", "rescale"):
        other = apply_recipe(recipe.without(STEPS[step]), candidates, sizes, model.spec)
        same = len(other) == len(whole) and np.array_equal(other.boxes, whole.boxes)
        assert not (same and np.array_equal(other.scores, whole.scores)), step


def test_an_image_with_nothing_above_the_threshold(exports):
    model, shape = exports.model, (2, 192, 256)
    images = images_for(model, *shape, seed=7)
    images[1] *= 0.3
    sizes, image_sizes = sizes_for(model, *shape)
    decoded = exports.decoded.run({"images": images})
    score = decoded["scores"].max(axis=2)
    if model.spec.head.floor.quantity == "product":
        score = score * decoded["factors"]
    best = score.max(axis=1)
    order = np.argsort(best)
    # between the best scores of the two images, then above both
    for threshold, empty in ((float(best.mean()), [order[0]]), (float(best.max() + 1) / 2, [0, 1])):
        recipe = {"base": "mmdet3", "score_thr": threshold}
        path = model.export(str(model.folder / "trace-dynamic.onnx"), "e2e", recipe=recipe, name="few")
        outputs = Session(path, "cpu").run({"images": images, "image_sizes": image_sizes})
        for image in range(2):
            _, expected = expected_detections(exports, decoded, image, sizes[image], recipe)
            assert (len(expected) == 0) == (image in empty)
            assert_rows(outputs, image, expected)


def test_the_one_input_form_clips_to_the_tensor_and_stays_in_network_pixels(exports):
    model, shape = exports.model, (2, 192, 256)
    images = images_for(model, *shape)
    assert names(exports.e2e_tensor._session.get_inputs()) == ["images"]
    outputs = exports.e2e_tensor.run({"images": images})
    decoded = exports.decoded.run({"images": images})
    spec = model.spec
    recipe = resolve_recipe("mmdet3", spec.head).without(Rescale)
    whole = geometry(shape[1:], shape[1:], (1.0, 1.0))
    for image in range(2):
        expected = apply_recipe(recipe, from_decoded(decoded, spec.head, image), whole, spec)
        assert len(expected) > 3
        assert_rows(outputs, image, expected)


def test_overrides_are_built_into_the_graph(atss_exports):
    model, shape = atss_exports.model, (1, 192, 256)
    images = images_for(model, *shape)
    sizes, image_sizes = sizes_for(model, *shape)
    decoded = atss_exports.decoded.run({"images": images})
    recipe = {"base": "mmdet3", "score_thr": 0.1, "nms_pre": 50, "iou_threshold": 0.3, "max_per_img": 20}
    path = model.export(str(model.folder / "trace-dynamic.onnx"), "e2e", recipe=recipe, name="other")
    session = Session(path, "cpu")
    assert session.recipe == recipe
    outputs = session.run({"images": images, "image_sizes": image_sizes})
    _, expected = expected_detections(atss_exports, decoded, 0, sizes[0], recipe)
    _, usual = expected_detections(atss_exports, decoded, 0, sizes[0])
    assert len(expected) == 20 < len(usual)
    assert_rows(outputs, 0, expected)


def export_more(model, cut, name, **arguments):
    """A session of one more file from the model's dynamic trace."""
    path = model.folder / f"{cut}-{name}.onnx"
    write_export(
        trace=str(model.folder / "trace-dynamic.onnx"),
        spec=model.spec_file,
        cut=cut,
        out=str(path),
        **arguments,
    )
    onnx.checker.check_model(onnx.load(path))
    return Session(str(path), "cpu", 2)


@pytest.mark.parametrize("recipe", ["mmdet2-onnx", "mmdeploy"])
def test_the_deployed_recipes_in_the_graph_equal_numpy(exports, recipe):
    session = export_more(exports.model, "e2e", recipe, recipe=recipe)
    assert session.recipe == recipe
    for shape in [(3, 64, 352), (1, 192, 256)]:
        images = images_for(exports.model, *shape)
        sizes, image_sizes = sizes_for(exports.model, *shape)
        decoded = exports.decoded.run({"images": images})
        outputs = session.run({"images": images, "image_sizes": image_sizes})
        for image in range(shape[0]):
            candidates, expected = expected_detections(exports, decoded, image, sizes[image], recipe)
            assert len(candidates) >= len(expected) > 3
            assert_rows(outputs, image, expected)
            usual = expected_detections(exports, decoded, image, sizes[image])[1]
            assert len(usual) != len(expected) or not np.array_equal(usual.boxes, expected.boxes)


def test_a_free_count_and_a_limited_top_k(exports):
    model, shape = exports.model, (2, 160, 96)
    images = images_for(model, *shape)
    sizes, image_sizes = sizes_for(model, *shape)
    feeds = {"images": images, "image_sizes": image_sizes}
    decoded = exports.decoded.run({"images": images})
    recipe = {"base": "mmdet3", "score_thr": {"ATSSHead": 0.2, "YOLOXHead": 0.02}[model.spec.head.head]}
    free = export_more(model, "e2e", "free", recipe=recipe, count="free").run(feeds)
    limited_file = export_more(model, "e2e", "limited", recipe=recipe, topk_limit=7)
    limited = limited_file.run(feeds)
    resolved = resolve_recipe(recipe, model.spec.head)
    for image in range(2):
        candidates, expected = expected_detections(exports, decoded, image, sizes[image], recipe)
        assert_rows(free, image, expected)
        few = apply_recipe(limit_top_k(resolved, 7, model.spec.head), candidates, sizes[image], model.spec)
        assert 0 < len(few) <= 7 < len(expected)
        assert_rows(limited, image, few)
    assert free["boxes"].shape[1] == free["count"].max()
    assert limited["boxes"].shape[1] == 7
    metadata = json.loads(limited_file._session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert (metadata["topk_limit"], metadata["count"]) == (7, "fixed")


def test_fused_scores_are_class_times_factor(exports):
    model, shape = exports.model, (2, 160, 96)
    images = images_for(model, *shape)
    session = export_more(model, "decoded", "fused", scores="fused")
    assert session.scores == "fused"
    decoded, fused = exports.decoded.run({"images": images}), session.run({"images": images})
    assert list(fused) == ["boxes", "scores", "level_counts"]
    np.testing.assert_array_equal(fused["scores"], decoded["scores"] * decoded["factors"][..., None])
    np.testing.assert_array_equal(fused["boxes"], decoded["boxes"])
    (sizes, *_), _ = sizes_for(model, *shape)
    for recipe in ("mmdeploy", "seed-topk-nms", "seed-per-class"):
        both = [
            apply_recipe(
                resolve_recipe(recipe, model.spec.head, scores),
                from_decoded(outputs, model.spec.head),
                sizes,
                model.spec,
            )
            for scores, outputs in (("class", decoded), ("fused", fused))
        ]
        for name, value in vars(both[0]).items():
            np.testing.assert_array_equal(getattr(both[1], name), value, err_msg=f"{recipe} {name}")


def test_what_a_graph_cannot_hold_is_refused_by_name(atss_exports):
    with pytest.raises(UserError, match=r"recipe 'seed-per-class': ONNX has no NMS with such an IoU"):
        export_more(atss_exports.model, "e2e", "seed", recipe="seed-per-class")


@pytest.mark.parametrize("override", [{"nms_pre": -1}, {"nms_pre": 0}, {"max_per_img": -1}])
def test_a_count_below_one_cannot_be_built_into_a_graph(atss_exports, override):
    model = atss_exports.model
    with pytest.raises(UserError, match=r"of (-1|0) cannot be built into a graph"):
        model.export(str(model.folder / "trace-dynamic.onnx"), "e2e", recipe={"base": "mmdet3"} | override)


def test_a_recipe_below_the_floor_cannot_be_exported(atss_exports):
    model = atss_exports.model
    with pytest.raises(UserError, match="candidates end at class score"):
        model.export(
            str(model.folder / "trace-dynamic.onnx"), "e2e", recipe={"base": "mmdet3", "score_thr": 0.01}
        )


def test_the_specification_travels_in_every_file(exports):
    for session, cut, clip, recipe in (
        (exports.raw, "raw", None, None),
        (exports.decoded, "decoded", None, None),
        (exports.e2e, "e2e", "image", "mmdet3"),
        (exports.e2e_tensor, "e2e", "tensor", "mmdet3"),
    ):
        assert (session.cut, session.clip, session.recipe) == (cut, clip, recipe)
        assert session.spec == exports.model.spec
        assert session.shape is None


def test_files_are_standard_onnx_and_share_their_weights(exports):
    folder = exports.model.folder
    weights = {}
    for name in ("rawimage", "decodedimage", "e2eimage", "e2etensor"):
        model = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(model)
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
        assert model.opset_import[0].version == 20
        assert not model.functions
        weights[name] = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        assert json.loads(next(p.value for p in model.metadata_props if p.key == METADATA_KEY))["spec"]
    large = {name for name, value in weights["rawimage"].items() if value.size > 500}
    assert len(large) > 20
    for name in large:
        for other in ("decodedimage", "e2eimage", "e2etensor"):
            np.testing.assert_array_equal(weights["rawimage"][name], weights[other][name])


def test_the_inputs_say_what_they_take(exports):
    (images,) = exports.raw._session.get_inputs()
    batch, channels, height, width = images.shape
    assert (images.name, images.type, channels) == ("images", "tensor(float)", 3)
    assert batch == "batch"
    assert all(isinstance(side, str) and "32" in side for side in (height, width))
    # a side that the exporter took for a constant would be a number here
    for value in exports.raw._session.get_outputs():
        assert all(isinstance(side, str) for side in value.shape[2:]), (value.name, value.shape)
    _, sizes = exports.e2e._session.get_inputs()
    assert (sizes.name, sizes.shape) == ("image_sizes", ["batch", 4])


@pytest.fixture(scope="module")
def static(atss):
    return atss.trace([192, 256])


def test_a_static_export(atss, atss_exports, static):
    images = images_for(atss, 1, 192, 256)
    for cut in ("raw", "decoded"):
        session = Session(atss.export(static, cut, name="static"), "cpu")
        assert session.shape == (192, 256)
        expected = getattr(atss_exports, cut).run({"images": images})
        for name, value in session.run({"images": images}).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-3, err_msg=name)
    session = Session(atss.export(static, "e2e", name="static"), "cpu")
    sizes, image_sizes = sizes_for(atss, 1, 192, 256)
    outputs = session.run({"images": images, "image_sizes": image_sizes})
    decoded = Session(str(atss.folder / "decodedimagestatic.onnx"), "cpu").run({"images": images})
    assert_rows(outputs, 0, expected_detections(atss_exports, decoded, 0, sizes[0])[1])


def test_a_static_export_refuses_an_image_that_does_not_fit(atss, static):
    pipeline = OnnxPipeline(Session(atss.export(static, "raw", name="static"), "cpu"))
    # portrait: 256 x 192 in a tensor of 192 x 256
    with pytest.raises(UserError, match=r"becomes 256x192, which does not fit .* 192x256"):
        pipeline.prepare(np.zeros((512, 384, 3), np.uint8))


class TestVerify:
    """``verify_export`` records what is out of tolerance and stops what cannot run."""

    @pytest.fixture(scope="class")
    def manifest(self, atss):
        import cv2

        images = []
        for number, (height, width) in enumerate([(150, 200), (150, 200), (201, 120)], start=1):
            path = atss.folder / f"{number}.jpg"
            pixels = noise(height, width, number)[0].transpose(1, 2, 0) * 50 + 120
            cv2.imwrite(str(path), pixels.clip(0, 255).astype(np.uint8))
            images.append(make_image(number, str(path), height, width))
        return save_manifest(atss.folder / "manifest.json", images)

    @pytest.fixture
    def verify(self, atss_exports, manifest, tmp_path):
        model = atss_exports.model

        def run(export, spec=model.spec_file, images=2, checkpoint=model.checkpoint):
            out = tmp_path / "verify.json"
            verify_export(
                export=str(export),
                config=model.config_name,
                checkpoint=checkpoint,
                spec=spec,
                manifest=manifest,
                images=images,
                out=str(out),
            )
            return read_json(out)

        return run

    @pytest.mark.parametrize("name", ["rawimage", "decodedimage", "e2eimage", "e2etensor"])
    def test_a_good_export_passes(self, verify, atss_exports, name):
        found = verify(atss_exports.model.folder / f"{name}.onnx")
        assert found["passed"]
        assert found["failures"] == []
        assert found["images"] == 2
        head = atss_exports.model.spec.head
        names = {"rawimage": list(head.raw_names), "decodedimage": head.decoded_names}.get(
            name, ["boxes", "scores"]
        )
        assert [row["name"] for row in found["tensors"]] == names
        for row in found["tensors"]:
            assert row["passed"]
            assert row["max_abs"] < 0.1

    def tampered(self, atss_exports, tmp_path, name, change):
        model = onnx.load(atss_exports.model.folder / f"{name}.onnx")
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.ndim == 4 and array.shape[:2] == (3, 64):  # the class convolution
                tensor.CopyFrom(numpy_helper.from_array(change(array).astype(np.float32), tensor.name))
                break
        else:
            pytest.fail("no class convolution found")
        onnx.save(model, tmp_path / "tampered.onnx")
        return tmp_path / "tampered.onnx"

    @pytest.mark.parametrize("name", ["rawimage", "decodedimage"])
    def test_values_out_of_tolerance_are_recorded_by_tensor(self, verify, atss_exports, tmp_path, name):
        found = verify(self.tampered(atss_exports, tmp_path, name, lambda w: w * 1.05))
        assert not found["passed"]
        wrong = {"rawimage": {f"cls_{level}" for level in range(5)}, "decodedimage": {"scores"}}[name]
        assert {row["name"] for row in found["tensors"] if not row["passed"]} <= wrong
        assert found["failures"]
        assert all(failure.split(", max abs ")[0] in wrong for failure in found["failures"])
        assert all(math.isfinite(float(failure.split()[-1])) for failure in found["failures"])

    def test_other_detections_are_recorded(self, verify, atss_exports, tmp_path):
        found = verify(self.tampered(atss_exports, tmp_path, "e2eimage", lambda w: w[::-1]))
        assert not found["passed"]
        assert any("matched" in failure for failure in found["failures"])

    def test_nan_of_the_file_fails_by_tensor_and_image(self, verify, atss_exports, tmp_path):
        found = verify(self.tampered(atss_exports, tmp_path, "rawimage", lambda w: w * np.nan))
        wrong = {row["name"]: row["reason"] for row in found["tensors"] if not row["passed"]}
        assert set(wrong) == {f"cls_{level}" for level in range(5)}
        assert re.fullmatch(r"NaN on image id 1 \(.*1\.jpg\)", wrong["cls_0"])
        assert not found["passed"]
        found = verify(self.tampered(atss_exports, tmp_path, "e2eimage", lambda w: w * np.nan))
        assert found["failures"][0] == "boxes, only 0.0% of the detections matched"

    @pytest.mark.parametrize("name", ["rawimage", "decodedimage", "e2eimage", "e2etensor"])
    def test_nan_of_both_sides_does_not_pass(self, verify, atss_exports, tmp_path, name):
        state = torch.load(atss_exports.model.checkpoint)
        state["state_dict"]["bbox_head.atss_cls.weight"][:] = math.nan
        torch.save(state, tmp_path / "nan.pth")
        path = self.tampered(atss_exports, tmp_path, name, lambda w: w * np.nan)
        found = verify(path, checkpoint=str(tmp_path / "nan.pth"))
        tensor = "scores" if name == "decodedimage" else "cls_0"
        said = next(f for f in found["failures"] if f"NaN in PyTorch's own {tensor} on image id 1 (" in f)
        assert not found["passed"]
        with pytest.raises(UserError, match=r"failed its verification: .*NaN in PyTorch"):
            accept_export(verify=str(tmp_path / "verify.json"))
        assert said

    def test_a_missing_output_stops(self, verify, atss_exports, tmp_path):
        model = onnx.load(atss_exports.model.folder / "rawimage.onnx")
        del model.graph.output[2]
        onnx.save(model, tmp_path / "less.onnx")
        with pytest.raises(UserError, match="output cls_2 is missing"):
            verify(tmp_path / "less.onnx")

    def test_another_specification_stops(self, verify, atss_exports, tmp_path):
        other = read_json(atss_exports.model.spec_file)
        other["head"]["floor"]["value"] = 0.06
        write_json(tmp_path / "spec.json", other)
        with pytest.raises(UserError, match="another specification"):
            verify(atss_exports.model.folder / "rawimage.onnx", spec=str(tmp_path / "spec.json"))
