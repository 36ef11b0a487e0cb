"""Bad inputs: images."""

import os
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from bad_input import ANNOTATIONS, RESULTS, BadInput, Change, edit_config, edit_json, write
from PIL import Image

# the message of one bad image; its path has no text of the machine in it
ONE = (
    "datasets.street.images: 1 of 3 images cannot be read; mend them, or leave them out of every number with "
    "datasets.street.on_bad_image: skip:\n  image id 2, images/2.jpg: "
)
SIZES = (
    "datasets.street.annotations truth.json: {} of 3 images have another size (height x width) than their "
    "entries say, so that boxes would not fit; take the images that were annotated:\n  "
)
NO_IMAGE = "not an image that OpenCV can decode, or a damaged one; copy or download it again"


def _one(what: str, change: Change, reason: str) -> BadInput:
    """A row about the image 2 of the data set street."""
    return BadInput(f"image: {what}", f"images: {what}", change, ONE + reason)


def _put(content: bytes) -> Change:
    return write("images/2.jpg", content)


def _instead(make: Callable[[Path], object]) -> Change:
    """Something else at the place of the image."""

    def change(folder: Path) -> None:
        path = folder / "images/2.jpg"
        path.unlink()
        make(path)

    return change


def _listen(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket has at most 107 characters
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def _cut(size: int) -> Change:
    def change(folder: Path) -> None:
        path = folder / "images/2.jpg"
        path.write_bytes(path.read_bytes()[:size])

    return change


def _save(form: str, **options: object) -> Change:
    """The image in another format under its old name."""

    def change(folder: Path) -> None:
        path = folder / "images/2.jpg"
        with Image.open(path) as image:
            image.load()
        image.save(path, form, **options)

    return change


def _turn(folder: Path) -> None:
    path, exif = folder / "images/1.png", Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif)


def _thin(folder: Path) -> None:
    Image.new("L", (9000, 1)).save(folder / "images/2.jpg")
    edit_json(ANNOTATIONS, _thin_entry)(folder)
    edit_json(RESULTS, lambda found: found.__delitem__(slice(2, 4)))(folder)


def _thin_entry(content: dict) -> None:
    content["images"][1] |= {"width": 9000, "height": 1}
    content["annotations"] = [box for box in content["annotations"] if box["image_id"] != 2]


def _spoil_all(folder: Path) -> None:
    edit_config("slices: slices.csv}", "slices: slices.csv, on_bad_image: skip}")(folder)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"")


def _spoil_two(folder: Path) -> None:
    (folder / "images/1.png").write_bytes(b"")
    (folder / "images/3.png").unlink()


def _spoil_listed(folder: Path) -> None:
    (folder / "plain/torn.jpg").write_bytes(b"\xff\xd8\xff")


def _png(height: int, width: int) -> bytes:
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", head), (b"IDAT", b""), (b"IEND", b""))
    )


