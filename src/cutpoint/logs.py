"""A job's output goes to its log and to the console; a user's mistake gives one message."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cutpoint.errors import UserError

TEE_TIMEOUT_S = 5


@contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Copy descriptors 1 and 2 into the file at ``path`` while the block runs.

    It copies descriptors and not ``sys.stderr``, because ONNX Runtime's C++ does not print through Python. A
    ``UserError`` ends the process with exit code 1 and only its message. Any other exception keeps its
    traceback.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    source, sink = os.pipe()
    tee = subprocess.Popen(["tee", str(path)], stdin=source, stdout=saved[1])
    os.close(source)
    failed = False
    try:
        for descriptor in (1, 2):
            os.dup2(sink, descriptor)
        os.close(sink)
        yield
    except UserError as error:
        failed = True
        print(f"cutpoint: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        # a process that a library left running may hold the pipe open: tee then ends with it
        with suppress(subprocess.TimeoutExpired):
            tee.wait(timeout=TEE_TIMEOUT_S)
    if failed:
        sys.exit(1)
