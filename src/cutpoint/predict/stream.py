"""A data set through a pipeline: several images at once, results one by one in the data set's order."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
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

# So many results may wait for a consumer that is busy, writing a row group, say: small beside a tensor.
WAITING = 32
# Past so many a network's own memory, once a run, costs more than the images' overlap brings.
MOST_WORKERS = 8

Result = tuple[dict[str, Any], Geometry, Candidates | Detections]


def share_threads(threads: int, provider: str) -> tuple[int, int, int]:
    """How an ONNX session and its stream use a number of cores best.

    Where several runs at once are best that is a run a core, each with one thread: an image spread over
    several cores waits at every operator for the slowest, and leaves them idle while it is decoded.

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
    entries: Sequence[dict[str, Any]],
    *,
    batch: int = 1,
    workers: int = 1,
    runs: int = 1,
    check: bool = False,
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
        check: whether outputs of which no number may be made end the stream; it costs a pass over them.

    Yields:
        entry, geometry and rows of each image, in the order of ``entries``. Close the generator where the
        loop can end early (``contextlib.closing``): the workers then finish the batch in hand and end.

    Raises:
        UserError: an image cannot be read, or has another size than its entry says; with id and path.
        Refused: with ``check``, NaN, infinity or a label that is none, behind the batches before.
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
            pending.append(pool.submit(_run, pipeline, chosen, slots, check))
            if len(pending) >= workers + -(-WAITING // batch):
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _run(
    pipeline: Pipeline, entries: Sequence[dict[str, Any]], slots: threading.BoundedSemaphore, check: bool
) -> list[Result]:
    try:
        tensor, geometries = pipeline.batch([_prepare(pipeline, entry) for entry in entries])
        with slots:
            outputs = _infer(pipeline, tensor, geometries, entries)
        read = _read_valid if check else _read
        return [
            (entry, geometry, read(pipeline, outputs, geometry, number, entry))
            for number, (entry, geometry) in enumerate(zip(entries, geometries, strict=True))
        ]
    except Exception as error:
        error.add_note(f"in the batch of {_name(*entries)}")
        raise


def _name(*entries: dict[str, Any]) -> str:
    return ", ".join(f"image id {entry['id']} ({entry['path']})" for entry in entries)


def _infer(
    pipeline: Pipeline, tensor: Any, geometries: Sequence[Geometry], entries: Sequence[dict[str, Any]]
) -> Any:
    try:
        return pipeline.infer(tensor, *geometries)
    except UserError as error:
        raise UserError(f"{error}, on {_name(*entries)}") from error


def _read(
    pipeline: Pipeline, outputs: Any, geometry: Geometry, number: int, entry: dict[str, Any]
) -> Candidates | Detections:
    return pipeline.read(outputs, geometry, number)


def _read_valid(
    pipeline: Pipeline, outputs: Any, geometry: Geometry, number: int, entry: dict[str, Any]
) -> Candidates | Detections:
    try:
        return read_valid(pipeline, outputs, geometry, number)
    except Refused as refused:
        raise Refused(f"{refused.reason} on {_name(entry)}") from refused
    except UserError as error:
        raise UserError(f"{error}, on {_name(entry)}") from error


def _prepare(pipeline: Pipeline, entry: dict[str, Any]) -> tuple[Any, Geometry]:
    try:
        tensor, geometry = pipeline.prepare(pipeline.decode(entry["path"]))
    except UserError as error:
        raise UserError(f"{_name(entry)}: {error}") from error
    if (geometry.height, geometry.width) != (entry["height"], entry["width"]):
        raise UserError(
            f"{_name(entry)} is {geometry.height}x{geometry.width} pixels, "
            f"the annotations say {entry['height']}x{entry['width']}; its boxes would not fit"
        )
    return tensor, geometry
