import cv2
import numpy as np
import pytest
from tiny import geometry, input_recipe

from cutpoint.data.image import clip_size, decode, prepare, resized_size
from cutpoint.errors import UserError
from cutpoint.records.image import Pad


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        # factor 416 / 640: 427 * .65 = 277.55
        ((427, 640), (416, 416), (278, 416)),
        ((640, 427), (416, 416), (416, 278)),
        # the short side decides: 800 / 480, 640 * 1.6667 = 1066.67
        ((480, 640), (800, 1333), (800, 1067)),
        # the long side decides: 1333 / 1000
        ((300, 1000), (800, 1333), (400, 1333)),
        # .5 rounds up: 25 * .5 = 12.5
        ((25, 100), (50, 50), (13, 50)),
        ((100, 25), (50, 50), (50, 13)),
        # the order of the two target sides does not matter when the ratio is kept
        ((480, 640), (1333, 800), (800, 1067)),
    ],
)
def test_resized_size_keeping_the_ratio(size, scale, expected):
    assert resized_size(*size, input_recipe(scale=scale)) == expected


def test_resized_size_without_the_ratio_is_height_width():
    assert resized_size(480, 640, input_recipe(scale=(300, 500), keep_ratio=False)) == (300, 500)


def test_geometry_holds_the_scale_after_rounding():
    tensor, found = prepare(noise(25, 100), input_recipe(scale=(50, 50), divisor=32))
    assert tensor.shape == (1, 3, 32, 64)
    assert tensor.dtype == np.float32
    assert (found.height, found.width) == (25, 100)
    assert (found.resized_height, found.resized_width) == (13, 50)
    assert (found.padded_height, found.padded_width) == (32, 64)
    assert (found.scale_y, found.scale_x) == (13 / 25, 0.5)


def test_an_image_of_the_right_size_is_not_touched():
    image = noise(32, 48)
    tensor, _ = prepare(image, input_recipe())
    np.testing.assert_array_equal(tensor[0], image.transpose(2, 0, 1))
    assert tensor.flags.c_contiguous


def test_pad_step_fills_a_square_with_its_value_right_and_bottom():
    image = noise(20, 48)
    tensor, found = prepare(image, input_recipe(pad=Pad(to_square=True, value=(114.0, 113.0, 112.0))))
    assert tensor.shape == (1, 3, 48, 48)
    np.testing.assert_array_equal(tensor[0, :, :20], image.transpose(2, 0, 1))
    assert (tensor[0, :, 20:] == np.array([114, 113, 112])[:, None, None]).all()
    assert (found.padded_height, found.padded_width) == (48, 48)


def test_pad_step_to_a_size_and_to_a_divisor():
    image = noise(20, 48)
    assert prepare(image, input_recipe(pad=Pad(size=(64, 50))))[0].shape == (1, 3, 64, 50)
    assert prepare(image, input_recipe(pad=Pad(divisor=32)))[0].shape == (1, 3, 32, 64)


def test_normalisation_follows_the_channel_swap():
    recipe = input_recipe(bgr_to_rgb=True, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))
    image = np.full((32, 48, 3), (30, 60, 110), np.uint8)  # blue, green, red
    tensor, _ = prepare(image, recipe)
    assert tensor[0, :, 0, 0].tolist() == [50.0, 10.0, 0.0]


@pytest.mark.parametrize("size", [(16, 16), (1, 7), (7, 1)])
def test_every_pixel_value_is_normalised_in_float32_in_the_order_of_the_steps(size):
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    recipe = input_recipe(
        scale=None, bgr_to_rgb=True, divide_by=225.0, mean=mean, std=std, divisor=32, pad_value=3.0
    )
    image = np.resize(np.arange(256, dtype=np.uint8), (*size, 3))
    tensor, _ = prepare(image, recipe)
    values = image[..., ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(225)
    expected = np.full((3, 32, 32), 3, np.float32)
    shift, scale = (np.float32(part)[:, None, None] for part in (mean, std))
    expected[:, : size[0], : size[1]] = (values - shift) / scale
    np.testing.assert_array_equal(tensor[0], expected)


def test_divisor_padding_comes_after_normalisation():
    recipe = input_recipe(mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0), divisor=32)
    tensor, _ = prepare(noise(20, 48), recipe)
    assert tensor.shape == (1, 3, 32, 64)
    assert (tensor[0, :, 20:] == 0).all()
    assert (tensor[0, :, :, 48:] == 0).all()
    # a Pad step's pixels are normalised like all others
    tensor, _ = prepare(
        noise(20, 48), input_recipe(mean=(10.0,) * 3, std=(2.0,) * 3, pad=Pad(to_square=True))
    )
    assert (tensor[0, :, 20:] == -5).all()


def test_divisor_padding_takes_its_value():
    tensor, _ = prepare(noise(20, 48), input_recipe(divisor=32, pad_value=7.0))
    assert (tensor[0, :, 20:] == 7).all()


def test_a_static_shape_pads_and_refuses_what_does_not_fit():
    tensor, found = prepare(noise(20, 48), input_recipe(divisor=16), shape=(64, 96))
    assert tensor.shape == (1, 3, 64, 96)
    assert (tensor[0, :, 20:] == 0).all()
    assert (found.resized_height, found.padded_height, found.padded_width) == (20, 64, 96)
    with pytest.raises(UserError, match=r"20x48 becomes 32x48.*fixed shape 16x96; take a file of a larger"):
        prepare(noise(20, 48), input_recipe(divisor=16), shape=(16, 96))
    with pytest.raises(UserError, match=r"48x32.*fixed shape 64x16"):
        prepare(noise(48, 20), input_recipe(divisor=16), shape=(64, 16))


def test_clip_size_is_the_resized_image_unless_a_pad_step_enlarged_it():
    sizes = geometry(resized_height=20, resized_width=48, padded_height=96, padded_width=128)
    assert clip_size(sizes, input_recipe(divisor=32)) == (20, 48)
    # what the divisor or a static export adds after the Pad step does not count
    assert clip_size(sizes, input_recipe(divisor=32, pad=Pad(to_square=True))) == (48, 48)
    assert clip_size(sizes, input_recipe(pad=Pad(size=(40, 50)))) == (40, 50)


def test_interpolation_is_the_one_named():
    image = noise(64, 96)
    for name, flag in (
        ("bilinear", cv2.INTER_LINEAR),
        ("area", cv2.INTER_AREA),
        ("nearest", cv2.INTER_NEAREST),
    ):
        tensor, _ = prepare(image, input_recipe(scale=(20, 30), interpolation=name))
        expected = cv2.resize(image, (30, 20), interpolation=flag)
        np.testing.assert_array_equal(tensor[0], expected.transpose(2, 0, 1))


def test_decode_gives_three_bgr_channels(tmp_path):
    colour = np.full((4, 6, 3), (200, 10, 30), np.uint8)
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    np.testing.assert_array_equal(decode(tmp_path / "colour.png"), colour)
    cv2.imwrite(str(tmp_path / "grey.png"), colour[..., 0])
    assert decode(tmp_path / "grey.png").shape == (4, 6, 3)
    with_alpha = np.dstack([colour, np.zeros((4, 6), np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), with_alpha)
    np.testing.assert_array_equal(decode(tmp_path / "alpha.png"), colour)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .*No such file"),
        (b"", "it is empty; copy"),
        (b"<html>404</html>", "it is a web page"),
        (b"no image", "not an image that OpenCV can decode, or a damaged one"),
    ],
)
def test_decode_names_the_file_that_it_cannot_read(tmp_path, content, message):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"photo.jpg: {message}"):
        decode(path)
