"""There and back: a box of the original image, in network pixels, is the same again; so are its pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny import candidates, input_recipe

from cutpoint.data.image import clip_size, prepare
from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError
from cutpoint.predict.pipeline import stack
from cutpoint.recipes import nms
from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.step import Frame
from cutpoint.records.image import Pad, TensorForm

# height, width: tiny, thin, odd, the network's own, huge
SIZES = [(1, 1), (3, 2), (7, 200), (611, 5), (37, 61), (64, 96), (96, 64), (97, 193), (375, 500), (1201, 799)]
NETWORK = (96, 128)
OWN = input_recipe(scale=(96, 128))
LETTERBOX = {"resize": "letterbox", "size": NETWORK, "fill": 114}
INPUTS = {
    "mmdet's sides": {},
    "corner": {**LETTERBOX, "place": "corner"},
    "centre": {**LETTERBOX, "place": "centre"},
    "not enlarged": {**LETTERBOX, "place": "centre", "enlarge": False},
    "half to even": {**LETTERBOX, "place": "centre", "rounding": "even"},
    "down": {**LETTERBOX, "place": "centre", "rounding": "down"},
    "up": {**LETTERBOX, "place": "centre", "rounding": "up"},
    "stretch": {"resize": "stretch", "size": NETWORK},
    "own size": {"resize": "none"},
    "own size to 32": {"resize": "none", "divisor": 32, "fill": 114},
    "frame around": {**LETTERBOX, "place": "centre", "frame": [128, 160]},
    "least frame": {**LETTERBOX, "place": "centre", "divisor": 32},
}
SHAPES = {"own shape": None, "larger file": (1216, 800)}
FORMS = {
    "float32": TensorForm(),
    "float16": TensorForm("float16"),
    "uint8": TensorForm("uint8"),
    "channels last": TensorForm("float32", channels_last=True),
    "uint8, channels last": TensorForm("uint8", channels_last=True),
}


# rounded down, a side of these is no pixel
TOO_THIN = {(611, 5)}


def made(size, definition, shape=None, image=None):
    """Tensor, geometry and recipe, for a file of any size or of this shape; null if the image is too thin."""
    recipe = resolve_input(definition, OWN, None)
    image = np.zeros((*size, 3), np.uint8) if image is None else image
    if size in TOO_THIN and definition.get("rounding") == "down":
        with pytest.raises(UserError, match="too thin"):
            prepare(image, recipe, shape)
        return None
    return *prepare(image, recipe, shape), recipe


def there(boxes, found, gain):
    """Boxes of the original in network pixels, in float64, by the geometry alone."""
    factor = (found.gain, found.gain) if gain == "one" and found.gain else (found.scale_x, found.scale_y)
    return boxes * np.tile(factor, 2) + np.tile([found.left, found.top], 2)


def back(boxes, found, recipe, step):
    rows = candidates(*[(0, i, 0, 0.5, 1, box) for i, box in enumerate(boxes)])
    return step.apply(rows, Frame(found, clip_size(found, recipe), rows, nms)).boxes


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("definition", INPUTS.values(), ids=INPUTS)
def test_a_box_comes_back_as_it_was(definition, shape):
    seen = 0
    for number, size in enumerate(SIZES):
        parts = made(size, definition, shape)
        if parts is None:
            continue
        _, found, recipe = parts
        height, width = size
        points = np.random.default_rng(number).uniform(-0.5, 1.5, (40, 2, 2)) * (width, height)
        boxes = np.concatenate([points.min(1), points.max(1)], axis=1)
        for operation in ("divide", "multiply"):
            for gain in ("per_axis", "one"):
                returned = back(there(boxes, found, gain), found, recipe, Rescale(operation, gain))
                # float32: 24 bits of the largest number on the way, in pixels of the original
                scale = min(found.scale_x, found.scale_y, found.gain or np.inf)
                error = 2.0**-22 * (1.5 * max(size) + max(found.left, found.top) / scale)
                np.testing.assert_allclose(returned, boxes, rtol=0, atol=max(error, 1e-5))
        seen += 1
    assert seen >= len(SIZES) - 2


@pytest.mark.parametrize("definition", INPUTS.values(), ids=INPUTS)
def test_the_image_lies_in_the_tensor_where_the_geometry_says(definition):
    """All of the image is within the frame, its size is the original's times the factor, the rest is fill."""
    recipe = resolve_input(definition, OWN, None)
    for size in SIZES:
        white = np.full((*size, 3), 255, np.uint8)
        for shape in SHAPES.values():
            parts = made(size, definition, shape, image=white)
            if parts is None:
                continue
            tensor, found, _ = parts
            bottom, right = found.top + found.resized_height, found.left + found.resized_width
            assert (
                (found.padded_height, found.padded_width) == tensor.shape[2:] == (shape or tensor.shape[2:])
            )
            assert 0 <= found.top <= bottom <= found.padded_height
            assert 0 <= found.left <= right <= found.padded_width
            assert (tensor[0, :, found.top : bottom, found.left : right] == 255).all()
            inner = clip_size(found, recipe)
            outside = np.ones(tensor.shape[2:], bool)
            outside[found.top : bottom, found.left : right] = False
            fill = outside.copy()
            fill[inner[0] :], fill[:, inner[1] :] = False, False
            assert (tensor[0][:, fill] == (recipe.pad.value[0] if recipe.pad else 0)).all()
            assert (tensor[0][:, outside & ~fill] == recipe.pad_value).all()
            assert found.scale_y == found.resized_height / size[0]
            assert found.scale_x == found.resized_width / size[1]
            if found.gain is not None:
                assert abs(found.gain * size[0] - found.resized_height) <= 1
                assert abs(found.gain * size[1] - found.resized_width) <= 1
                assert definition.get("enlarge", True) or found.gain <= 1


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("definition", INPUTS.values(), ids=INPUTS)
def test_a_drawn_square_is_where_its_box_goes(definition, form):
    random = np.random.default_rng(0)
    for size in [(64, 96), (97, 193), (375, 500), (1201, 799)]:
        height, width = size
        x1, y1 = int(random.integers(0, width // 2)), int(random.integers(0, height // 2))
        box = np.array([x1, y1, x1 + width // 3, y1 + height // 3])
        image = np.zeros((*size, 3), np.uint8)
        cv2.rectangle(image, box[:2].tolist(), (box[2:] - 1).tolist(), (255, 255, 255), cv2.FILLED)
        recipe = replace(resolve_input(definition, OWN, None), interpolation="area")
        recipe = replace(recipe, pad=recipe.pad and replace(recipe.pad, value=(0.0,) * 3))
        tensor, found = prepare(image, recipe, form=form)
        assert tensor.dtype == form.dtype
        assert tensor.flags.c_contiguous
        plane = (tensor[0, ..., 1] if form.channels_last else tensor[0, 1]).astype(np.float64)
        assert plane.shape == (found.padded_height, found.padded_width)
        bright = plane > 127
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        drawn = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(drawn, there(box, found, "per_axis"), atol=0.51)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_has_the_same_values(form):
    image = np.random.default_rng(1).integers(0, 256, (37, 61, 3), dtype=np.uint8)
    recipe = resolve_input({**LETTERBOX, "place": "centre", "colour": "rgb"}, OWN, None)
    plain, found = prepare(image, recipe)
    tensor, same = prepare(image, recipe, form=form)
    assert same == found
    planes = np.moveaxis(tensor, -1, 1) if form.channels_last else tensor
    np.testing.assert_array_equal(planes, plain.astype(form.dtype))
    assert plain[0, 0, 0, 0] == 114
    for floats in (True, False):
        unit = replace(recipe, divide_by=255.0, to_float32=floats)
        if form.dtype != "uint8":
            expected = prepare(image, unit)[0].astype(form.dtype)
            tensor = prepare(image, unit, form=form)[0]
            np.testing.assert_array_equal(
                np.moveaxis(tensor, -1, 1) if form.channels_last else tensor, expected
            )


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_batch_pads_right_and_bottom_only(form):
    recipe = resolve_input({**LETTERBOX, "place": "centre", "divisor": 32}, OWN, None)
    images = [np.full((*size, 3), 200, np.uint8) for size in [(64, 96), (97, 193), (311, 300)]]
    prepared = [prepare(image, recipe, form=form) for image in images]
    assert len({tensor.shape for tensor, _ in prepared}) == 3
    batch, geometries = stack(prepared, 7, form.channels_last)
    height, width = (max(getattr(g, side) for _, g in prepared) for side in ("padded_height", "padded_width"))
    assert batch.shape == ((3, height, width, 3) if form.channels_last else (3, 3, height, width))
    assert batch.dtype == form.dtype
    for row, (tensor, before), after in zip(batch, prepared, geometries, strict=True):
        assert after == replace(before, padded_height=height, padded_width=width)
        row, single = (np.moveaxis(t, -1, 0) if form.channels_last else t for t in (row, tensor[0]))
        inner = np.zeros((height, width), bool)
        inner[: single.shape[1], : single.shape[2]] = True
        np.testing.assert_array_equal(row[:, : single.shape[1], : single.shape[2]], single)
        assert (row[:, ~inner] == 7).all()


def test_the_centre_leaves_the_odd_pixel_right_and_bottom():
    """``LetterBox`` of Ultralytics: round(d / 2 - 0.1) before, round(d / 2 + 0.1) behind."""
    for free, before in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)):
        recipe = input_recipe(scale=None, pad=Pad(size=(20 + free, 30 + free)), place="centre")
        _, found = prepare(np.zeros((20, 30, 3), np.uint8), recipe)
        assert (found.left, found.top) == (before, before)


def test_rounding_of_a_letterbox():
    """101 x 203 pixels into 96 x 96: the factor is 96 / 203, the short side 47.76."""
    sides = {}
    for rounding in ("half_up", "even", "down", "up"):
        recipe = resolve_input({"resize": "letterbox", "size": (96, 96), "rounding": rounding}, OWN, None)
        _, found = prepare(np.zeros((101, 203, 3), np.uint8), recipe)
        assert found.resized_width == 96
        assert found.gain == 96 / 203
        sides[rounding] = found.resized_height
    assert sides == {"half_up": 48, "even": 48, "down": 47, "up": 48}
    halves = {}
    for rounding in ("half_up", "even", "down", "up"):
        recipe = resolve_input({"resize": "letterbox", "size": (96, 96), "rounding": rounding}, OWN, None)
        halves[rounding] = prepare(np.zeros((89, 192, 3), np.uint8), recipe)[1].resized_height  # 44.5
    assert halves == {"half_up": 45, "even": 44, "down": 44, "up": 45}


def test_padding_that_is_left_moves_the_box_by_it():
    _, found, recipe = made((64, 96), {**LETTERBOX, "size": (96, 96), "place": "centre"})
    assert (found.left, found.top, found.gain) == (0, 16, 1.0)
    box = np.array([[10, 20, 30, 40]])
    kept = back(there(box, found, "per_axis"), found, recipe, Rescale(padding="left"))
    np.testing.assert_allclose(kept, [[10, 36, 30, 56]])


def test_one_gain_is_the_factor_before_rounding():
    _, found, recipe = made((101, 203), {"resize": "letterbox", "size": (96, 96), "rounding": "down"})
    assert found.scale_y == 47 / 101
    box = [[96, 47, 96, 47]]
    np.testing.assert_allclose(back(box, found, recipe, Rescale())[0], [203, 101, 203, 101], rtol=1e-6)
    one = back(box, found, recipe, Rescale(gain="one"))[0]
    np.testing.assert_allclose(one, [203, 47 * 203 / 96, 203, 47 * 203 / 96], rtol=1e-6)
    _, stretched, recipe = made((101, 203), {"resize": "stretch", "size": (96, 96)})
    assert stretched.gain is None  # then each axis has its own
    np.testing.assert_allclose(
        back([[96, 96, 96, 96]], stretched, recipe, Rescale(gain="one"))[0], [203, 101, 203, 101], rtol=1e-6
    )


def test_clipping_to_the_original_is_after_the_way_back():
    _, found, recipe = made((64, 90), {**LETTERBOX, "size": (96, 96), "place": "centre"})
    boxes = there(np.array([[-5.0, -6, 300, 31], [3, 4, 5, 6]]), found, "per_axis")
    rows = back(boxes, found, recipe, Rescale())
    clipped = back(rows, found, recipe, Clip("original"))
    np.testing.assert_allclose(clipped, [[0, 0, 90, 31], [3, 4, 5, 6]], atol=1e-4)
    # the other two frames are those of the network's pixels
    assert back([[0, 0, 500, 500]], found, recipe, Clip("tensor"))[0].tolist() == [0, 0, 96, 96]
    assert back([[0, 0, 500, 500]], found, recipe, Clip("image", border=1))[0].tolist() == [0, 0, 95, 95]
