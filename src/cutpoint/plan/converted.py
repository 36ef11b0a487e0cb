"""Digests of annotations that are converted: of the user's files, not of what is made of them."""

import os
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.formats.content import Source, Tally
from cutpoint.formats.convert import READERS, read_content
from cutpoint.formats.files import find_images
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.digests import Digests, Listing, combine


def source_digest(digests: Digests, dataset: Dataset) -> str | None:
    """One digest of the files that a conversion reads, apart from the images; null if they are to be fetched.

    Args:
        digests: remembers the files'.
        dataset: one with annotations to convert.
    """
    return digests.once(f"source {dataset.name}", lambda: _digest(digests, dataset))


def _digest(digests: Digests, dataset: Dataset) -> str | None:
    given = dataset.converted_from
    if given is None or not os.path.exists(given) or not os.path.isdir(dataset.images):
        return None
    try:
        files = READERS[dataset.annotation_format].files(Source(Path(given), Path(dataset.images)))
    except (UserError, OSError) as error:  # the conversion says it; it is made again when this changes
        return combine([str(error)])
    there = digests.of_files(str(path) for path in files if path.is_file())
    return combine([[str(path), there.get(str(path))] for path in files])


def listing_of(digests: Digests, dataset: Dataset, code: str) -> Listing | None:
    """Images and categories that the conversion will list, without the boxes; null as above.

    Args:
        digests, dataset: as in ``source_digest``.
        code: digest of the code that converts.
    """
    return digests.once(f"listing {dataset.name}", lambda: _list(digests, dataset, code))


def _list(digests: Digests, dataset: Dataset, code: str) -> Listing | None:
    source, given = source_digest(digests, dataset), dataset.converted_from
    if source is None or given is None:
        return None

    def make() -> tuple[str, list[str]]:
        try:
            content = read_content(dataset.annotation_format, given, dataset.images, Tally())
        except (UserError, OSError):
            return source, []
        names = sorted(content.images)
        sizes = [content.sizes.get(name) for name in names]
        return combine([names, sizes, content.categories]), names

    images = find_images(Path(dataset.images))
    signature = combine([dataset.annotation_format, given, code, source, images])
    digest, names = digests.remember_for("converted listing", dataset.images, signature, make)
    return Listing(digest, tuple(names))
