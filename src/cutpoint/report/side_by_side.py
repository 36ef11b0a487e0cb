"""A picture of an image of the gallery: ground truth, reference and variant side by side."""

import numpy as np

from cutpoint.records.samples import DrawnDetection, Gallery, OtherSide, Picture
from cutpoint.report.drawing import Item, compose


def draw_side_by_side(
    image: np.ndarray, picture: Picture, gallery: Gallery, names: dict[int, str]
) -> np.ndarray:
    """Ground truth, the reference, and the variant that differs most.

    Args:
        image: ``(H, W, 3)`` uint8, BGR.
        picture: the boxes.
        gallery: names, and whether there is ground truth.
        names: names of the categories, by id.

    Returns:
        ``(H', W', 3)`` uint8, BGR.
    """
    panels = []
    if gallery.labelled:
        objects = [
            Item(np.array(one.box), one.category_id, kind="crowd" if one.crowd else "plain")
            for one in picture.objects
        ]
        panels.append((f"ground truth: {len(objects)}", objects))
    name = max(picture.variants, key=lambda name: picture.variants[name].disagreement, default=None)
    variant = picture.variants[name] if name else None
    others = variant.of_reference if variant else (None,) * len(picture.reference)
    panels.append(_panel(f"reference: {gallery.reference}", picture.reference, others))
    if variant:
        panels.append(_panel(f"variant: {name}", variant.detections, variant.partners))
    caption = f"image {picture.image_id} ({picture.file_name}): score >= {gallery.score_thr:g}"
    return compose(image, panels, names, caption)


def _panel(
    head: str, detections: tuple[DrawnDetection, ...], others: tuple[OtherSide | None, ...]
) -> tuple[str, list[Item]]:
    items = []
    for one, other in zip(detections, others, strict=True):
        cause = other.cause if other else None
        kind = "thick" if cause else "plain"
        text = (cause or "").replace("_", " ")
        items.append(Item(np.array(one.box), one.category_id, one.score, text, kind))
    unmatched = sum(item.kind == "thick" for item in items)
    return f"{head}: {len(items)}" + (f", {unmatched} unmatched (≠)" if unmatched else ""), items
