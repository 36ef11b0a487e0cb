"""Stream a data set through a pipeline; stop at candidates, or at detections if the graph ends there."""

import hashlib
from collections.abc import Sequence
from contextlib import closing

from tqdm import tqdm

from cutpoint.data.fit import check_fit
from cutpoint.data.inputs import Definition, resolve_input
from cutpoint.predict.pipeline import OnnxPipeline, Pipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.stream import share_threads, stream
from cutpoint.records.detections import Refused
from cutpoint.records.head import keeps_candidates
from cutpoint.records.manifest import Image, read_manifest
from cutpoint.records.predictions import PredictionWriter, RunMetadata


def predict_onnx(
    *,
    model: str,
    manifest: str,
    provider: str,
    threads: int,
    shard: int,
    shards: int,
    input: Definition = "mmdet",
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
        threads: cores to use; see ``stream.share_threads``.
        shard, shards: the part of the images to run on; see ``shard_images``.
        input: definition of the input recipe; see ``inputs.resolve_input``.
        batch: number of images per run of the network, in the order of the manifest.
        tf32: see ``runtime.Session``.
        out, out_images: Parquet files to write.

    Raises:
        UserError: the session cannot be opened, or an image cannot be read.
    """
    session_threads, workers, runs = share_threads(threads, provider)
    session = Session(model, provider, session_threads, tf32=tf32)
    pipeline = OnnxPipeline(session, input)
    with open(model, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_predictions(
        pipeline,
        manifest=manifest,
        shard=shard,
        shards=shards,
        input=input,
        scores=session.scores,
        onnx_sha256=digest,
        shape=session.shape,
        batch=batch,
        workers=workers,
        runs=runs,
        refused=session.overflow,
        out=out,
        out_images=out_images,
    )


def write_predictions(
    pipeline: Pipeline,
    *,
    manifest: str,
    shard: int,
    shards: int,
    input: Definition,
    scores: str | None = None,
    onnx_sha256: str | None = None,
    shape: tuple[int, int] | None = None,
    batch: int = 1,
    workers: int = 1,
    runs: int = 1,
    refused: str | None = None,
    out: str,
    out_images: str,
) -> None:
    """Run any pipeline over one shard.

    Arguments as in ``predict_onnx``, ``stream`` (``workers``, ``runs``) and ``predictions.RunMetadata``
    (``scores``, ``onnx_sha256``, ``shape``). Invalid outputs end the run: the files then have the images
    before them, and the reason (``predictions.find_refusal``). With ``refused``, a reason that is known
    already, they have no image.

    Raises:
        UserError: an image cannot be read, or does not fit the network's input (``fit.check_fit``).
    """
    data = read_manifest(manifest)
    images = shard_images(data.images, shard, shards, batch)
    spec = pipeline.spec
    check_fit(data, resolve_input(input, spec.input, shape), shape)
    metadata = RunMetadata(
        pipeline.cut, pipeline.provider, spec.head.floor, spec.digest, input, scores, onnx_sha256, shape
    )
    writer = PredictionWriter(
        out, out_images, candidates=keeps_candidates(pipeline.cut, spec.head), metadata=metadata
    )
    results = stream(pipeline, images, batch=batch, workers=workers, runs=runs, check=True)
    with closing(results), writer:
        try:
            if refused is not None:
                raise Refused(refused)
            for image, geometry, rows in tqdm(
                results, total=len(images), desc=data.dataset, unit="image", mininterval=1
            ):
                writer.add(image.id, geometry, rows)
        except Refused as refused:
            print(f"refused: {refused.reason}")
            writer.refuse(refused.reason)


def shard_images(images: Sequence[Image], shard: int, shards: int, batch: int) -> Sequence[Image]:
    """The images of one shard: neighbours, in whole batches.

    A batch is padded to its largest image, so detections depend on the images that share a batch. With whole
    batches they do not depend on the number of shards. All shards in order are all images.
    """
    batches = -(-len(images) // batch)
    first, last = (batches * edge // shards * batch for edge in (shard, shard + 1))
    return images[first:last]
