"""Merge the detections of a variant's shards into one file, with the bytes that one shard gives."""

import os
import shutil
from collections.abc import Sequence

from cutpoint.files import replacing
from cutpoint.records.detections import refusal_of_parts, write_refusal


def merge_detections(*, parts: Sequence[str], out: str) -> None:
    """Join the files that ``postprocess`` has written with ``part``. Nothing is parsed or held in memory.

    Args:
        parts: one file a shard, in order.
        out: JSON file to write, COCO results format; or why the variant is refused.
    """
    reason = refusal_of_parts(parts)
    if reason is not None:
        write_refusal(out, reason)
        return
    with replacing(out) as temporary, temporary.open("wb") as file:
        file.write(b"[")
        for part in parts:
            if os.path.getsize(part) == len("[]\n"):
                continue
            if file.tell() > len("["):
                file.write(b",\n")
            with open(part, "rb") as source:
                source.seek(len("["))
                shutil.copyfileobj(source, file)
            file.seek(-len("]\n"), os.SEEK_END)
            file.truncate()
        file.write(b"]\n")
