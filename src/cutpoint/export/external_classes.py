"""What to do where a file has scores of another number of classes than the config names."""

from collections.abc import Callable, Sequence

# COCO's category ids go to 90, with gaps; 80 of them are used
USED_IDS, ALL_IDS = 80, 91


def class_mend(classes: Sequence[str]) -> Callable[[int], str]:
    """A function that ends a message about a file's number of scores.

    Args:
        classes: of the model, by label; labels without a class have an empty name.
    """
    named = len(classes)

    def mend(scores: int) -> str:
        text = f": the model has {named} classes and the file {scores} scores a row; "
        if scores == ALL_IDS and named == USED_IDS:
            return text + "if they are COCO's, the labels are COCO's category ids: write classes: coco91"
        if scores == USED_IDS and named in (ALL_IDS, ALL_IDS - 1):
            return text + "if they are COCO's, write classes: coco80"
        if scores == named + 1:
            return text + (
                "if one of them is the background, write outputs.score.background: first, or last; otherwise "
                "add the class to `classes`, as {id: name} where labels have gaps"
            )
        if scores == named - 1:
            return text + "remove the background from `classes`, or the class that the file lacks"
        return text + (
            "write the names of its classes in the order of its training, or as {id: name} where labels have "
            "gaps"
        )

    return mend
