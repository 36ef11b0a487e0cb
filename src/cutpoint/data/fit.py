"""Whether every image of a data set fits a network's input, by the sizes alone."""

from cutpoint.data.image import tensor_size
from cutpoint.errors import UserError
from cutpoint.records.image import InputRecipe
from cutpoint.records.manifest import Manifest

# so many images are named in a message
NAMED = 10


def check_fit(manifest: Manifest, recipe: InputRecipe, shape: tuple[int, int] | None = None) -> None:
    """Check all images before a network runs on the first.

    Args:
        manifest: of the data set.
        recipe: the input recipe.
        shape: height and width that the tensor must have, or null.

    Raises:
        UserError: images are so thin that one side is 0 after the resize, or do not fit into ``shape``.
    """
    lines = []
    for image in manifest.images:
        try:
            tensor_size(image.height, image.width, recipe, shape)
        except UserError as error:
            lines.append(f"image id {image.id} ({image.path}): {error}")
    if lines:
        more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
        raise UserError(
            f"{len(lines)} of {len(manifest.images)} images of data set {manifest.dataset} do not fit the "
            "network's input:" + "".join(f"\n  {line}" for line in [*lines[:NAMED], *more])
        )
