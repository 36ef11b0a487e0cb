"""Check a data set and list its images and categories."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from cutpoint.data.annotations import clean_annotations
from cutpoint.data.damage import find_damage
from cutpoint.data.file_names import check_links, find_fault
from cutpoint.data.headers import BadImage, read_header
from cutpoint.data.licences import Origin, read_licences, read_origins
from cutpoint.data.selection import IMAGE_SUFFIXES, list_images, select
from cutpoint.errors import Gathered, UserError
from cutpoint.records.annotations import read_annotations
from cutpoint.records.manifest import Category, Image, Licence, Manifest, Skipped, write_manifest
from cutpoint.records.truth import TruthImage

SKIP = "skip"
# so many images are named in a message
NAMED = 10
# height, width, pixels
Size = tuple[int, int]


def build_manifest(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    out: str,
    content: str | None = None,
    invalid_boxes: str | None = None,
    on_bad_image: str = "fail",
    threads: int = 1,
) -> None:
    """Check a data set and list what the workflow runs on. Every image is decoded once.

    Args:
        out: manifest JSON to write, see ``records.manifest.Manifest``.
        threads: how many images are decoded at the same time.

    The other arguments and the errors are those of ``list_dataset``; images whose pixels cannot be decoded as
    a whole are treated as those whose header cannot be read.
    """
    every, reasons = _list_all(dataset, images, annotations, limit, content, invalid_boxes, on_bad_image)
    paths = [image.path for image in every.images if image.path not in reasons]
    reasons |= find_damage(paths, threads, f"{dataset}: decoding")
    write_manifest(out, _without(every, reasons, on_bad_image))


def list_dataset(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    content: str | None = None,
    invalid_boxes: str | None = None,
    on_bad_image: str = "fail",
) -> Manifest:
    """Check a data set; of the images only the headers are read.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON; null for a data set without ground truth, whose image ids number the sorted
            file names from 1.
        limit: keep the first N images in the order of a hash of their names (stable when the set grows).
        content: digest of the images' names and bytes. It is part of the file, so that everything that reads
            the manifest depends on the images.
        invalid_boxes: the config's; see ``annotation_boxes.choose_boxes``.
        on_bad_image: ``fail``, or ``skip``: leave out images that cannot be read (``Manifest.skipped``).

    Raises:
        UserError: a folder is missing, the annotations cannot be scored correctly or give an image another
            size than it has, an image cannot be read and is not skipped, or all of them are.
    """
    every, reasons = _list_all(dataset, images, annotations, limit, content, invalid_boxes, on_bad_image)
    return _without(every, reasons, on_bad_image)


def _list_all(
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    content: str | None,
    invalid_boxes: str | None,
    on_bad_image: str,
) -> tuple[Manifest, dict[str, str]]:
    """All chosen images, and why the headers of some cannot be read, by path."""
    gathered = Gathered()
    folder = Path(images)
    if not folder.is_dir():
        raise UserError(f"datasets.{dataset}.images: {images} is not a folder")
    there: Sequence[TruthImage]
    categories: tuple[Category, ...] = ()
    licences: tuple[Licence, ...] = ()
    origins: dict[int, Origin] = {}
    if annotations is None:
        there = _list_folder(dataset, folder)
    else:
        given = read_annotations(annotations, f"datasets.{dataset}.annotations {annotations}")
        clean = clean_annotations(dataset, annotations, given, invalid_boxes, folder)
        there, categories = clean.images, clean.categories
        licences = read_licences(given)
        origins = dict(zip((image.id for image in there), read_origins(given), strict=True))
    chosen = set(select((image.file_name for image in there), limit))
    listed = [
        Image(
            image.id,
            image.file_name,
            str(folder / image.file_name),
            image.height,
            image.width,
            *origins.get(image.id, ()),
        )
        for image in sorted(there, key=lambda image: image.id)
        if image.file_name in chosen
    ]
    check_links(f"datasets.{dataset}.images", folder, ((image.id, image.file_name) for image in listed))
    sizes, reasons = _read_headers(dataset, listed)
    if annotations is None:
        nothing = (0, 0)  # of an image that is left out, or refused
        listed = [
            replace(image, height=height, width=width)
            for image in listed
            for height, width in [sizes.get(image.path, nothing)]
        ]
    else:
        with gathered.one():
            _check_sizes(f"datasets.{dataset}.annotations {annotations}", listed, sizes)
    left_out = sorted((image.id, image.file_name) for image in there if image.file_name not in chosen)
    ids, names = tuple(identity for identity, _ in left_out), tuple(name for _, name in left_out)
    every = Manifest(dataset, annotations, content, tuple(listed), ids, categories, names, licences)
    if gathered.messages:  # told together with the images that cannot be read
        with gathered.one():
            _without(every, reasons, on_bad_image)
        gathered.stop()
    return every, reasons


def _list_folder(dataset: str, folder: Path) -> list[TruthImage]:
    """The images of a folder; their sizes are not known yet."""
    names = list_images(str(folder))
    if not names:
        raise UserError(
            f"datasets.{dataset}.images: {folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    for name in names:
        fault = find_fault(name)
        if fault:
            where = f"datasets.{dataset}.images: {folder}"
            raise UserError(f"{where} has a file name {fault.what}: {name!r}; {fault.mend}")
    return [TruthImage(identity, name, 0, 0) for identity, name in enumerate(names, start=1)]


def _read_headers(dataset: str, images: Sequence[Image]) -> tuple[dict[str, Size], dict[str, str]]:
    """The size of each path, and why the others have none."""
    sizes: dict[str, Size] = {}
    reasons: dict[str, str] = {}
    for image in tqdm(images, desc=f"{dataset}: reading headers", unit="image"):
        try:
            header = read_header(image.path)
            sizes[image.path] = header.height, header.width
        except BadImage as error:
            reasons[image.path] = error.reason
    return sizes, reasons


def _check_sizes(where: str, images: Sequence[Image], sizes: dict[str, Size]) -> None:
    """Refuse images that have another size than the annotations say: their boxes would not fit."""
    lines = []
    for image in images:
        said, size = (image.height, image.width), sizes.get(image.path)
        if size and size != said:
            text = f"{size[0]}x{size[1]} pixels, the annotations say {said[0]}x{said[1]}"
            turned = ": turned by a quarter, maybe by its EXIF orientation" if size == said[::-1] else ""
            lines.append(f"image id {image.id}, {image.path}: {text}{turned}")
    if lines:
        raise UserError(
            f"{where}: {len(lines)} of {len(images)} images have another size (height x width) than their "
            f"entries say, so that boxes would not fit; take the images that were annotated{_list(lines)}"
        )


def _without(manifest: Manifest, reasons: dict[str, str], on_bad_image: str) -> Manifest:
    """The manifest without the images whose paths have a reason.

    Raises:
        UserError: there are some and they are not to be skipped, or nothing is left.
    """
    bad = [image for image in manifest.images if image.path in reasons]
    if not bad:
        return manifest
    lines = [f"image id {image.id}, {image.path}: {reasons[image.path]}" for image in bad]
    where = f"datasets.{manifest.dataset}"
    said = f"{where}.images: {len(bad)} of {len(manifest.images)} images cannot be read"
    if on_bad_image != SKIP:
        skip = f"leave them out of every number with {where}.on_bad_image: {SKIP}"
        raise UserError(f"{said}; mend them, or {skip}{_list(lines)}")
    if len(bad) == len(manifest.images):
        raise UserError(f"{said}, so that none is left{_list(lines)}")
    print(f"{said} and are skipped{_list(lines)}")
    skipped = [Skipped(image.id, image.file_name, reasons[image.path]) for image in bad]
    return replace(
        manifest,
        images=tuple(image for image in manifest.images if image.path not in reasons),
        skipped=tuple(sorted([*manifest.skipped, *skipped], key=lambda image: image.id)),
    )


def _list(lines: Sequence[str]) -> str:
    """Lines below a message; of many only the first."""
    more = len(lines) - NAMED
    shown = [*lines[:NAMED], *([f"and {more} more"] if more > 0 else [])]
    return ":" + "".join(f"\n  {line}" for line in shown)
