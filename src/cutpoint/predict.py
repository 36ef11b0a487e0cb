"""Stream a data set through a pipeline; stop at candidates, or at detections where the graph ends there."""

import hashlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.pipeline import READERS, OnnxPipeline, Pipeline
from cutpoint.runtime import Session
from cutpoint.store import PredictionWriter


def predict_onnx(
    *,
    model: str,
    manifest: str,
    provider: str,
    threads: int,
    shard: int,
    shards: int,
    out: str,
    out_images: str,
) -> None:
    """Run an ONNX export over one shard of a data set.

    Args:
        model: ONNX file.
        manifest: manifest JSON.
        provider: ``cpu``, ``cuda`` or ``tensorrt``.
        threads: intra-op threads.
        shard, shards: take every ``shards``-th image from number ``shard`` on.
        out, out_images: Parquet files to write.

    Raises:
        UserError: the session cannot be opened, or an image cannot be read.
    """
    pipeline = OnnxPipeline(Session(model, provider, threads))
    digest = hashlib.sha256(Path(model).read_bytes()).hexdigest()
    write_predictions(pipeline, manifest, shard, shards, out, out_images, {"onnx_sha256": digest})


def write_predictions(
    pipeline: Pipeline,
    manifest: str,
    shard: int,
    shards: int,
    out: str,
    out_images: str,
    metadata: dict[str, Any],
) -> None:
    """Run any pipeline over one shard; see ``predict_onnx``."""
    content = read_json(manifest)
    images = content["images"][shard::shards]
    metadata |= {
        "cut": pipeline.cut,
        "provider": pipeline.provider,
        "floor": pipeline.spec.head.floor,
        "spec": pipeline.spec.digest,
    }
    writer = PredictionWriter(out, out_images, candidates=pipeline.cut in READERS, metadata=metadata)
    with writer:
        for entry in tqdm(images, desc=content["dataset"], unit="image", mininterval=1):
            try:
                tensor, geometry = pipeline.prepare(pipeline.decode(entry["path"]))
            except UserError as error:
                raise UserError(f"image id {entry['id']} ({entry['path']}): {error}") from error
            if (geometry.height, geometry.width) != (entry["height"], entry["width"]):
                raise UserError(
                    f"image id {entry['id']} ({entry['path']}) is {geometry.height}x{geometry.width} pixels, "
                    f"the annotations say {entry['height']}x{entry['width']}; its boxes would not fit"
                )
            outputs = pipeline.infer(tensor, geometry)
            writer.add(entry["id"], geometry, pipeline.read(outputs, geometry))
