"""Time variants end to end, from image file to final boxes: one worker process per variant, in turn.

The coordinator imports no runtime. Blocks of the variants alternate, so that a drift of the machine affects
all in the same way. While one works, the others sleep. After each turn the threads get ``REST_S`` to fall
asleep.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from tqdm import tqdm

from cutpoint.errors import UserError
from cutpoint.gpu_lease import held_locks
from cutpoint.latency.pace import REST_S
from cutpoint.latency.watch import Load, Watch, gpu_limits
from cutpoint.lifeline import STARTED_BY, name_self
from cutpoint.machine import machine_facts
from cutpoint.records.json_file import as_content, as_record
from cutpoint.records.manifest import read_manifest
from cutpoint.records.timing import Timed, Timing, Watched, write_samples

# Images of one block. It is small, so that a drift or a disturbance of seconds affects all variants.
BLOCK = 8


class Worker:
    """A variant in its own process. It answers each JSON line with one JSON line."""

    def __init__(self, job: dict[str, Any], module: str = "cutpoint.latency.worker") -> None:
        """``module``: the module that the process runs; it answers like ``worker``."""
        self.job = job
        command = [sys.executable, "-m", module, json.dumps(job)]
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), STARTED_BY: name_self()},
            # its GPU stays locked until the worker has ended as well
            pass_fds=held_locks(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.pid = self._process.pid

    def wait(self) -> None:
        """Wait until the process has imported what it needs.

        Raises:
            UserError: the worker ended; its message.
        """
        self._receive()

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Let the worker call a method of ``worker.Server`` and wait for the answer.

        Raises:
            UserError: the worker ended; its message.
        """
        # if the worker has ended, its closed output shows it below
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(json.dumps({"ask": method, **arguments}) + "\n")
            self._requests.flush()
        return self._receive()

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._errors.close()

    def _receive(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            reason = f": {lines[-1]}" if lines else ""
            raise UserError(
                f"latency of variant {self.job['variant']}: its worker ended with exit code "
                f"{self._process.returncode}{reason}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def time_variants(
    *,
    jobs: list[dict[str, Any]],
    recipes: dict[str, dict[str, Any]],
    manifest: str,
    images: int,
    min_seconds: float,
    min_runs: int,
    threads: int | None,
    batch: int,
    throughput: bool,
    out: str,
) -> None:
    """Time variants in turn and keep every sample.

    Args:
        jobs: one dict per variant: ``variant, runtime, cut, provider, tf32, model`` (ONNX path or null),
            ``config, checkpoint, spec, input`` (the input recipe's name), ``imports`` (modules).
        recipes: for each variant ``recipe``, a definition, and ``recipe_text``, for people.
        manifest: manifest JSON; its first ``images`` images are timed, again and again.
        images: number of images; only whole batches are timed.
        min_seconds: shortest measured time of each variant.
        min_runs: smallest number of measured runs of each variant.
        threads: threads of one operator, both runtimes; null means all usable cores.
        batch: images per run of the network; a sample is one run.
        throughput: measure images per second with overlap too, for ``min_seconds`` of each variant.
        out: Parquet file to write, see ``timing.read_samples``.

    Raises:
        UserError: a worker failed, or there are fewer images than in a batch.
    """
    threads = threads or len(os.sched_getaffinity(0))
    # JSON, as a worker takes them
    entries = [as_content(image) for image in read_manifest(manifest).images[:images]]
    entries = entries[: len(entries) // batch * batch]
    if not entries:
        raise UserError(f"latency.batch: {batch} images, and {manifest} has fewer; lower it")
    blocks = _blocks(entries, batch)
    facts: dict[str, Any] = {
        "machine": {**machine_facts(), "gpu_limits": gpu_limits()},
        "threads": threads,
        "batch": batch,
        "images": len(entries),
        "block_images": len(blocks[0]),
    }
    watch, workers = Watch(), dict[str, Worker]()
    described: dict[str, dict[str, Any]] = {}
    samples: list[dict[str, Any]] = []
    watch.look()
    try:
        for job in jobs:
            job = {**job, **recipes[job["variant"]], "threads": threads, "batch": batch}
            worker = workers[job["variant"]] = Worker(job)
            watch.add(worker.pid)
        for worker in tqdm(workers.values(), desc="importing", unit="variant"):
            worker.wait()
        # one at a time: two cold starts at once would compete for the machine
        for variant, worker in tqdm(workers.items(), desc="opening and warming up", unit="variant"):
            described[variant] = _describe(worker, entries)
        loads = _time_in_turn(workers, blocks, min_seconds, min_runs, watch, samples)
        watch.look()
        for variant, worker in workers.items():
            described[variant]["load"] = vars(loads[variant]) | {
                "foreign_cores": round(loads[variant].foreign_cores, 3)
            }
            described[variant]["throughput"] = (
                worker.ask("throughput", images=entries, seconds=min_seconds) if throughput else None
            )
            described[variant] |= worker.ask("finish", images=entries[:batch])
    finally:
        for worker in workers.values():
            worker.close()
    timed = {name: as_record(told, Timed, f"latency of variant {name}") for name, told in described.items()}
    timing = Timing(**facts, watch=as_record(watch.summary(), Watched, out), variants=timed)
    write_samples(out, samples, timing)


def _blocks(entries: list[dict[str, Any]], batch: int) -> list[list[dict[str, Any]]]:
    """Whole batches in blocks of about ``BLOCK`` images."""
    size = max(BLOCK // batch, 1) * batch
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def _describe(worker: Worker, entries: list[dict[str, Any]]) -> dict[str, Any]:
    job, facts = worker.job, worker.ask("open")
    warm_up = worker.ask("warm_up", images=entries)
    cold_start = {**facts["cold_start"], "first_run_ms": warm_up.pop("first_run_ms")}
    time.sleep(REST_S)
    return {
        **{key: job[key] for key in ("runtime", "cut", "tf32")},
        "provider_asked": job["provider"],
        "recipe": job["recipe_text"],
        **facts,
        "cold_start": cold_start,
        "warm_up": warm_up,
    }


def _time_in_turn(
    workers: dict[str, Worker],
    blocks: list[list[dict[str, Any]]],
    min_seconds: float,
    min_runs: int,
    watch: Watch,
    samples: list[dict[str, Any]],
) -> dict[str, Load]:
    """Add rows to ``samples`` until every variant has enough and every image the same number of runs."""
    loads = {variant: Load() for variant in workers}
    runs = dict.fromkeys(workers, 0)
    order, number = list(workers), 0
    with tqdm(desc="timing", unit="run") as progress:
        while number % len(blocks) or any(
            loads[v].seconds < min_seconds or runs[v] < min_runs for v in workers
        ):
            # another variant starts each round, so that a variant does not always follow the same one
            for variant in order[number % len(order) :] + order[: number % len(order)]:
                with watch.block(loads[variant]):
                    answer = workers[variant].ask("time", images=blocks[number % len(blocks)])
                time.sleep(REST_S)
                rows = answer["samples"]
                runs[variant] += len(rows)
                samples += [{"variant": variant, "round": number, **row} for row in rows]
                progress.update(len(rows))
            watch.look()
            number += 1
    return loads
