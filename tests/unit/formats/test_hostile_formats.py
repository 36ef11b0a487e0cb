"""Spoilt files of every format: a message, or ground truth that is right; never an exception."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from format_sets import convert, write_files, write_images
from hypothesis import given
from hypothesis import strategies as st
from test_bdd100k_format import FRAMES
from test_cvat_format import END, HEAD
from test_cvat_format import A as CVAT
from test_kitti_format import A as KITTI
from test_voc_format import LABELIMG
from test_yolo_format import DATA
from test_yolo_format import A as YOLO

from cutpoint.data.annotations import clean_annotations
from cutpoint.errors import UserError
from cutpoint.files import write_json

SOUND = {
    "yolo": ("theirs", {"theirs/data.yaml": DATA, "theirs/a.txt": YOLO, "theirs/b.txt": YOLO}),
    "voc": ("theirs", {"theirs/a.xml": LABELIMG, "theirs/b.xml": LABELIMG.replace("a.jpg", "b.png")}),
    "kitti": ("theirs", {"theirs/a.txt": KITTI, "theirs/b.txt": KITTI}),
    "bdd100k": ("theirs/det.json", {}),
    "cvat": ("theirs/annotations.xml", {"theirs/annotations.xml": HEAD + CVAT + END}),
}
NUMBERS = ("0", "-1", "1", "nan", "inf", "1e999", "1e15", "-1e15", "0.5", "9" * 20, "9" * 5000)
SIGNS = (*"<>&\"'[]{},:;/-#\0\n\u202e\ud7ffé", "", " ", "..", "*a", "&a", "&x;", "!!x", "\x1b[31m", "[" * 500)
WORDS = ("null", "true", "<x>", "</annotation>", "<!DOCTYPE", "../../etc", "a.jpg", "b.png", "car", "=1+1")
PIECES = st.sampled_from((*NUMBERS, *SIGNS, *WORDS))
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=4)


def spoil(text: str, edits: list[tuple[float, int, str]]) -> bytes:
    for share, length, piece in edits:
        place = int(share * len(text))
        text = text[:place] + piece + text[place + length :]
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", SOUND)
@given(edits=EDITS, which=st.integers(0, 1))
def test_spoilt_files(kind, edits, which):
    given_path, files = SOUND[kind]
    folder = Path(tempfile.mkdtemp())
    try:
        write_images(folder / "images")
        write_files(folder, files)
        if kind == "bdd100k":
            (folder / "theirs").mkdir()
            write_json(folder / given_path, FRAMES)
        spoilt = sorted((folder / "theirs").iterdir())[which % max(1, len(files))]
        spoilt.write_bytes(spoil(spoilt.read_text(), edits))
        content, record = convert(folder, kind, given_path)
        for message in record.problems:
            assert message.startswith("datasets.street.annotations ")
            assert len(message) < 1500
            assert message.isprintable()
        assert bool(record.problems) == (not content["images"])
        if record.problems:
            return
        try:
            clean = clean_annotations("street", "out.json", content)
        except UserError:  # boxes that can never match, and the like
            return
        assert len(clean) == record.boxes
        assert np.isfinite(clean.bbox).all()
        assert set(clean.category_id.tolist()) <= {category.id for category in clean.categories}
        assert {image.file_name for image in clean.images} <= {
            path.relative_to(folder / "images").as_posix() for path in (folder / "images").rglob("*")
        } or kind in ("bdd100k", "cvat")  # their names are checked by the manifest
    finally:
        shutil.rmtree(folder)
