"""Detections and lists of images as small Parquet files, which say the same as JSON."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.detections import Results
from cutpoint.records.json_file import FORMAT, KEY

# more rows than any data set has; a file with more is not read
MOST_ROWS = 50_000_000
_BOX = ("x", "y", "width", "height")
_METADATA = {KEY.encode(): str(FORMAT).encode()}


@dataclass(frozen=True)
class ImageHashes:
    """N images of a data set, ids ascending.

    ``ids``: ``(N,)`` int64. ``file_names`` and ``sha256`` (64 hexadecimal digits, of the content): N texts.
    """

    ids: np.ndarray
    file_names: list[str]
    sha256: list[str]


def pack_results(path: str | Path, results: Results) -> None:
    """Write detections in their order, completely or not at all, every number exact."""
    columns = {"image_id": results.image_id, "category_id": results.category_id}
    columns |= {name: results.bbox[:, index] for index, name in enumerate(_BOX)}
    table = pa.table(columns | {"score": results.score})
    with replacing(path) as temporary:
        # bytes of the same rank side by side: numbers that come from float32 shrink by half again
        pq.write_table(
            table.replace_schema_metadata(_METADATA),
            temporary,
            compression="zstd",
            use_dictionary=["image_id", "category_id"],
            column_encoding=dict.fromkeys((*_BOX, "score"), "BYTE_STREAM_SPLIT"),
        )


def unpack_results(path: str | Path) -> Results:
    """Read detections that ``pack_results`` wrote.

    Raises:
        UserError: the file does not have detections.
    """
    table = _read(path, ("image_id", "category_id", *_BOX, "score"))
    try:
        return Results(
            _column(table, "image_id", np.int64),
            _column(table, "category_id", np.int64),
            np.stack([_column(table, name, np.float64) for name in _BOX], axis=1),
            _column(table, "score", np.float64),
        )
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise UserError(f"{path}: does not have detections ({error}); make it again") from error


def pack_images(path: str | Path, images: ImageHashes) -> None:
    """Write the hashes of images, completely or not at all."""
    hashes = [bytes.fromhex(text) for text in images.sha256]
    table = pa.table({"id": images.ids, "file_name": images.file_names, "sha256": hashes})
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(_METADATA), temporary, compression="zstd")


def unpack_images(path: str | Path) -> ImageHashes:
    """Read the hashes of images.

    Raises:
        UserError: the file does not have them.
    """
    table = _read(path, ("id", "file_name", "sha256"))
    try:
        ids = _column(table, "id", np.int64)
        hashes = [value.hex() for value in table["sha256"].to_pylist()]
        return ImageHashes(ids, table["file_name"].to_pylist(), hashes)
    except (ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise UserError(f"{path}: does not have hashes of images ({error}); make it again") from error


def _read(path: str | Path, columns: tuple[str, ...]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise ValueError(f"{file.metadata.num_rows} rows")
            return file.read(columns=list(columns))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it again") from error


def _column(table: pa.Table, name: str, kind: type) -> np.ndarray:
    if name not in table.column_names or table[name].null_count:
        raise ValueError(f"column {name} is missing or has empty cells")
    return np.asarray(table[name].to_numpy(), dtype=kind)
