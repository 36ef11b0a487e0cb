import os
import re
import socket
import warnings
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import KINDS, encode, png_of_size, png_turned_late
from PIL import Image

from cutpoint.data.headers import FORMATS, read_header
from cutpoint.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write_bytes(content, name="photo.jpg"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


def decoded_size(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape[:2]


@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize(("form", "mode", "options"), KINDS)
def test_the_size_is_that_of_the_decoded_image(write, form, mode, options, orientation):
    # the name's ending does not count
    content = encode(form, mode, orientation=orientation, **options)
    found = read_header(write(content))
    assert (found.height, found.width) == decoded_size(content)
    assert found.format == form
    assert not found.animated


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5)])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_small_and_thin_images(write, form, size):
    content = encode(form, size=size)
    assert decoded_size(content) == size
    found = read_header(write(content))
    assert (found.height, found.width) == size


def test_the_mode_is_that_of_the_file(write):
    modes = ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")
    assert [read_header(write(encode("PNG", mode))).mode for mode in modes] == list(modes)
    assert read_header(write(encode("JPEG", "CMYK"))).mode == "CMYK"


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_png_may_have_its_exif_after_the_pixels(write, orientation):
    content = png_turned_late(orientation)
    assert decoded_size(content) == ((40, 24) if orientation == 6 else (24, 40))
    found = read_header(write(content))
    assert (found.height, found.width) == decoded_size(content)


def test_an_orientation_in_xmp_does_not_count_as_opencv_ignores_it(write):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    content = encode("JPEG", xmp=xmp)
    with Image.open(write(content)) as image:
        assert image.getexif()[0x0112] == 6
    found = read_header(write(content))
    assert (found.height, found.width) == decoded_size(content) == (24, 40)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_animations_are_told(write, form):
    assert read_header(write(encode(form, frames=3))).animated


def test_pixels_are_not_read(write):
    content = encode("JPEG", size=(600, 800))
    found = read_header(write(content[: len(content) // 2]))
    assert (found.height, found.width) == (600, 800)


def test_a_large_image_passes_without_a_warning_of_pillow(write):
    path = write(png_of_size(20000, 20000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_header(path)
    assert (found.height, found.width) == (20000, 20000)


def _without_height(jpeg):
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + b"\0\0" + jpeg[place + 2 :]


REFUSED = {
    "zero bytes": (b"", "it is empty; copy or download it again"),
    "blanks": (b"  \n", "it is empty"),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
    "web page": (b"<!DOCTYPE html><p>404", "it is a web page"),
    "text": (b"not an image", "not an image that OpenCV can decode"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is HEIC, which OpenCV cannot decode; convert it to"),
    "JPEG XL": (b"\xff\x0a\0\0", "it is JPEG XL"),
    "Photoshop": (b"8BPS\0\x01", "it is a Photoshop file"),
    "PDF": (b"%PDF-1.7", "it is PDF"),
    "zip": (b"PK\x03\x04", "it is a zip archive"),
    "video": (b"\0\0\0\x18ftypmp42", "it is a video"),
    "icon": (encode("ICO", size=(16, 16)), "it is an icon"),
    "end of a JPEG's start": (encode("JPEG")[:20], "not an image that OpenCV can decode, or a damaged one"),
    "end of a PNG's start": (encode("PNG")[:20], "not an image that OpenCV can decode, or a damaged one"),
    "PNG of 60000 x 60000": (
        png_of_size(60000, 60000),
        r"its header says 60000x60000 pixels \(height x width\), more than OpenCV takes \(pixels: 107374182",
    ),
    "PNG too wide": (png_of_size(2, 2_000_000), r"OpenCV takes \(width: 1048576\); make it smaller"),
    "JPEG of no pixel": (
        _without_height(encode("JPEG")),
        "not an image that OpenCV can decode, or a damaged",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_by_name(write, name):
    content, message = REFUSED[name]
    with pytest.raises(UserError, match=rf"^image .*photo\.jpg: .*{message}"):
        read_header(write(content))


def test_what_is_no_file_is_refused_without_opening_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        for name, message in {
            "pipe.jpg": "it is a pipe, not a file",
            "folder.jpg": "it is a folder, not a file",
            "socket.jpg": "it is a socket, not a file",
            "none.jpg": r"cannot be read \(No such file or directory\)",
            "loop.jpg": r"cannot be read \(Too many levels of symbolic links\)",
            "a" * 300: r"cannot be read \(File name too long\)",
            "nul\0.jpg": "no file has such a name",
        }.items():
            with pytest.raises(UserError, match=f"^image .*: {message}"):
                read_header(name)


def test_opencvs_own_variables_change_its_limits(write, monkeypatch):
    path = write(encode("PNG"))
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "100")
    with pytest.raises(UserError, match=re.escape("more than OpenCV takes (pixels: 100)")):
        read_header(path)


def test_every_format_is_one_that_pillow_and_opencv_know(write):
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN)
    for form, mode, options in KINDS:
        assert cv2.haveImageReader(str(write(encode(form, mode, **options))))
    for form in ("TGA", "PCX", "ICO"):
        assert not cv2.haveImageReader(str(write(encode(form, size=(16, 16)))))


SAMPLES = [encode(form, mode, orientation=6, **options) for form, mode, options in KINDS]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_give_a_header_or_one_message(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(0, 8))):
        place = data.draw(st.integers(0, min(len(content), 400) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzzed.jpg"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(UserError):
        found = read_header(path)
        assert found.height > 0
        assert found.width > 0
