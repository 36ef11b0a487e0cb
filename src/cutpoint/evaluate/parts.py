"""A data set in parts of some thousand images: pycocotools keeps each box of a part as a dict of Python."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cutpoint.records.detections import Results
from cutpoint.records.truth import COLUMNS, GroundTruth

# images of a part: with 60 detections an image, pycocotools needs about 150 MB for it
PART_IMAGES = 2000


def split_images(
    truth: GroundTruth, results: Results, size: int = PART_IMAGES
) -> Iterator[tuple[GroundTruth, np.ndarray]]:
    """The ground truth of each part, and the rows of the results on its images.

    Boxes and rows keep their order. Matching is within images, so all parts together give what the whole
    data set gives.

    Args:
        truth: the ground truth; its images go into parts in the order of their ids.
        results: detections; those of other images are in no part.
        size: images of a part.
    """
    images = sorted(truth.images, key=lambda image: image.id)
    ids = np.array([image.id for image in images], dtype=np.int64)
    boxes, rows = _group(truth.image_id, ids, size), _group(results.image_id, ids, size)
    for part in range(max(1, -(-len(images) // size))):
        own = {name: getattr(truth, name)[boxes[part]] for name in COLUMNS}
        yield replace(truth, images=tuple(images[part * size : (part + 1) * size]), **own), rows[part]


def _group(image_id: np.ndarray, ids: np.ndarray, size: int) -> list[np.ndarray]:
    """The rows of each part, ascending."""
    count = max(1, -(-len(ids) // size))
    if not len(ids):
        return [np.zeros(0, dtype=np.int64)]
    place = np.searchsorted(ids, image_id).clip(max=len(ids) - 1)
    part = np.where(ids[place] == image_id, place // size, count)
    order = np.argsort(part, kind="stable")
    return np.split(order, np.searchsorted(part[order], np.arange(1, count + 1)))[:count]
