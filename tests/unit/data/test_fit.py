import numpy as np
import pytest
from tiny import input_recipe

from cutpoint.data.fit import check_fit
from cutpoint.data.image import prepare, tensor_size
from cutpoint.errors import UserError
from cutpoint.records.image import Pad
from cutpoint.records.manifest import Image, Manifest

RECIPES = {
    "sides": input_recipe(scale=(50, 80), divisor=32),
    "square": input_recipe(scale=(50, 50), pad=Pad(to_square=True), divisor=1),
    "frame": input_recipe(scale=(50, 50), fit="frame", pad=Pad(size=(64, 64)), divisor=1),
    "own size": input_recipe(scale=None, divisor=32),
    "stretched": input_recipe(scale=(40, 60), keep_ratio=False, divisor=32),
}


@pytest.mark.parametrize("shape", [None, (128, 160)])
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", [(30, 90), (90, 30), (64, 64), (1, 1)])
def test_the_size_is_that_of_the_tensor(name, size, shape):
    tensor, _ = prepare(np.zeros((*size, 3), np.uint8), RECIPES[name], shape)
    assert tensor.shape[2:] == tensor_size(*size, RECIPES[name], shape)


def manifest(*sizes):
    images = [Image(n, f"{n}.jpg", f"d/{n}.jpg", *size) for n, size in enumerate(sizes, start=1)]
    return Manifest("street", None, None, tuple(images), (), ())


def test_all_images_that_do_not_fit_are_named_at_once():
    recipe = input_recipe(scale=(50, 80))
    check_fit(manifest((60, 60), (1, 159)), recipe)
    with pytest.raises(
        UserError, match=r"^3 of 5 images of data set street do not fit the network's"
    ) as raised:
        check_fit(manifest((60, 60), (1, 5000), (5000, 3), (1, 159), (1, 161)), recipe)
    lines = str(raised.value).splitlines()[1:]
    assert [line[:22] for line in lines] == [f"  image id {n} (d/{n}.jpg)" for n in (2, 3, 5)]
    assert "1x5000 pixels (height x width) becomes 0x80: it is too thin for the model's Resize" in lines[0]
    with pytest.raises(UserError, match=r"1 of 2 images (.*\n)*  image id 2 .*fixed shape 64x64"):
        check_fit(manifest((50, 50), (50, 80)), recipe, (64, 64))


def test_of_many_the_first_are_named():
    with pytest.raises(UserError, match="30 of 30 images") as raised:
        check_fit(manifest(*[(1, 5000)] * 30), input_recipe(scale=(50, 80)))
    assert str(raised.value).splitlines()[11:] == ["  and 20 more"]
