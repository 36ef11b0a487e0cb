"""Show what is odd in the annotations of a data set, with pictures of the worst."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutpoint.data.file_names import check_links
from cutpoint.data.headers import BadImage, read_header
from cutpoint.data.licences import read_origins
from cutpoint.data.oddities import Odd, find_oddities, read_odd
from cutpoint.errors import UserError
from cutpoint.records.annotations import read_annotations
from cutpoint.records.oddities import INDEX, Oddities, Oddity, write_oddities
from cutpoint.records.preflight import read_dataset_findings


def show_oddities(
    *,
    dataset: str,
    images: str,
    annotations: str,
    limit: int | None,
    public: Sequence[int] | None,
    findings: str,
    out_dir: str,
) -> None:
    """Count the kinds of odd boxes and images, and draw the worst of each. It never fails for the data.

    Pixels are read of the images in the pictures alone. The headers of all images are read only if the data
    set cannot be listed, because this may be for their sizes.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON, the user's own or converted.
        limit: the config's.
        public: ids of the licences whose images may be shown; null for all images.
        findings: what ``preflight.datasets.inspect_dataset`` wrote.
        out_dir: folder of ``index.json``, see ``records.oddities.Oddities``, and of a JPEG for each kind.
            Pictures of an earlier call are removed.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    odd = _read(annotations, Path(images), limit)
    kinds: list[Oddity] = []
    if odd:
        sizes = {} if read_dataset_findings(findings).manifest else _other_sizes(odd, Path(images))
        kinds = find_oddities(odd, _shown(odd, public), sizes)
        kinds = [_draw(kind, Path(images), folder) for kind in kinds]
    write_oddities(folder / INDEX, Oddities(dataset, tuple(kinds)))


def _read(annotations: str, images: Path, limit: int | None) -> Odd | None:
    try:
        content: dict[str, Any] = read_annotations(annotations, annotations)
    except UserError:  # the inspection of the data set tells it
        return None
    return read_odd(content, images, limit)


def _shown(odd: Odd, public: Sequence[int] | None) -> set[int] | None:
    if public is None:
        return None
    origins = read_origins({"images": odd.images})
    return {
        image["id"] for image, origin in zip(odd.images, origins, strict=True) if origin.licence in public
    }


def _other_sizes(odd: Odd, images: Path) -> dict[int, str]:
    """The images that have another size than written: both sizes in words, by position."""
    found = {}
    for position, (image, written) in enumerate(zip(odd.images, odd.written_sizes, strict=True)):
        try:
            header = read_header(images / image["file_name"])
        except BadImage:
            continue
        size = header.width, header.height
        if size != written:
            found[position] = f"{size[0]} x {size[1]} px, its entry says {written[0]} x {written[1]}"
    return found


def _draw(kind: Oddity, images: Path, folder: Path) -> Oddity:
    """Draw the worst images of a kind; the kind with its picture."""
    if not kind.worst:
        return kind
    # libraries that a data set without anything odd does not need
    from cutpoint.report.contact_sheet import Tile, draw_sheet
    from cutpoint.report.sample_files import save

    tiles = []
    for one in kind.worst:
        reason = ""
        try:
            check_links("its file", images, [(one.image_id, one.file_name)])
        except UserError as error:
            reason = str(error)
        tiles.append(Tile(str(images / one.file_name), one.title, one.said, one.boxes, reason))
    name = f"{kind.kind}.jpg"
    save(folder / name, draw_sheet(tiles))
    return replace(kind, picture=name)
