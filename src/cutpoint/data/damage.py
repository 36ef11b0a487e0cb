"""Find images that cannot be decoded as a whole, before anything is computed from them.

OpenCV's decoders also return what they could read of a damaged file. What is missing is grey, black or noise,
and only a line on standard error tells it. So every image is decoded once and these lines are read.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from cutpoint.data.headers import BadImage, read_header
from cutpoint.data.image import decode

# So many images are decoded between two looks at standard error.
AT_ONCE = 32
# What decoders say of pixels that are not those of the image. libjpeg says only the first thing it finds.
# Bytes left over before the end marker (0xd9) come after all pixels, and are frequent in sound photos.
SAID = re.compile(
    r"Corrupt JPEG data: (?!\d+ extraneous bytes before marker 0xd9).*|Premature end of JPEG.*"
    r"|TIFF_Error .*|Stream does not end with EOC"
)
# a marker of a JPEG file among its compressed pixels; FF00 is a byte, FFD0 to FFD7 are restarts
MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
END, START_OF_SCAN, BARE = 0xD9, 0xDA, (0x01, *range(0xD0, 0xD9))


def find_damage(paths: Sequence[str], threads: int, title: str) -> dict[str, str]:
    """Decode every image once.

    Args:
        paths: image files.
        threads: how many are decoded at the same time.
        title: of the progress bar.

    Returns:
        For each image that cannot be used, its path and the reason, in the order of ``paths``.

    Raises:
        UserError: the machine fails, not the image: a disk error, too little memory.
    """
    found: dict[str, str] = {}
    with ThreadPoolExecutor(threads) as pool, tqdm(total=len(paths), desc=title, unit="image") as bar:
        for start in range(0, len(paths), AT_ONCE):
            chosen = paths[start : start + AT_ONCE]
            with _listening() as heard:
                reasons = list(pool.map(_why_unreadable, chosen))
            # Which of the images a line is about is only known if it is decoded alone.
            if SAID.search(heard[0]):
                reasons = [reason or _why_damaged(path) for path, reason in zip(chosen, reasons, strict=True)]
            found |= {path: reason for path, reason in zip(chosen, reasons, strict=True) if reason}
            bar.update(len(chosen))
    return found


def _why_unreadable(path: str) -> str | None:
    try:
        header = read_header(path)
        if header.format == "JPEG" and not has_end(Path(path).read_bytes()):
            return "the JPEG file is cut short: it has no end marker; copy or download it again"
        height, width = decode(path).shape[:2]
    except BadImage as error:
        return error.reason
    if (height, width) != (header.height, header.width):
        return (
            f"its header says {header.height}x{header.width} pixels, and OpenCV decodes {height}x{width}; "
            "its EXIF orientation may be damaged: save it again"
        )
    return None


def _why_damaged(path: str) -> str | None:
    with _listening() as heard:
        decode(path)
    said = SAID.search(heard[0])
    if said is None:
        return None
    return f"damaged, a part of its pixels is missing or wrong ({said[0].strip()}); copy or download it again"


def has_end(content: bytes) -> bool:
    """Whether the markers of a JPEG file lead to its end marker. What follows it does not count.

    A file that was cut short, or that a download has filled up with zeros, has none. Thumbnails have end
    markers of their own, so that it is not enough to search for one.
    """
    # Compressed pixels never contain it, so that a file which is cut there does not end like this.
    if content.endswith(bytes((0xFF, END))):
        return True
    place = 2
    while (found := MARKER.search(content, place)) is not None:
        kind, place = found[1][0], found.end()
        if kind == END:
            return True
        if kind not in BARE:
            # a segment with its length; the compressed pixels follow a start of scan
            place += int.from_bytes(content[place : place + 2], "big")
    return False


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what is written to descriptor 2, which the decoders write to; the text is there afterwards."""
    heard: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            heard.append(sink.read().decode("utf-8", "replace"))
