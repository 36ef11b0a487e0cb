"""A variant on each slice of its data set, and on resamples of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cutpoint.records.npz_file import read_arrays, write_arrays


@dataclass(frozen=True)
class SliceSamples:
    """``results/slice_samples/{dataset}/{model}/{variant}.npz``; two files of a data set are paired.

    Attributes:
        names, values: ``(S,)`` text, of S slices.
        images: ``(S,)`` numbers of images.
        images_with: ``(S,)`` numbers of images with objects.
        objects: ``(S,)`` numbers of boxes, without crowds.
        ap: ``(S, 1 + R)`` float64, COCO's AP: on the slice, then on its images in the R resamples of the data
            set. NaN without objects.
        ap50: ``(S,)`` float64, AP at IoU 0.5; NaN without objects.
        recall: ``(S,)`` float64, COCO's AR at 100 detections; NaN without objects.
    """

    names: np.ndarray
    values: np.ndarray
    images: np.ndarray
    images_with: np.ndarray
    objects: np.ndarray
    ap: np.ndarray
    ap50: np.ndarray
    recall: np.ndarray


def read_slice_samples(path: str | Path) -> SliceSamples:
    """Read a variant on the slices.

    Raises:
        UserError: the file is not one.
    """
    return read_arrays(path, SliceSamples)


def write_slice_samples(path: str | Path, samples: SliceSamples) -> None:
    """Write a variant on the slices, completely or not at all."""
    write_arrays(path, samples)
