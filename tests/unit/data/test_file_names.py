"""Names of images stay in their folder and in one line; what lies under them is a file."""

import os
import socket
from pathlib import Path

import pytest

from cutpoint.data.file_names import check_files, find_fault
from cutpoint.errors import UserError, UserErrors

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
    check_files("datasets.street.images", folder, enumerate(names, start=1), "images listed in x.json")


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


def listen(folder):
    server = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(folder)  # the path of a socket has at most 107 characters
    try:
        server.bind("x.jpg")
    finally:
        os.chdir(before)
        server.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "are not in {folder}; first: {folder}/x.jpg (image 2)"),
        (
            lambda folder: (folder / "x.jpg").mkdir(),
            "are a folder, not a file; first: {folder}/x.jpg (image 2)",
        ),
        (lambda folder: os.mkfifo(folder / "x.jpg"), "are a pipe, not a file; first"),
        (listen, "are a socket, not a file; first"),
        (lambda folder: (folder / "x.jpg").symlink_to("/dev/zero"), "are links that lead out of {folder}"),
        (lambda folder: (folder / "x.jpg").symlink_to("in"), "are a folder, not a file"),
        (lambda folder: (folder / "x.jpg").symlink_to("x.jpg"), "cannot be reached (Too many levels"),
        (lambda folder: (folder / "x.jpg").symlink_to("nowhere"), "are not in {folder}"),
        (
            out,
            "are links that lead out of {folder}; first: {folder}/x.jpg (image 2); put the files themselves",
        ),
        (out_by_folder, "are links that lead out of {folder}; first: {folder}/up/secret.jpg (image 2)"),
        (beside, "are links that lead out of {folder}"),
    ],
)
def test_what_is_no_file_of_the_folder_is_refused_by_name_and_id(folder, make, said):
    name = make(folder)
    with pytest.raises(UserError) as caught:
        check(folder, "a.jpg", name if isinstance(name, str) else "x.jpg")
    start = f"datasets.street.images: 1 of 2 images listed in x.json {said.format(folder=folder)}"
    assert str(caught.value).startswith(start)


def test_kinds_of_faults_are_told_at_once(folder):
    os.mkfifo(folder / "p.jpg")
    with pytest.raises(UserErrors) as caught:
        check(folder, "none.jpg", "p.jpg", "gone.jpg", "in")
    assert [message.partition(" images ")[0] for message in caught.value.messages] == [
        "datasets.street.images: 2 of 4",
        "datasets.street.images: 1 of 4",
        "datasets.street.images: 1 of 4",
    ]
