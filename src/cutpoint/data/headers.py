"""What the header of an image file says, without its pixels: format, size, mode.

Pillow reads the headers, because OpenCV has no function that stops before the pixels.
"""

import errno
import os
import re
import stat
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile

from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, name_substitute

# Pillow's names of the formats that OpenCV 5.0 decodes. Others are not tried: their parsers are not needed.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "SUN")
# formats that people take for images, and what they are called
OTHERS = {
    rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)": "HEIC",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "JPEG XL",
    rb"8BPS": "a Photoshop file",
    rb"\0\0[\x01\x02]\0[^\0]": "an icon",
    rb"%PDF": "PDF",
    rb"%!PS": "PostScript",
    rb"PK\x03\x04": "a zip archive",
    rb"\x1f\x8b": "a gzip archive",
    rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ": "a video",
}
# OpenCV's own limits, in pixels. These environment variables change them (loadsave.cpp, OpenCV 5.0.0).
LIMITS = {
    "OPENCV_IO_MAX_IMAGE_WIDTH": 1 << 20,
    "OPENCV_IO_MAX_IMAGE_HEIGHT": 1 << 20,
    "OPENCV_IO_MAX_IMAGE_PIXELS": 1 << 30,
}
# OpenCV turns the pixels of these by the EXIF orientation. Of a TIFF file Pillow gives the turned size.
TURNED = ("JPEG", "PNG", "WEBP")
# EXIF orientations that exchange height and width
QUARTER_TURNS = (5, 6, 7, 8)
KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISSOCK: "a socket",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}

# A damaged header is told by the message about it, with the file's name; Pillow's warnings have none.
warnings.filterwarnings("ignore", module=r"PIL\.")


# why a path cannot be opened that are about this path; any other error is the machine's
OF_THE_PATH = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}


class BadImage(UserError):
    """An image that cannot be used; ``reason`` is the message without the path."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"image {path}: {reason}")


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are decoded.

    Attributes:
        format: Pillow's name, for example ``JPEG``; from the content, not from the file's name.
        height, width: pixels, as ``image.decode`` gives them: with the EXIF orientation.
        mode: Pillow's name of what a pixel is in the file, for example ``RGB``, ``P``, ``CMYK``, ``I;16``.
        animated: whether it has several frames. ``image.decode`` reads the first one.
    """

    format: str
    height: int
    width: int
    mode: str
    animated: bool = False


def read_header(path: str | Path) -> Header:
    """Read the header of an image file. Pixels are not decoded, and may be damaged.

    Raises:
        BadImage: with the file's name: no such file, not a file, empty, a Git LFS pointer or web page, not
            an image, a format that OpenCV cannot decode, or more pixels than OpenCV takes.
        UserError: the disk fails.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(START_BYTES)
            header = _identify(file, start)
    except OSError as error:
        raise unreadable(path, error) from error
    if header is None:
        raise BadImage(path, why_no_image(start))
    _check_size(path, header)
    return header


def check_file(path: str | Path) -> None:
    """Check that a path is a file, before it is opened: opening a pipe may wait for ever.

    Raises:
        BadImage: it is missing, or something else.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise BadImage(repr(str(path)), f"no file has such a name ({error})") from error
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in KINDS.items() if test(mode)), "no file")
        raise BadImage(path, f"it is {kind}, not a file; put the image there, or leave it out")


def unreadable(path: str | Path, error: OSError) -> UserError:
    """The error for a file that cannot be read: ``BadImage``, unless the disk or the machine fails."""
    reason = f"cannot be read ({error.strerror or error})"
    return BadImage(path, reason) if error.errno in OF_THE_PATH else UserError(f"image {path}: {reason}")


def why_no_image(start: bytes) -> str:
    """Why a file is no image that OpenCV can decode, and how to mend it.

    Args:
        start: of the file, ``START_BYTES`` bytes or more.
    """
    substitute = name_substitute(start)
    if substitute:
        return substitute
    kind = next((name for pattern, name in OTHERS.items() if re.match(pattern, start, re.DOTALL)), None)
    if kind:
        return f"it is {kind}, which OpenCV cannot decode; convert it to JPEG or PNG"
    return "not an image that OpenCV can decode, or a damaged one; copy or download it again"


def _identify(file: BinaryIO, start: bytes) -> Header | None:
    """The header; null if no format fits.

    Pillow's classes are called directly: ``Image.open`` also refuses images that are smaller than OpenCV's
    limit, or warns of them.
    """
    Image.init()
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        try:
            # a text says that this Pillow was built without the format
            if accept is not None and accept(start) is not True:
                continue
            file.seek(0)
            return _read(file, factory(file, ""), name)
        except OSError as error:
            if error.errno is not None:  # of the disk, not of the content
                raise
        # Pillow's parsers raise almost anything on bytes that lie; each means a damaged header.
        except Exception:
            continue
    return None


def _read(file: BinaryIO, image: ImageFile.ImageFile, name: str) -> Header:
    width, height = image.size
    if name in TURNED and _orientation(file, image, name) in QUARTER_TURNS:
        width, height = height, width
    animated = name in ("PNG", "GIF", "WEBP", "AVIF") and bool(getattr(image, "is_animated", False))
    return Header(name, height, width, image.mode, animated)


def _orientation(file: BinaryIO, image: ImageFile.ImageFile, name: str) -> int:
    """The EXIF orientation. Pillow's ``getexif`` also looks into XMP, which OpenCV does not."""
    content = image.info.get("exif")
    if name == "PNG" and content is None:
        content = _late_exif(file)
    exif = Image.Exif()
    exif.load(content or b"")
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) else 0


def _late_exif(file: BinaryIO) -> bytes | None:
    """The content of the chunk eXIf of a PNG file, which may stand after the pixels."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return file.read(length)
        file.seek(length + 4, os.SEEK_CUR)
    return None


def _check_size(path: str | Path, header: Header) -> None:
    """Refuse a size that OpenCV refuses."""
    sizes = (header.width, header.height, header.width * header.height)
    for (variable, default), size in zip(LIMITS.items(), sizes, strict=True):
        written = os.environ.get(variable, "")
        limit = int(written) if written.isdecimal() else default
        if size > limit:
            what = variable.rsplit("_", 1)[1].lower()
            raise BadImage(
                path,
                f"its header says {header.height}x{header.width} pixels (height x width), more than OpenCV "
                f"takes ({what}: {limit}); make it smaller, or leave it out",
            )
