"""Which pictures an export is verified on."""

import cv2
import numpy as np
import pytest
from datasets import make_image

from cutpoint.data.image import decode
from cutpoint.predict.pictures import choose_pictures


def pictures(folder, *sizes):
    """Of images of these sizes: the sizes of the pictures."""
    images = []
    for number, (height, width) in enumerate(sizes):
        path = str(folder / f"{number}.png")
        cv2.imwrite(path, np.zeros((height, width, 3), np.uint8))
        images.append(make_image(number, path, height, width))
    _, chosen = choose_pictures(images, len(images), str(folder))
    return [decode(picture.path).shape[:2] for picture in chosen]


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([(41, 60)], [(41, 30), (20, 60)]),
        ([(41, 60), (60, 41)], [(41, 30)]),
        ([(41, 60), (60, 41), (5, 5)], []),
        ([(41, 60), (60, 41), (5, 5), (6, 6)], []),
        ([(2, 2000)], [(2, 1000), (2, 500)]),
        ([(3000, 3)], [(1500, 3), (750, 3)]),
        ([(1, 1)], [(1, 1), (1, 1)]),
    ],
)
def test_parts_stand_in_for_missing_sizes_and_are_not_too_thin(tmp_path, sizes, parts):
    assert pictures(tmp_path, *sizes) == sizes + parts
