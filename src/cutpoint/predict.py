"""Stream a data set through a pipeline; stop at candidates, or at detections where the graph ends there."""

import hashlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.image import Geometry
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
    input: str = "mmdet",
    batch: int = 1,
    tf32: bool = False,
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
        input: name of the input recipe; see ``image.named_input``.
        batch: number of images of one run of the network, in the order of the manifest.
        tf32: as in ``runtime.Session``.
        out, out_images: Parquet files to write.

    Raises:
        UserError: the session cannot be opened, or an image cannot be read.
    """
    session = Session(model, provider, threads, tf32=tf32)
    pipeline = OnnxPipeline(session, input)
    digest = hashlib.sha256(Path(model).read_bytes()).hexdigest()
    metadata = {"onnx_sha256": digest, "input": input, "scores": session.scores}
    write_predictions(pipeline, manifest, shard, shards, batch, out, out_images, metadata)


def write_predictions(
    pipeline: Pipeline,
    manifest: str,
    shard: int,
    shards: int,
    batch: int,
    out: str,
    out_images: str,
    metadata: dict[str, Any],
) -> None:
    """Run any pipeline over one shard; see ``predict_onnx``. ``metadata`` goes into the files."""
    content = read_json(manifest)
    images = content["images"][shard::shards]
    metadata |= {
        "cut": pipeline.cut,
        "provider": pipeline.provider,
        "floor": pipeline.spec.head.floor,
        "spec": pipeline.spec.digest,
    }
    writer = PredictionWriter(out, out_images, candidates=pipeline.cut in READERS, metadata=metadata)
    with writer, tqdm(total=len(images), desc=content["dataset"], unit="image", mininterval=1) as progress:
        for start in range(0, len(images), batch):
            entries = images[start : start + batch]
            tensor, geometries = pipeline.batch([_prepare(pipeline, entry) for entry in entries])
            outputs = pipeline.infer(tensor, *geometries)
            for number, (entry, geometry) in enumerate(zip(entries, geometries, strict=True)):
                writer.add(entry["id"], geometry, pipeline.read(outputs, geometry, number))
            progress.update(len(entries))


def _prepare(pipeline: Pipeline, entry: dict[str, Any]) -> tuple[Any, Geometry]:
    try:
        tensor, geometry = pipeline.prepare(pipeline.decode(entry["path"]))
    except UserError as error:
        raise UserError(f"image id {entry['id']} ({entry['path']}): {error}") from error
    if (geometry.height, geometry.width) != (entry["height"], entry["width"]):
        raise UserError(
            f"image id {entry['id']} ({entry['path']}) is {geometry.height}x{geometry.width} pixels, "
            f"the annotations say {entry['height']}x{entry['width']}; its boxes would not fit"
        )
    return tensor, geometry
