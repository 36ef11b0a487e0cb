"""A data set through a pipeline: several images at once, results one by one in the data set's order."""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2

from cutpoint.errors import UserError
from cutpoint.predict.pipeline import Pipeline
from cutpoint.predict.validity import read_valid
from cutpoint.providers import get_provider
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections, Refused
from cutpoint.records.image import Geometry
from cutpoint.records.manifest import Image

# So many results may wait for a busy consumer, for example while it writes a row group. They are small.
WAITING = 32
# With more runs, the network's memory for each run costs more than the overlap of images gains.
MOST_WORKERS = 8

Result = tuple[Image, Geometry, Candidates | Detections]


def share_threads(threads: int, provider: str) -> tuple[int, int, int]:
    """The best way to share a number of cores between an ONNX session and its stream.

    If several runs at once are best, this is one run per core with one thread each. An image that is spread
    over several cores waits at every operator for the slowest core, and leaves them idle while it is decoded.

    Args:
        threads: cores to use.
        provider: name of a provider; see ``providers.Device.runs_at_once``.

    Returns:
        threads of the session; ``workers`` and ``runs`` of ``stream``.
    """
    workers = min(threads, MOST_WORKERS)
    runs = workers if get_provider(provider).device.runs_at_once else 1
    return threads // runs, workers, runs


def stream(
    pipeline: Pipeline,
    images: Sequence[Image],
    *,
    batch: int = 1,
    workers: int = 1,
    runs: int = 1,
    check: bool = False,
) -> Generator[Result, None, None]:
    """Take every image from its file to the network's result, ``decode`` to ``read``.

    Each worker takes a batch through all stages, so images overlap where the stages leave Python: in OpenCV,
    in the network, in numpy. At most ``workers`` batches are held as pixels or tensors, and ``WAITING`` more
    images as results, however slow the consumer. The results do not depend on ``workers`` and ``runs``.

    Args:
        pipeline: its stages are called from the workers' threads.
        images: the images of a manifest.
        batch: number of images per run of the network, in the order of ``images``; the last batch may have
            fewer, and is filled up with its last image for a network that takes no fewer.
        workers: number of threads.
        runs: how many of them may be in ``infer`` at once; see ``share_threads``.
        check: whether invalid outputs end the stream; it costs a pass over the outputs.

    Yields:
        image, geometry and rows of each, in the order of ``images``. Close the generator if the loop can
        end early (``contextlib.closing``): the workers then finish their batch and end.

    Raises:
        UserError: an image cannot be read, or has another size than in the manifest; with id and path.
        Refused: with ``check``: NaN, infinity or an invalid label, after the batches before it.
        Exception: what a stage raises, with the ids as a note. The first such image in order counts.
    """
    slots = threading.BoundedSemaphore(runs)
    batches = (images[start : start + batch] for start in range(0, len(images), batch))
    pending: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="stream")
    # the images already share the cores
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for chosen in batches:
            pending.append(pool.submit(_run, pipeline, chosen, batch, slots, check))
            if len(pending) >= workers + -(-WAITING // batch):
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _run(
    pipeline: Pipeline, images: Sequence[Image], batch: int, slots: threading.BoundedSemaphore, check: bool
) -> list[Result]:
    try:
        prepared = [_prepare(pipeline, image) for image in images]
        if pipeline.fixed_batch == batch:  # the last batch is filled up
            prepared += prepared[-1:] * (batch - len(images))
        tensor, geometries = pipeline.batch(prepared)
        with slots:
            outputs = _infer(pipeline, tensor, geometries, images)
        read = _read_valid if check else _read
        return [
            (image, geometry, read(pipeline, outputs, geometry, number, image))
            for number, (image, geometry) in enumerate(zip(images, geometries, strict=False))
        ]
    except Exception as error:
        error.add_note(f"in the batch of {_name(*images)}")
        raise


def _name(*images: Image) -> str:
    return ", ".join(f"image id {image.id} ({image.path})" for image in images)


def _infer(pipeline: Pipeline, tensor: Any, geometries: Sequence[Geometry], images: Sequence[Image]) -> Any:
    try:
        return pipeline.infer(tensor, *geometries)
    except UserError as error:
        raise UserError(f"{error}, on {_name(*images)}") from error


def _read(
    pipeline: Pipeline, outputs: Any, geometry: Geometry, number: int, image: Image
) -> Candidates | Detections:
    return pipeline.read(outputs, geometry, number)


def _read_valid(
    pipeline: Pipeline, outputs: Any, geometry: Geometry, number: int, image: Image
) -> Candidates | Detections:
    try:
        return read_valid(pipeline, outputs, geometry, number)
    except Refused as refused:
        raise Refused(f"{refused.reason} on {_name(image)}") from refused
    except UserError as error:
        raise UserError(f"{error}, on {_name(image)}") from error


def _prepare(pipeline: Pipeline, image: Image) -> tuple[Any, Geometry]:
    try:
        tensor, geometry = pipeline.prepare(pipeline.decode(image.path))
    except UserError as error:
        raise UserError(f"{_name(image)}: {error}") from error
    if (geometry.height, geometry.width) != (image.height, image.width):
        raise UserError(
            f"{_name(image)} is {geometry.height}x{geometry.width} pixels, "
            f"the annotations say {image.height}x{image.width}; its boxes would not fit"
        )
    return tensor, geometry
