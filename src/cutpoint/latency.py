"""Time variants end to end, image file to final boxes: one worker process a variant, driven in turn.

The coordinator imports no runtime. Blocks of the variants alternate, so that a machine that drifts hits all
alike.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from cutpoint.errors import UserError
from cutpoint.files import read_json, replacing, write_json
from cutpoint.machine import machine_facts

STAGES = ("decode", "preprocess", "inference", "postprocess", "total")
PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
METADATA = b"cutpoint"


class Worker:
    """A variant in a process of its own, answering one JSON line for one JSON line."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        command = [sys.executable, "-m", "cutpoint.latency_worker", json.dumps(job)]
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        # one at a time: two cold starts at once would compete for the machine
        self.facts = self._receive()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            UserError: the worker ended; its message.
        """
        # a worker that ended meanwhile is told by its closed answers
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._receive()

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _receive(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            reason = f": {lines[-1]}" if lines else ""
            raise UserError(
                f"latency of variant {self.job['variant']}: its worker ended with exit code "
                f"{self._process.returncode}{reason}"
            )
        return json.loads(line)


def time_variants(
    *,
    jobs: list[dict[str, Any]],
    manifest: str,
    images: int,
    min_seconds: float,
    min_runs: int,
    threads: int | None,
    out: str,
) -> None:
    """Time variants side by side and keep every sample.

    Args:
        jobs: one dict a variant: ``variant, runtime, cut, provider, model`` (ONNX path or null), ``config,
            checkpoint, spec`` (path), ``recipe, input`` (the input recipe's name), ``imports`` (modules).
        manifest: manifest JSON; its first ``images`` images are timed, over and over.
        images: number of images.
        min_seconds: least measured seconds of each variant.
        min_runs: least measured images of each variant.
        threads: threads of one operator, both runtimes; null means all usable cores.
        out: Parquet file to write: ``variant, round, image_id`` and the stages in ms.

    Raises:
        UserError: a worker failed.
    """
    threads = threads or len(os.sched_getaffinity(0))
    entries = [{"id": e["id"], "path": e["path"]} for e in read_json(manifest)["images"][:images]]
    facts = {"machine_before": machine_facts(), "threads": threads, "batch": 1, "images": len(entries)}
    workers: list[Worker] = []
    samples, described = [], {}
    try:
        for job in tqdm(jobs, desc="starting and warming up", unit="variant"):
            worker = Worker({**job, "threads": threads})
            workers.append(worker)
            described[job["variant"]] = {
                **{key: job[key] for key in ("runtime", "cut")},
                "provider_asked": job["provider"],
                **worker.facts,
                "warm_up": worker.ask({"warm_up": entries}),
            }
        seconds = dict.fromkeys(described, 0.0)
        runs = dict.fromkeys(described, 0)
        number = 0
        with tqdm(desc="timing", unit="image") as progress:
            while any(seconds[v] < min_seconds or runs[v] < min_runs for v in described):
                # another variant starts each round, so that none always follows the same one
                for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
                    variant = worker.job["variant"]
                    began = time.perf_counter()
                    rows = worker.ask({"time": entries})["samples"]
                    seconds[variant] += time.perf_counter() - began
                    runs[variant] += len(rows)
                    samples += [{"variant": variant, "round": number, **row} for row in rows]
                    progress.update(len(rows))
                number += 1
    finally:
        for worker in workers:
            worker.close()
    facts["load_1min_after"] = round(os.getloadavg()[0], 2)
    table = pa.Table.from_pandas(pd.DataFrame(samples), preserve_index=False)
    metadata = json.dumps({**facts, "variants": described}).encode()
    with replacing(out) as temporary:
        pq.write_table(table.replace_schema_metadata({METADATA: metadata}), temporary, compression="zstd")


def summarize_latency(*, samples: str, variant: str, out: str) -> None:
    """Write one variant's latency JSON from the samples.

    Args:
        samples: Parquet file of ``time_variants``.
        variant: its name.
        out: JSON file to write; milliseconds, nothing clipped, no best-of.
    """
    table = pq.read_table(samples)
    facts = json.loads(table.schema.metadata[METADATA])
    described = facts["variants"][variant]
    rows = table.to_pandas().query("variant == @variant")
    write_json(
        out,
        {
            "variant": variant,
            **described,
            "threads": facts["threads"],
            "batch": facts["batch"],
            "images": facts["images"],
            "stages": {stage: stage_statistics(rows[stage].to_numpy()) for stage in STAGES},
            "machine": {**facts["machine_before"], "load_1min_after": facts["load_1min_after"]},
            "samples": Path(samples).as_posix(),
        },
    )


def stage_statistics(milliseconds: np.ndarray) -> dict[str, float | int]:
    """Percentiles, mean and count of ``(N,)`` samples in ms."""
    values = {name: float(np.percentile(milliseconds, q)) for name, q in PERCENTILES.items()}
    return {**values, "mean": float(milliseconds.mean()), "n": len(milliseconds)}
