"""The checked list of a data set's images and categories."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Licence:
    """A licence of images: its ``name``, and the ``url`` of its text, each null if it is not known."""

    id: int
    name: str | None
    url: str | None


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        path: from the working directory.
        height, width: pixels.
        licence: the id of its licence; null if it is not known.
        source: the address of the page or file that it comes from; null if it is not known.
    """

    id: int
    file_name: str
    path: str
    height: int
    width: int
    licence: int | None = None
    source: str | None = None


@dataclass(frozen=True)
class Skipped:
    """An image that cannot be read and is left out of everything. ``reason``: why, for people."""

    id: int
    file_name: str
    reason: str


@dataclass(frozen=True)
class Category:
    """A category of the annotations."""

    id: int
    name: str


@dataclass(frozen=True)
class Manifest:
    """``results/manifests/{dataset}.json``.

    ``annotations``: path of the annotations; null without ground truth. ``content``: digest of the images'
    names and bytes. ``images``: in ascending order of their ids. ``left_out``: ids of the images that the
    data set's ``limit`` leaves out. ``categories``: in the annotations' order. ``left_out_files``: the file
    names of ``left_out``. ``licences``: those that the annotations list. ``skipped``: images that cannot be
    read, in ascending order of their ids; with ``on_bad_image: skip`` alone there are any.
    """

    dataset: str
    annotations: str | None
    content: str | None
    images: tuple[Image, ...]
    left_out: tuple[int, ...]
    categories: tuple[Category, ...]
    left_out_files: tuple[str, ...] = ()
    licences: tuple[Licence, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def ids(self) -> list[int]:
        """The ids of the images."""
        return [image.id for image in self.images]

    @property
    def folder(self) -> Path | None:
        """The folder of the images; null without images."""
        for image in self.images:
            return Path(image.path).parents[len(Path(image.file_name).parts) - 1]
        return None

    @property
    def images_skipped(self) -> int:
        """The number of ``skipped``."""
        return len(self.skipped)

    @property
    def file_names(self) -> dict[int, str]:
        """The file name of each image by id, also of those that are left out or skipped."""
        names = {image.id: image.file_name for image in self.images}
        names |= dict(zip(self.left_out, self.left_out_files, strict=True))
        return names | {image.id: image.file_name for image in self.skipped}


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Manifest)


def write_manifest(path: str | Path, manifest: Manifest) -> None:
    """Write a manifest, completely or not at all."""
    write_record(path, manifest)
