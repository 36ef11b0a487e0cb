"""Image files of every kind that people have, sound and broken, as bytes."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

# format and mode as Pillow names them, and how it writes them
KINDS = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "RGB", {"restart_marker_rows": 1}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("PNG", "RGB", {}),
    ("PNG", "L", {}),
    ("PNG", "1", {}),
    ("PNG", "P", {}),
    ("PNG", "LA", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "I;16", {}),
    ("GIF", "P", {}),
    ("PPM", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("AVIF", "RGB", {}),
]


def pixels(height: int, width: int, seed: int = 0) -> Image.Image:
    """RGB noise in coarse squares, so that lossy formats keep it."""
    coarse = np.random.default_rng(seed).integers(
        0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8
    )
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def encode(
    form: str,
    mode: str = "RGB",
    size: tuple[int, int] = (24, 40),
    orientation: int | None = None,
    frames: int = 1,
    **options: object,
) -> bytes:
    """A file's bytes; ``size`` is height and width of the stored pixels."""
    colour = pixels(*size)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(colour)[..., 0].astype(np.uint16) * 257)
    else:
        image = colour.convert(mode)
    if orientation is not None:
        options["exif"] = exif_of(orientation)
    if frames > 1:
        later = [pixels(*size, seed=seed).convert(mode) for seed in range(1, frames)]
        options |= {"save_all": True, "append_images": later}
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    """EXIF with an orientation alone."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_size(height: int, width: int) -> bytes:
    """A PNG file whose header claims a size; it has no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def png_turned_late(orientation: int) -> bytes:
    """A PNG file that has its EXIF after the pixels, as older versions of ExifTool write it."""
    end = png_chunk(b"IEND", b"")
    content = exif_of(orientation).tobytes().removeprefix(b"Exif\0\0")
    return encode("PNG").removesuffix(end) + png_chunk(b"eXIf", content) + end
