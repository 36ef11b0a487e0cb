"""The rows of all kinds, in the order of the table."""

import bad_annotations
import bad_classes
import bad_config
import bad_downloads
import bad_formats
import bad_images
import bad_models
import bad_onnx
import bad_results
import bad_slices
from bad_input import BadInput

KINDS: dict[str, list[BadInput]] = {
    "Config": bad_config.ROWS,
    "Annotations": bad_annotations.ROWS,
    "Other formats of annotations": bad_formats.ROWS,
    "Images": bad_images.ROWS,
    "mmdet models": bad_models.ROWS,
    "ONNX files": bad_onnx.ROWS,
    "Results files": bad_results.ROWS,
    "Slices": bad_slices.ROWS,
    "Class names": bad_classes.ROWS,
    "Downloads": bad_downloads.ROWS,
}
ROWS = [row for rows in KINDS.values() for row in rows]
