"""The prediction files: candidates or detections of a shard, and the geometry of its images, as Parquet."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import Floor
from cutpoint.records.image import Geometry
from cutpoint.records.json_file import FORMAT, KEY, as_content, as_record

METADATA = b"cutpoint"
REFUSED = b"cutpoint_refused"
BOX_COLUMNS = ("x1", "y1", "x2", "y2")
CANDIDATE_COLUMNS = {
    "level": "int8",
    "prior": "int32",
    "label": "int16",
    "score": "float32",
    "factor": "float32",
}
DETECTION_COLUMNS = {"label": "int16", "score": "float32"}
FLOAT_SIZES = ("scale_x", "scale_y", "gain")
IMAGE_COLUMNS = {f.name: "float64" if f.name in FLOAT_SIZES else "int32" for f in fields(Geometry)}
# Images are written in groups of about this many rows, the same images in both files, and read by groups,
# so that memory does not grow with the data set.
GROUP_ROWS = 100_000


@dataclass(frozen=True)
class RunMetadata:
    """What the predictions of a run were made with. Both files of a shard have it.

    ``provider``: the one that ran. ``floor``: the candidates' floor. ``spec``: digest of the model's
    specification. ``input``: definition of the input recipe, see ``data.inputs``. ``scores``: ``class`` or
    ``fused`` for an export of the cut ``decoded``, otherwise null. ``onnx_sha256``: the export's digest;
    null for PyTorch. ``shape``: height and width of a static export, which the input recipe depends on.
    """

    cut: str
    provider: str
    floor: Floor
    spec: str
    input: str | dict[str, Any]
    scores: str | None
    onnx_sha256: str | None = None
    shape: tuple[int, int] | None = None


class PredictionWriter:
    """Writes one shard, image by image; both files appear when the block ends without an error.

    Use as a context manager; ``add`` once per image, also for images without predictions.
    """

    def __init__(self, out: str, out_images: str, *, candidates: bool, metadata: RunMetadata) -> None:
        """``candidates`` chooses the columns; ``metadata`` goes into both files."""
        self._columns = CANDIDATE_COLUMNS if candidates else DETECTION_COLUMNS
        self._schema = _schema({**self._columns, **dict.fromkeys(BOX_COLUMNS, "float32")}, metadata)
        self._image_schema = _schema(IMAGE_COLUMNS, metadata)
        self._out, self._out_images = out, out_images
        self._images: list[tuple[int, Geometry, Candidates | Detections]] = []
        self._pending = 0

    def __enter__(self) -> "PredictionWriter":
        with ExitStack() as stack:
            self._image_file = _open(stack, self._out_images, self._image_schema)
            self._file = _open(stack, self._out, self._schema)
            self._stack = stack.pop_all()
        return self

    def add(self, image_id: int, geometry: Geometry, rows: Candidates | Detections) -> None:
        """Append one image."""
        self._images.append((image_id, geometry, rows))
        self._pending += 1 + len(rows)
        if self._pending >= GROUP_ROWS:
            self._flush()

    def refuse(self, reason: str) -> None:
        """Write into both files why they give no detections."""
        for file in (self._file, self._image_file):
            file.add_key_value_metadata({REFUSED: reason.encode()})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._flush()

    def _flush(self) -> None:
        if not self._images:
            return
        ids, geometries, found = zip(*self._images, strict=True)
        self._images, self._pending = [], 0
        sizes = [{"image_id": i, **vars(geometry)} for i, geometry in zip(ids, geometries, strict=True)]
        self._image_file.write_table(pa.Table.from_pylist(sizes, schema=self._image_schema))
        columns = {"image_id": np.repeat(ids, [len(rows) for rows in found])}
        for name in self._columns:
            columns[name] = np.concatenate([_column(rows, name) for rows in found])
        boxes = np.concatenate([rows.boxes for rows in found])
        columns |= {name: boxes[:, i] for i, name in enumerate(BOX_COLUMNS)}
        arrays = [pa.array(columns[f.name]).cast(f.type) for f in self._schema]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def _open(stack: ExitStack, path: str, schema: pa.Schema) -> pq.ParquetWriter:
    temporary = stack.enter_context(replacing(path))
    return stack.enter_context(pq.ParquetWriter(temporary, schema, compression="zstd"))


def read_predictions(
    predictions: Sequence[str], images: Sequence[str]
) -> Iterator[tuple[int, Geometry, Candidates | Detections]]:
    """Yield image id, geometry and rows of every image of the shards, shard by shard.

    Args:
        predictions: ``{shard}.parquet`` files.
        images: their ``{shard}.images.parquet`` files, in the same order.

    Raises:
        UserError: one of them is not such a file.
    """
    for path, image_path in zip(predictions, images, strict=True):
        with _reading(path) as file, _reading(image_path) as image_file:
            for group in range(image_file.num_row_groups):
                yield from _split(file.read_row_group(group), image_file.read_row_group(group))


def _split(table: pa.Table, images: pa.Table) -> Iterator[tuple[int, Geometry, Candidates | Detections]]:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    boxes = np.stack([columns[name] for name in BOX_COLUMNS], axis=1)
    order = np.argsort(columns["image_id"], kind="stable")
    ids = columns["image_id"][order]
    for row in images.to_pylist():
        image_id = row.pop("image_id")
        chosen = order[np.searchsorted(ids, image_id) : np.searchsorted(ids, image_id, side="right")]
        if "prior" in columns:
            values = {name: columns[name][chosen] for name in CANDIDATE_COLUMNS}
            rows: Candidates | Detections = Candidates(**values, boxes=boxes[chosen])
        else:
            label = columns["label"][chosen].astype(np.int64)
            rows = Detections(boxes[chosen], columns["score"][chosen], label)
        yield image_id, Geometry(**row), rows


def read_metadata(path: str | Path) -> RunMetadata:
    """What a prediction file was made with.

    Raises:
        UserError: the file does not have predictions.
    """
    with _reading(path) as file:
        content = json.loads(file.metadata.metadata[METADATA])
    return as_record(content, RunMetadata, str(path), _upgrade)


def find_refusal(predictions: Sequence[str]) -> str | None:
    """Why a run was refused, from the first of its prediction files that says so; null if none does.

    Raises:
        UserError: a file does not have predictions.
    """
    for path in predictions:
        with _reading(path) as file:
            reason: bytes | None = file.metadata.metadata.get(REFUSED)
        if reason is not None:
            return reason.decode()
    return None


@contextmanager
def _reading(path: str | Path) -> Iterator[pq.ParquetFile]:
    mend = "remove it, and it is made again"
    try:
        with pq.ParquetFile(path) as file:
            if METADATA not in (file.metadata.metadata or {}):
                raise UserError(f"{path}: not a file of predictions: it does not say how it was made; {mend}")
            yield file
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a file of predictions ({error}); {mend}") from error


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    """A floor; format 1 calls the quantity ``on``."""
    floor = content.get("floor")
    if not isinstance(floor, dict) or "on" not in floor:
        return content
    return content | {"floor": {"quantity": floor["on"], **floor}}


def _column(rows: Candidates | Detections, name: str) -> np.ndarray:
    if isinstance(rows, Detections):
        return {"label": rows.labels, "score": rows.scores}[name]
    column: np.ndarray = getattr(rows, name)
    return column


def _schema(columns: dict[str, str], metadata: RunMetadata) -> pa.Schema:
    types = {"image_id": "int64", **columns}
    content = {KEY: FORMAT, **as_content(metadata)}
    return pa.schema(
        [(name, pa.type_for_alias(kind)) for name, kind in types.items()],
        metadata={METADATA: json.dumps(content, sort_keys=True).encode()},
    )
