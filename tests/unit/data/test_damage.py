import glob
import os
import sys

import cv2
import numpy as np
import pytest
from image_files import KINDS, encode, png_of_size

from cutpoint.data.damage import AT_ONCE, find_damage, has_end
from cutpoint.data.image import decode
from cutpoint.errors import UserError

LARGE = {"size": (240, 400)}


def look(tmp_path, files, threads=2):
    """The reason of each file that is found, by name."""
    paths = []
    for name, content in files.items():
        paths.append(str(tmp_path / name))
        (tmp_path / name).write_bytes(content)
    return {os.path.basename(path): why for path, why in find_damage(paths, threads, "images").items()}


def test_sound_images_of_every_kind_pass(tmp_path):
    files = {f"{n}.jpg": encode(*kind, **options) for n, (*kind, options) in enumerate(KINDS)}
    files |= {"animated.gif": encode("GIF", frames=3), "turned.jpg": encode("JPEG", orientation=6)}
    files |= {"small.png": encode("PNG", size=(1, 1)), "behind.jpg": encode("JPEG") + bytes(5000)}
    files |= {"thumbnail.jpg": encode("JPEG", comment=encode("JPEG", size=(8, 8)))}
    assert look(tmp_path, files) == {}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("form", "mode", "options"), KINDS)
def test_a_file_that_is_cut_short_is_found(tmp_path, form, mode, options, share):
    content = encode(form, mode, **LARGE, **options)
    found = look(tmp_path, {"photo.jpg": content[: int(len(content) * share)], "sound.jpg": content})
    assert list(found) == ["photo.jpg"]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_jpeg_without_its_last_bytes_is_found(tmp_path, lost):
    found = look(tmp_path, {"photo.jpg": encode("JPEG")[:-lost]})
    assert found["photo.jpg"].startswith("the JPEG file is cut short: it has no end marker; copy or")


@pytest.mark.parametrize("options", [{"quality": 95}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_a_download_filled_up_with_zeros_is_found(tmp_path, options):
    content = encode("JPEG", **LARGE, **options)
    half = len(content) // 2
    filled = content[:half] + bytes(half)
    found = look(tmp_path, {"photo.jpg": filled})
    assert list(found) == ["photo.jpg"]
    if "quality" in options:  # the case that nothing else tells: OpenCV reads it without a word
        (tmp_path / "photo.jpg").write_bytes(filled)
        assert (decode(tmp_path / "photo.jpg") != cv2.imdecode(np.frombuffer(content, np.uint8), 1)).any()


def test_what_a_decoder_only_writes_to_standard_error_is_found_and_named(tmp_path):
    jpeg = encode("JPEG", **LARGE, progressive=True)
    tiff = encode("TIFF", **LARGE, compression="tiff_lzw")
    files = {
        "sound-1.jpg": encode("JPEG"),
        "short.jpg": _without_the_middle(jpeg),
        "sound-2.jpg": encode("JPEG", **LARGE),
        "zeros.tiff": _zeros_in_the_middle(tiff),
    }
    for name in ("short.jpg", "zeros.tiff"):
        (tmp_path / name).write_bytes(files[name])
        assert decode(tmp_path / name).shape == (240, 400, 3)
    found = look(tmp_path, files)
    assert list(found) == ["short.jpg", "zeros.tiff"]
    assert found["short.jpg"] == (
        "damaged, a part of its pixels is missing or wrong (Corrupt JPEG data: premature end of data "
        "segment); copy or download it again"
    )
    assert "TIFF_Error LZWDecode: Not enough data" in found["zeros.tiff"]


def _without_the_middle(content, lost=100):
    half = len(content) // 2
    return content[:half] + content[half + lost :]


def _zeros_in_the_middle(content, zeros=100):
    half = len(content) // 2
    return content[:half] + bytes(zeros) + content[half + zeros :]


def test_bytes_left_over_before_the_end_marker_are_no_damage(tmp_path):
    content = encode("JPEG", **LARGE)
    assert content.endswith(b"\xff\xd9")
    assert look(tmp_path, {"photo.jpg": content[:-2] + b"\0\0\0\0\xff\xd9"}) == {}


def test_a_png_with_a_wrong_checksum_is_found(tmp_path):
    content = encode("PNG", **LARGE)
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 16]) + content[half + 1 :]
    assert "damaged" in look(tmp_path, {"photo.png": flipped})["photo.png"]


def test_headers_are_looked_at_first_and_reasons_have_no_path(tmp_path):
    found = look(tmp_path, {"huge.png": png_of_size(60000, 60000), "none.jpg": b"", "text.jpg": b"hello"})
    assert found["huge.png"].startswith("its header says 60000x60000 pixels")
    assert found["none.jpg"] == "it is empty; copy or download it again"
    assert found["text.jpg"].startswith("not an image that OpenCV can decode")


@pytest.mark.parametrize("threads", [1, 3])
def test_the_order_and_the_place_do_not_matter(tmp_path, threads):
    sound, broken = encode("JPEG"), _without_the_middle(encode("JPEG", **LARGE, progressive=True))
    count = 2 * AT_ONCE + 3
    bad = {0, AT_ONCE - 1, AT_ONCE, count - 1}
    files = {f"{n:03}.jpg": broken if n in bad else sound for n in range(count)}
    assert list(look(tmp_path, files, threads)) == [f"{n:03}.jpg" for n in sorted(bad)]


def test_standard_error_is_given_back(tmp_path, capfd):
    look(tmp_path, {"photo.jpg": _without_the_middle(encode("JPEG", **LARGE, progressive=True))})
    print("still here", file=sys.stderr)
    os.write(2, b"and here")
    said = capfd.readouterr().err
    assert "still here" in said
    assert "and here" in said
    assert "Corrupt" not in said


def test_a_header_that_readers_understand_differently_is_found(tmp_path):
    """The EXIF orientation as a number of 4 bytes: Pillow turns the image by it, OpenCV does not."""
    content = encode("JPEG", orientation=6)
    short, long = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", b"\x01\x12\0\x04\0\0\0\x01\0\0\0\x06"
    assert content.count(short) == 1
    found = look(tmp_path, {"photo.jpg": content.replace(short, long), "sound.jpg": content})
    assert found == {
        "photo.jpg": "its header says 40x24 pixels, and OpenCV decodes 24x40; its EXIF orientation may be "
        "damaged: save it again"
    }


def test_a_failing_machine_is_no_bad_image(tmp_path, monkeypatch):
    def fail(path):
        raise UserError(f"image {path}: memory is too small for its pixels")

    monkeypatch.setattr("cutpoint.data.damage.decode", fail)
    with pytest.raises(UserError, match="memory is too small"):
        look(tmp_path, {"photo.jpg": encode("JPEG")})


def test_photographs_pass(real):
    photos = sorted(glob.glob(f"{real}/*/images/*.jpg"))
    assert len(photos) > 100
    assert find_damage(photos, 2, "photographs") == {}


def test_thumbnails_have_end_markers_that_do_not_count():
    inner = encode("JPEG", size=(8, 8))
    outer = encode("JPEG", comment=inner)
    assert outer.index(b"\xff\xd9") < outer.rindex(b"\xff\xd9")
    assert has_end(outer)
    assert not has_end(outer[:-2])
