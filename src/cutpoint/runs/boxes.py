"""How the detections of two runs differ, box by box."""

from dataclasses import dataclass, replace

import numpy as np

from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.records.detections import Results
from cutpoint.records.packed import ImageHashes
from cutpoint.records.run_comparison import DetectionChange


@dataclass(frozen=True)
class SharedImages:
    """The images that two runs have, by content and not by name or id.

    Attributes:
        baseline, run: ``(N,)`` int64, the ids of the same images in each run.
        alone: how many images only one of the runs has.
        in_order: whether both runs have the same images in the same order of their ids.
    """

    baseline: np.ndarray
    run: np.ndarray
    alone: int
    in_order: bool

    def __len__(self) -> int:
        return len(self.run)

    def number(self, ids: np.ndarray, results: Results) -> Results:
        """The detections of shared images, with the number of the image as its id.

        Args:
            ids: ``baseline`` or ``run``.
            results: that run's detections.
        """
        order = np.argsort(ids)
        place = np.searchsorted(ids[order], results.image_id).clip(max=max(len(ids) - 1, 0))
        rows = np.flatnonzero(ids[order][place] == results.image_id) if len(ids) else np.arange(0)
        return replace(results.take(rows), image_id=order[place[rows]])


def share_images(baseline: ImageHashes, run: ImageHashes) -> SharedImages:
    """Pair the images of two runs; of several copies of one image the first belongs to the first."""
    known = dict(zip(_contents(baseline), baseline.ids.tolist(), strict=True))
    pairs = [
        (known[content], own)
        for content, own in zip(_contents(run), run.ids.tolist(), strict=True)
        if content in known
    ]
    ids = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    alone = len(baseline.ids) + len(run.ids) - 2 * len(ids)
    return SharedImages(ids[:, 0], ids[:, 1], alone, baseline.sha256 == run.sha256)


def compare_boxes(baseline: Results, run: Results, images: int) -> DetectionChange:
    """Compare detections exactly: same image, class, coordinates and score.

    Args:
        baseline, run: of the same images, with the same ids, below ``images``.
        images: the number of images.
    """
    rows = np.concatenate([_rows(baseline), _rows(run)])
    order = np.lexsort(rows.T)
    rows, of_run = rows[order], order >= len(baseline)
    starts = np.ones(len(rows), dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    group = np.cumsum(starts) - 1
    # how many more of the same box one run has
    surplus = np.bincount(group[of_run], minlength=starts.sum())
    surplus -= np.bincount(group[~of_run], minlength=starts.sum())
    changed = np.unique(rows[starts][surplus != 0, 0])
    return DetectionChange(
        images=images,
        images_changed=len(changed),
        baseline=len(baseline),
        run=len(run),
        only_baseline=int(-surplus[surplus < 0].sum()),
        only_run=int(surplus[surplus > 0].sum()),
        agreement=_agreement(baseline, run) if len(changed) else 1.0,
    )


def _contents(images: ImageHashes) -> list[tuple[str, int]]:
    """The content of each image, and how many copies of it come before."""
    seen: dict[str, int] = {}
    contents = []
    for digest in images.sha256:
        contents.append((digest, seen.get(digest, 0)))
        seen[digest] = seen.get(digest, 0) + 1
    return contents


def _rows(results: Results) -> np.ndarray:
    """``(N, 7)`` float64: image, class, box, score. Adding 0 makes -0 and 0 the same."""
    return np.column_stack([results.image_id, results.category_id, results.bbox, results.score]) + 0.0


def _agreement(baseline: Results, run: Results) -> float:
    pairs = pair_overlaps(find_overlaps(baseline, run), AGREEMENT_IOU)
    return matched_fraction(len(pairs), len(baseline) + len(run))