ROWS = [
    _one("missing", _instead(lambda path: None), "cannot be read (No such file or directory)"),
    _one(
        "a folder in its place",
        _instead(Path.mkdir),
        "it is a folder, not a file; put the image there, or leave it out",
    ),
    _one(
        "a pipe in its place",
        _instead(os.mkfifo),
        "it is a pipe, not a file; put the image there, or leave it out",
    ),
    _one(
        "a socket in its place",
        _instead(_listen),
        "it is a socket, not a file; put the image there, or leave it out",
    ),
    _one(
        "a link to itself",
        _instead(lambda path: path.symlink_to("2.jpg")),
        "cannot be read (Too many levels of symbolic links)",
    ),
    _one(
        "a link to nothing",
        _instead(lambda path: path.symlink_to("gone.jpg")),
        "cannot be read (No such file or directory)",
    ),
    _one("zero bytes", _put(b""), "it is empty; copy or download it again"),
    _one("blanks alone", _put(b" \n\n"), "it is empty; copy or download it again"),
    _one(
        "a Git LFS pointer",
        _put(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        "it is a Git LFS pointer, not the file itself; run `git lfs pull`",
    ),
    _one(
        "a web page",
        _put(b"<!DOCTYPE html><title>404</title>"),
        "it is a web page (HTML or XML), not the file itself; download it again from its own address",
    ),
    _one("a text", _put(b"this is no image"), NO_IMAGE),
    _one("zeros", _put(bytes(5000)), NO_IMAGE),
    _one("cut in its header", _cut(100), NO_IMAGE),
    _one(
        "HEIC under the name .jpg",
        _put(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)),
        "it is HEIC, which OpenCV cannot decode; convert it to JPEG or PNG",
    ),
    _one("a PDF", _put(b"%PDF-1.7\n"), "it is PDF, which OpenCV cannot decode; convert it to JPEG or PNG"),
    _one(
        "an archive",
        _put(b"PK\x03\x04" + bytes(30)),
        "it is a zip archive, which OpenCV cannot decode; convert it to JPEG or PNG",
    ),
    _one(
        "an icon",
        _save("ICO", sizes=[(16, 16)]),
        "it is an icon, which OpenCV cannot decode; convert it to JPEG or PNG",
    ),
    _one("TGA, which OpenCV does not read", _save("TGA"), NO_IMAGE),
    _one(
        "a PNG header of 60000 x 60000",
        _put(_png(60000, 60000)),
        "its header says 60000x60000 pixels (height x width), more than OpenCV takes (pixels: 1073741824); "
        "make it smaller, or leave it out",
    ),
    _one(
        "a PNG header that is 2000000 wide",
        _put(_png(1, 2_000_000)),
        "its header says 1x2000000 pixels (height x width), more than OpenCV takes (width: 1048576); make it "
        "smaller, or leave it out",
    ),
    _one("a PNG header of no pixel", _put(_png(0, 60)), NO_IMAGE),
    BadInput(
        "two bad images",
        "images: one of zero bytes, one missing; both in one message",
        _spoil_two,
        "datasets.street.images: 2 of 3 images cannot be read; mend them, or leave them out of every number "
        "with datasets.street.on_bad_image: skip:\n"
        "  image id 1, images/1.png: it is empty; copy or download it again\n"
        "  image id 3, images/3.png: cannot be read (No such file or directory)",
    ),
    BadInput(
        "all images skipped",
        "images: on_bad_image: skip, and all are bad",
        _spoil_all,
        "datasets.street.images: 3 of 3 images cannot be read, so that none is left:\n"
        "  image id 1, images/1.png: it is empty; copy or download it again\n"
        "  image id 2, images/2.jpg: it is empty; copy or download it again\n"
        "  image id 3, images/3.png: it is empty; copy or download it again",
    ),
    BadInput(
        "bad image without annotations",
        "images: cut short, in a folder without annotations",
        _spoil_listed,
        "datasets.plain.images: 1 of 2 images cannot be read; mend them, or leave them out of every number "
        f"with datasets.plain.on_bad_image: skip:\n  image id 2, plain/torn.jpg: {NO_IMAGE}",
    ),
    BadInput(
        "no images in the folder",
        "images: a folder without images",
        lambda folder: (folder / "plain/alone.png").rename(folder / "plain/alone.txt"),
        "datasets.plain.images: plain holds no images (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp)",
    ),
    BadInput(
        "images are a file",
        "images: a file in place of the folder",
        lambda folder: (shutil.rmtree(folder / "images"), (folder / "images").touch()),
        "datasets.street.images: images is not a folder",
    ),
    BadInput(
        "image of another size",
        "images: another size than annotated",
        edit_json(ANNOTATIONS, lambda content: content["images"][0].update(height=49)),
        SIZES.format(1) + "image id 1, images/1.png: 48x64 pixels, the annotations say 49x64",
    ),
    BadInput(
        "image thinner than a pixel",
        "images: thinner than a pixel after the model's resize",
        _thin,
        "1 of 3 images of data set street do not fit the network's input:\n  image id 2 (images/2.jpg): an "
        "image of 1x9000 pixels (height x width) becomes 0x320: it is too thin for the model's Resize; "
        "leave it out of the data set",
    ),
    BadInput(
        "image turned by EXIF",
        "images: annotated without the EXIF orientation that turns it",
        _turn,
        SIZES.format(1)
        + "image id 1, images/1.png: 64x48 pixels, the annotations say 48x64: turned by a quarter, "
        "maybe by its EXIF orientation",
    ),
    BadInput(
        "unknown on_bad_image",
        "config: on_bad_image: ignore",
        edit_config("slices: slices.csv}", "slices: slices.csv, on_bad_image: ignore}"),
        "datasets.street.on_bad_image: 'ignore' is not allowed; known: fail, skip",
    ),
]
