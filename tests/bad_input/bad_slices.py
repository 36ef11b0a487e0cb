"""Bad inputs: slices files."""

from bad_input import SLICES, BadInput, edit

ROWS = [
    BadInput(
        "slice of no image",
        "slices: an image that the data set does not have",
        edit(SLICES, "3.png", "4.png"),
        (
            "datasets.street.slices slices.csv, line 4: the data set has no image '4.png' (of 3 "
            "lines 1 name such images); write a file name with its ending, or an image id; did you "
            "mean '3.png'?"
        ),
    ),
]
