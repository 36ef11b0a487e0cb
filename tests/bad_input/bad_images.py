"""Bad inputs: images."""

from bad_input import BadInput

ROWS = [
    BadInput(
        "image missing",
        "images: a listed image is missing",
        lambda folder: (folder / "images/2.jpg").unlink(),
        ("datasets.street.images: 1 of 3 images listed in truth.json are not in images; first: images/2.jpg"),
    ),
]
