"""Names of images stay in their folder and in one line."""

import os
from pathlib import Path

import pytest

from cutpoint.data.file_names import check_links, find_fault
from cutpoint.errors import UserError

SOUND = [
    "a.jpg",
    "train/a.jpg",
    "a..jpg",
    "..a/b.jpg",
    "été 夜 (1).jpg",
    "a:b.jpg",
    "👩‍👧.png",
    "x" * 251 + ".jpg",
]
FAULTY = {
    "../a.jpg": "leads out",
    "in/../a.jpg": "leads out",
    "..": "leads out",
    "/etc/passwd": "absolute",
    "C:/a.jpg": "absolute",
    "in\\a.jpg": "backslash",
    "..\\a.jpg": "backslash",
    "a\0.jpg": "control character",
    "a\n.jpg": "control character",
    "a\x1b[2J.jpg": "control character",
    "a\x9b.jpg": "control character",
    "a\u2028.jpg": "control character",
    "a\ud800.jpg": "not valid Unicode",
    "x" * 252 + ".jpg": "longer",
    "é" * 126 + ".jpg": "longer",
    "x/" * 2000 + "a.jpg": "longer",
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_names_have_no_fault(name):
    assert find_fault(name) is None


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_wrong_with_a_name_is_told(name):
    fault = find_fault(name)
    assert fault
    assert FAULTY[name] in fault.what


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "images"
    (made / "in").mkdir(parents=True)
    for name in ("a.jpg", "in/b.jpg"):
        (made / name).touch()
    (tmp_path / "secret.jpg").touch()
    return made


def check(folder: Path, *names: str) -> None:
    check_links("datasets.street.images", folder, enumerate(names, start=1))


def test_files_and_links_within_the_folder_pass(folder, tmp_path):
    (folder / "link.jpg").symlink_to("a.jpg")
    (folder / "far.jpg").symlink_to(folder / "in/b.jpg")
    (folder / "also").symlink_to("in")
    names = ("a.jpg", "in/b.jpg", "link.jpg", "far.jpg", "also/b.jpg", "./a.jpg")
    check(folder, *names)
    # the user names the folder, and it may be anywhere
    (tmp_path / "elsewhere").symlink_to(folder)
    check(tmp_path / "elsewhere", *names)


def out(folder):
    (folder / "x.jpg").symlink_to("../secret.jpg")


def out_by_folder(folder):
    (folder / "up").symlink_to("..")
    return "up/secret.jpg"


def beside(folder):
    """A folder whose name begins with that of the images folder."""
    other = folder.with_name("images-secret")
    other.mkdir()
    (other / "x.jpg").touch()
    (folder / "x.jpg").symlink_to(other / "x.jpg")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda folder: (folder / "x.jpg").symlink_to("/dev/zero"), "x.jpg"),
        (out, "x.jpg"),
        (out_by_folder, "up/secret.jpg"),
        (beside, "x.jpg"),
    ],
)
def test_a_link_that_leads_out_of_the_folder_is_refused_by_name_and_id(folder, make, name):
    make(folder)
    with pytest.raises(UserError) as caught:
        check(folder, "a.jpg", name)
    start = (
        f"datasets.street.images: 1 of 2 images are links that lead out of {folder}; first: {folder}/{name} "
    )
    assert str(caught.value).startswith(f"{start}(image 2); put the files themselves")


def test_what_cannot_be_read_is_not_told_here(folder):
    os.mkfifo(folder / "p.jpg")
    (folder / "x.jpg").symlink_to("x.jpg")
    (folder / "y.jpg").symlink_to("nowhere")
    check(folder, "p.jpg", "x.jpg", "y.jpg", "none.jpg", "in", "a.jpg/b.jpg")
