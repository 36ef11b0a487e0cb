"""Digests of annotations that are converted."""

from pathlib import Path

import pytest
from format_sets import write_files, write_images

from cutpoint.plan.converted import listing_of, source_digest
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.digests import Digests

FILES = {"theirs/data.yaml": "names: [car, person]", "theirs/a.txt": "0 .5 .5 .1 .1\n", "theirs/b.txt": ""}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    write_images(tmp_path / "images")
    write_files(tmp_path, FILES)
    images, given = str(tmp_path / "images"), str(tmp_path / "theirs")
    made = {"annotation_format": "yolo", "converted_from": given}
    return Dataset("street", images, "results/annotations/street.json", None, None, 1, **made)


def read(dataset: Dataset) -> tuple[str | None, tuple[str, tuple[str, ...]] | None]:
    """Both digests, as a new plan reads them."""
    digests = Digests(Path(dataset.images).parent / "digests.json")
    listing = listing_of(digests, dataset, "code")
    both = source_digest(digests, dataset), listing and (listing.digest, listing.file_names)
    digests.save()
    return both


def test_a_box_changes_the_source_and_not_the_listing(dataset, tmp_path):
    source, listing = read(dataset)
    assert read(dataset) == (source, listing)
    assert listing is not None
    assert listing[1] == ("a.jpg", "b.png", "c.jpg")
    write_files(tmp_path, {"theirs/b.txt": "1 .5 .5 .1 .1\n"})
    assert read(dataset)[0] != source
    assert read(dataset)[1] == listing


@pytest.mark.parametrize("change", ["class", "image", "label"])
def test_a_class_or_an_image_changes_the_listing(dataset, tmp_path, change):
    source, listing = read(dataset)
    if change == "class":
        write_files(tmp_path, {"theirs/data.yaml": "names: [car, bus]"})
    elif change == "image":
        write_images(tmp_path / "images", {"d.jpg": (9, 9)})
    else:
        write_files(tmp_path, {"theirs/c.txt": ""})
    now = read(dataset)
    assert (now[1] != listing) == (change != "label")
    assert (now[0] != source) == (change != "image")


def test_what_cannot_be_read_has_a_digest_too(dataset, tmp_path):
    (tmp_path / "theirs/data.yaml").write_text("names: [")
    source, listing = read(dataset)
    assert source
    assert listing == (source, ())
    (tmp_path / "theirs/data.yaml").unlink()
    without, _ = read(dataset)
    assert without
    assert without != source


def test_files_that_are_still_to_be_fetched_have_none(dataset, tmp_path):
    (tmp_path / "theirs").rename(tmp_path / "elsewhere")
    assert read(dataset) == (None, None)
