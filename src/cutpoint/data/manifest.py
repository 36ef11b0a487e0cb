"""Check a data set and list its images and categories."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cutpoint.data.annotations import clean_annotations
from cutpoint.data.file_names import check_files, find_fault
from cutpoint.data.image import decode
from cutpoint.data.licences import Origin, read_licences, read_origins
from cutpoint.data.selection import IMAGE_SUFFIXES, list_images, select
from cutpoint.errors import UserError
from cutpoint.records.annotations import read_annotations
from cutpoint.records.manifest import Category, Image, Licence, Manifest, write_manifest
from cutpoint.records.truth import TruthImage


def build_manifest(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    out: str,
    content: str | None = None,
    invalid_boxes: str | None = None,
) -> None:
    """Check a data set and list what the workflow runs on.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON; null for a data set without ground truth, whose image ids number the sorted
            file names from 1.
        limit: keep the first N images in the order of a hash of their names (stable when the set grows).
        out: manifest JSON to write, see ``records.manifest.Manifest``.
        content: digest of the images' names and bytes. It is part of the file, so that everything that reads
            the manifest depends on the images.
        invalid_boxes: the config's; see ``annotation_boxes.choose_boxes``.

    Raises:
        UserError: a folder or file is missing, or the annotations cannot be scored correctly.
    """
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
        clean = clean_annotations(dataset, annotations, given, invalid_boxes)
        there, categories = clean.images, clean.categories
        licences = read_licences(given)
        origins = dict(zip((image.id for image in there), read_origins(given), strict=True))
    chosen = set(select((image.file_name for image in there), limit))
    listed = tuple(
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
    )
    if annotations is not None:
        files = ((image.id, image.file_name) for image in listed)
        check_files(f"datasets.{dataset}.images", folder, files, f"images listed in {annotations}")
    left_out = sorted((image.id, image.file_name) for image in there if image.file_name not in chosen)
    ids, names = tuple(identity for identity, _ in left_out), tuple(name for _, name in left_out)
    write_manifest(out, Manifest(dataset, annotations, content, listed, ids, categories, names, licences))


def _list_folder(dataset: str, folder: Path) -> list[TruthImage]:
    names = list_images(str(folder))
    if not names:
        raise UserError(f"datasets.{dataset}.images: {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    _check_names(dataset, folder, names)
    there = []
    for identity, name in enumerate(tqdm(names, desc=f"{dataset}: reading sizes", unit="image"), start=1):
        height, width = decode(folder / name).shape[:2]
        there.append(TruthImage(identity, name, height, width))
    return there


def _check_names(dataset: str, folder: Path, names: list[str]) -> None:
    where = f"datasets.{dataset}.images"
    for name in names:
        fault = find_fault(name)
        if fault:
            raise UserError(f"{where}: {folder} has a file name {fault.what}: {name!r}; {fault.mend}")
    check_files(where, folder, enumerate(names, start=1), f"files in {folder}")
