"""A data set through a pipeline: several images at once, results one by one in the data set's order."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2

from cutpoint.data.image import Geometry
from cutpoint.errors import UserError
from cutpoint.postprocessing.candidates import Candidates
from cutpoint.postprocessing.recipes import Detections
from cutpoint.predict.pipeline import Pipeline

# So many results may wait for a consumer that is busy, writing a row group, say: small beside a tensor.
WAITING = 32
# Past so many a network's own memory, once a run, costs more than the images' overlap brings.
MOST_WORKERS = 8

Result = tuple[dict[str, Any], Geometry, Candidates | Detections]


def share_threads(threads: int, provider: str) -> tuple[int, int, int]:
    """How an ONNX session and its stream use a number of cores best.

    On the CPU that is a run a core, each with one thread: an image spread over several cores waits at every
    operator for the slowest, and leaves them idle while it is decoded. A GPU takes one run at a time.

    Args:
        threads: cores to use.
        provider: ``cpu``, ``cuda`` or ``tensorrt``.

    Returns:
        threads of the session; ``workers`` and ``runs`` of ``stream``.
    """
    workers = min(threads, MOST_WORKERS)
    runs = workers if provider == "cpu" else 1
    return threads // runs, workers, runs


def stream(
    pipeline: Pipeline, entries: Sequence[dict[str, Any]], *, batch: int = 1, workers: int = 1, runs: int = 1
) -> Iterator[Result]:
    """Take every image from its file to what the network says of it, ``decode`` to ``read``.

    Each worker takes a batch through all stages, so images overlap where the stages leave Python: in OpenCV,
    in the network, in numpy. At most ``workers`` batches are held as pixels or tensors, and ``WAITING`` more
    images as results, however slow the consumer. The results do not depend on ``workers`` and ``runs``.

    Args:
        pipeline: its stages are called from the workers' threads.
        entries: images of a manifest: ``id``, ``path``, ``height`` and ``width`` in pixels.
        batch: number of images of one run of the network, in the order of ``entries``; the last may have
            fewer.
        workers: number of threads.
        runs: how many of them may be in ``infer`` at once; see ``share_threads``.

    Yields:
        entry, geometry and rows of each image, in the order of ``entries``. Close the generator where the
        loop can end early (``contextlib.closing``): the workers then finish the batch in hand and end.

    Raises:
        UserError: an image cannot be read, or has another size than its entry says; with id and path.
        Exception: what a stage raises, with the ids as a note. The first such image in order counts.
    """
    slots = threading.BoundedSemaphore(runs)
    batches = (entries[start : start + batch] for start in range(0, len(entries), batch))
    pending: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="stream")
    # the images share the cores already
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for chosen in batches:
            pending.append(pool.submit(_run, pipeline, chosen, slots))
            if len(pending) >= workers + -(-WAITING // batch):
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _run(
    pipeline: Pipeline, entries: Sequence[dict[str, Any]], slots: threading.BoundedSemaphore
) -> list[Result]:
    try:
        tensor, geometries = pipeline.batch([_prepare(pipeline, entry) for entry in entries])
        with slots:
            outputs = pipeline.infer(tensor, *geometries)
        return [
            (entry, geometry, pipeline.read(outputs, geometry, number))
            for number, (entry, geometry) in enumerate(zip(entries, geometries, strict=True))
        ]
    except Exception as error:
        error.add_note("in the batch of " + ", ".join(f"image id {e['id']} ({e['path']})" for e in entries))
        raise


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
