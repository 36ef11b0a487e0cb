"""Every box that one of two variants lacks, as Parquet: one row per box."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.recipe import OLD_STEPS

# the names of the causes in files of format 1
OLD_CAUSES = {**OLD_STEPS, "per_class_cap": "max_per_class"}


def _column(kind: str) -> Any:
    return field(metadata={"type": kind})


def _optional(kind: str) -> Any:
    return field(default=None, metadata={"type": kind})


@dataclass(frozen=True, kw_only=True, slots=True)
class AutopsyRow:
    """A box that ``side`` has and the other side lacks, and what happened to its candidate there.

    See ``autopsy.autopsy`` for the meaning of each column; null if it does not apply.
    """

    image_id: int = _column("int64")
    side: str = _column("string")
    category_id: int = _column("int64")
    label: int | None = _optional("int16")
    score: float = _column("float64")
    x1: float = _column("float64")
    y1: float = _column("float64")
    x2: float = _column("float64")
    y2: float = _column("float64")
    step: str = _column("string")
    number: int | None = _optional("int16")
    followed_by: str | None = _optional("string")
    level: int | None = _optional("int8")
    prior: int | None = _optional("int32")
    value: float | None = _optional("float64")
    there: float | None = _optional("float64")
    margin: float | None = _optional("float64")
    by_prior: int | None = _optional("int32")
    by_label: int | None = _optional("int16")
    by_score: float | None = _optional("float64")
    by_iou: float | None = _optional("float64")
    by_x1: float | None = _optional("float64")
    by_y1: float | None = _optional("float64")
    by_x2: float | None = _optional("float64")
    by_y2: float | None = _optional("float64")
    by_otherwise: str | None = _optional("string")
    other_category_id: int | None = _optional("int64")
    other_score: float | None = _optional("float64")
    other_iou: float | None = _optional("float64")
    shift_px: float | None = _optional("float64")
    moved_by: str | None = _optional("string")


# rows that are written at once
GROUP_ROWS = 50_000
FORMAT_KEY = f"cutpoint_{KEY}".encode()
SIDES = ("reference", "variant")
COLUMNS = {column.name: column.metadata["type"] for column in fields(AutopsyRow)}
SCHEMA = pa.schema(
    [(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()],
    metadata={FORMAT_KEY: str(FORMAT)},
)


def read_autopsy(path: str | Path) -> Iterator[AutopsyRow]:
    """Read ``results/autopsies/{dataset}/{model}/{variant}.parquet``, row by row.

    Raises:
        UserError: the file is not one of autopsies.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check(path, file.schema_arrow)
            old = FORMAT_KEY not in (file.schema_arrow.metadata or {})
            for batch in file.iter_batches(columns=list(COLUMNS)):
                for row in batch.to_pylist():
                    yield AutopsyRow(**(_upgrade(row) if old else row))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: {error}; remove the file, and it is made again") from error


def write_autopsy(path: str | Path, rows: Iterable[AutopsyRow]) -> None:
    """Write an autopsy, completely or not at all; some rows at a time."""
    waiting = iter(rows)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as file:
        written = False
        while (part := list(islice(waiting, GROUP_ROWS))) or not written:
            lines = [{name: getattr(row, name) for name in COLUMNS} for row in part]
            file.write_table(pa.Table.from_pylist(lines, schema=SCHEMA))
            written = True


def _upgrade(row: dict[str, Any]) -> dict[str, Any]:
    return row | {key: OLD_CAUSES.get(row[key], row[key]) for key in ("step", "by_otherwise")}


def _check(path: str | Path, schema: pa.Schema) -> None:
    for column in SCHEMA:
        if column.name not in schema.names:
            raise UserError(f"{path}: column {column.name} is missing; remove the file, and it is made again")
        kind = schema.field(column.name).type
        if kind != column.type:
            raise UserError(
                f"{path}: column {column.name}: expected {column.type}, got {kind}; "
                "remove the file, and it is made again"
            )
