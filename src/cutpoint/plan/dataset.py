"""A data set of the plan."""

from dataclasses import dataclass

# the format of annotations that are used as they are
COCO = "coco"


@dataclass(frozen=True)
class Dataset:
    """A folder of images, with or without annotations. ``classes``: pairs of model class and category name.

    ``label_order``, ``categories_without_class``, ``invalid_boxes``: choices that some annotations need.
    ``slices``: path of a CSV file. ``on_bad_image``: ``fail`` or ``skip``. ``annotations``: COCO JSON, the
    user's own or converted; ``converted_from``: the user's file or folder in ``annotation_format``; null if
    ``annotations`` is the user's own.
    """

    name: str
    images: str
    annotations: str | None
    classes: tuple[tuple[str, str], ...] | None
    limit: int | None
    shards: int
    label_order: str | None = None
    categories_without_class: str | None = None
    invalid_boxes: str | None = None
    slices: str | None = None
    on_bad_image: str = "fail"
    annotation_format: str = COCO
    converted_from: str | None = None

    @property
    def class_map(self) -> dict[str, str] | None:
        """``classes`` as the config writes it."""
        return dict(self.classes) if self.classes else None
