"""Random ground truth and two detectors of it, the second a slightly worse copy of the first."""

from typing import Any

import numpy as np

WIDTH, HEIGHT = 640, 480


def draw_truth(
    random: np.random.Generator, images: int, classes: int, boxes: float, crowds: float = 0.01
) -> dict[str, Any]:
    """A file of ground truth: a Poisson number of boxes an image, class frequencies falling as 1 / rank."""
    image = np.repeat(np.arange(1, images + 1), random.poisson(boxes, images))
    share = 1 / np.arange(1, classes + 1)
    category = random.choice(classes, size=len(image), p=share / share.sum()) + 1
    # sides from 8 to 300 px, so that all three sizes are common
    size = np.exp(random.uniform(np.log(8), np.log(300), (len(image), 2)))
    corner = random.uniform(0, 1, (len(image), 2)) * ([WIDTH, HEIGHT] - size).clip(1)
    crowd = random.random(len(image)) < crowds
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(1, images + 1)
        ],
        "info": {
            "dataset": "synthetic",
            "source": "drawn at random",
            "notes": [],
            "left_out": {"categories": 0, "boxes": 0, "names": []},
        },
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, classes + 1)],
        "annotations": [
            {
                "id": number,
                "image_id": int(image[row]),
                "category_id": int(category[row]),
                "bbox": [*corner[row].tolist(), *size[row].tolist()],
                "area": float(size[row].prod()),
                "iscrowd": int(crowd[row]),
            }
            for number, row in enumerate(range(len(image)), start=1)
        ],
    }


def detect(random: np.random.Generator, truth: dict[str, Any], background: float) -> list[dict[str, Any]]:
    """Most true boxes, moved by about a fifteenth of their sides, and a Poisson number of wrong ones."""
    boxes = truth["annotations"]
    found = np.flatnonzero(random.random(len(boxes)) < 0.75)
    image = np.array([b["image_id"] for b in boxes])
    category = np.array([b["category_id"] for b in boxes])
    corners = np.array([b["bbox"] for b in boxes])
    images = len(truth["images"])
    wrong_image = np.repeat(np.arange(1, images + 1), random.poisson(background, images))
    # wrong ones have the classes and places of true boxes of any image
    model = random.integers(0, len(boxes), len(wrong_image))
    rows = np.concatenate([found, model])
    true = np.arange(len(rows)) < len(found)
    bbox = corners[rows]
    shift = random.normal(0, 0.06, (len(rows), 4)) * np.tile(bbox[:, 2:], 2)
    bbox = np.concatenate([bbox[:, :2] + shift[:, :2], (bbox[:, 2:] + shift[:, 2:]).clip(1)], axis=1)
    score = np.where(true, random.beta(3, 2, len(rows)), random.beta(1, 8, len(rows)))
    return as_results(np.concatenate([image[found], wrong_image]), category[rows], bbox, score)


def degrade(random: np.random.Generator, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same detector, converted badly: boxes and scores a little off, a few detections lost."""
    kept = [r for r, lost in zip(results, random.random(len(results)) < 0.02, strict=True) if not lost]
    bbox = np.array([r["bbox"] for r in kept])
    bbox[:, :2] += random.normal(0, 0.02, (len(kept), 2)) * bbox[:, 2:]
    score = np.array([r["score"] for r in kept]) + random.normal(0, 0.05, len(kept))
    return as_results(
        np.array([r["image_id"] for r in kept]), np.array([r["category_id"] for r in kept]), bbox, score
    )


def as_results(
    image: np.ndarray, category: np.ndarray, bbox: np.ndarray, score: np.ndarray
) -> list[dict[str, Any]]:
    """COCO results of ``(N,)`` image ids, category ids, scores and ``(N, 4)`` ``x, y, w, h``."""
    columns = image.tolist(), category.tolist(), bbox.tolist(), score.tolist()
    keys = ("image_id", "category_id", "bbox", "score")
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
