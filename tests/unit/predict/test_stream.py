"""The stream against a plain loop: the same results in the same order, whatever runs at once."""

import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace

import cv2
import pytest
from datasets import make_image
from tiny import candidates, geometry

from cutpoint.errors import UserError
from cutpoint.predict import stream as module
from cutpoint.predict.stream import share_threads, stream

IMAGES = [make_image(100 + n, f"{n}.jpg", 10, 20) for n in range(50)]


class Stages:
    """Stands in for a pipeline: each image takes a while of its own, and every call is counted."""

    cut, provider, fixed_batch = "raw", "cpu", None

    def __init__(self, broken=None, fault=None):
        self._broken, self._fault = broken, fault
        self._lock = threading.Lock()
        self.decoded, self.inferring, self.most_inferring = [], 0, 0

    def decode(self, path):
        number = int(path.removesuffix(".jpg"))
        with self._lock:
            self.decoded.append(number)
        if self._fault == "decode" and number == self._broken:
            raise UserError(f"image {path}: not an image")
        # later images of a few are done before earlier ones
        time.sleep(0.002 * (3 - number % 4))
        return number

    def prepare(self, image):
        return image, geometry(height=10, width=20, padded_width=image)

    def batch(self, prepared):
        return [number for number, _ in prepared], [sizes for _, sizes in prepared]

    def infer(self, tensor, *sizes):
        with self._lock:
            self.inferring += 1
            self.most_inferring = max(self.most_inferring, self.inferring)
        time.sleep(0.002)
        with self._lock:
            self.inferring -= 1
        if self._fault == "infer" and self._broken in tensor:
            raise RuntimeError("out of memory")
        return tensor

    def read(self, outputs, sizes, image=0):
        if self._fault == "read" and outputs[image] == self._broken:
            raise RuntimeError("a wrong shape")
        return candidates(*[(0, outputs[image], 0, 0.5, 1, (0, 0, 1, 1))] * (outputs[image] % 3))


def collect(pipeline, images=IMAGES, into=None, **settings):
    """Image id, a number that the stages passed on, and that number once a row."""
    found = [] if into is None else into
    with closing(stream(pipeline, images, **settings)) as results:
        for taken, sizes, rows in results:
            found.append((taken.id, sizes.padded_width, rows.prior.tolist()))
    return found


def stream_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("stream")]


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize(("workers", "runs"), [(1, 1), (2, 2), (4, 1), (5, 3)])
def test_results_come_in_order_whatever_runs_at_once(batch, workers, runs):
    stages = Stages()
    found = collect(stages, batch=batch, workers=workers, runs=runs)
    assert found == [(100 + n, n, [n] * (n % 3)) for n in range(50)]
    assert sorted(stages.decoded) == list(range(50))
    assert stages.most_inferring <= min(workers, runs)
    assert stream_threads() == []


def test_several_images_are_in_work_at_once():
    # every image waits for two others to be in infer with it
    together = threading.Barrier(3)

    class Meeting(Stages):
        def infer(self, tensor, *sizes):
            together.wait(timeout=10)
            return tensor

    assert len(collect(Meeting(), IMAGES[:48], workers=3, runs=3)) == 48


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("decode", UserError, r"image id 123 \(23\.jpg\): image 23\.jpg: not an image"),
        ("infer", RuntimeError, "out of memory"),
        ("read", RuntimeError, "a wrong shape"),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_ends_the_stream_and_names_its_image(monkeypatch, fault, kind, message, workers):
    monkeypatch.setattr(module, "WAITING", 4)
    stages, found = Stages(23, fault), []
    with pytest.raises(kind, match=message) as caught:
        collect(stages, workers=workers, into=found)
    # all images before it came out; few after it were begun
    assert [image_id for image_id, _, _ in found] == [100 + n for n in range(23)]
    assert max(stages.decoded) <= 23 + 4 + workers
    assert caught.value.__notes__ == ["in the batch of image id 123 (23.jpg)"]
    assert stream_threads() == []


def test_an_image_of_another_size_than_the_manifest_says_is_refused():
    images = [IMAGES[0], replace(IMAGES[1], height=11)]
    with pytest.raises(UserError, match=r"image id 101 \(1\.jpg\) is 10x20 pixels, .* say 11x20; its boxes"):
        collect(Stages(), images)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_slow_consumer_holds_the_stream_back(monkeypatch, batch):
    monkeypatch.setattr(module, "WAITING", 6)
    stages, seen = Stages(), 0
    with closing(stream(stages, IMAGES, batch=batch, workers=2, runs=2)) as results:
        for _ in results:
            seen += 1
            if seen in (1, 20):
                time.sleep(0.2)
                # those given out, those waiting, one batch a worker, and the rest of the batch in hand
                assert seen < len(stages.decoded) <= seen + 6 + 2 * batch + batch
    assert seen == 50


def test_a_consumer_that_stops_leaves_no_thread():
    stages = Stages()
    with closing(stream(stages, IMAGES, workers=2, runs=2)) as results:
        next(results)
    begun = len(stages.decoded)
    assert stream_threads() == []
    time.sleep(0.02)
    assert len(stages.decoded) == begun < 50


def test_ctrl_c_ends_it():
    class Slow(Stages):
        def infer(self, tensor, *sizes):
            time.sleep(0.3)
            return tensor

    stages = Slow()
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    # a shell starts what runs in the background with the signal ignored
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            collect(stages, workers=2, runs=2)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert time.monotonic() - began < 2
    assert len(stages.decoded) == 2
    assert stream_threads() == []


@pytest.mark.parametrize(
    ("threads", "provider", "expected"),
    [
        (1, "cpu", (1, 1, 1)),
        (2, "cpu", (1, 2, 2)),
        (8, "cpu", (1, 8, 8)),
        # sixteen runs at once would hold sixteen times a network's activations
        (16, "cpu", (2, 8, 8)),
        (4, "cuda", (4, 4, 1)),
        (16, "tensorrt", (16, 8, 1)),
    ],
)
def test_cores_are_shared_by_runs_on_the_cpu_and_decode_for_one_run_on_a_gpu(threads, provider, expected):
    assert share_threads(threads, provider) == expected


def test_no_images_give_no_results():
    assert collect(Stages(), []) == []


def test_opencv_has_one_thread_meanwhile_and_gets_its_own_back():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        with closing(stream(Stages(), IMAGES[:3], workers=2)) as results:
            next(results)
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
