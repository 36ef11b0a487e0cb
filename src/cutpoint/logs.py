"""A job's output goes to its log; a user's mistake gives one message."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutpoint.errors import UserError

# A progress bar writes into the log at most every so many seconds. tqdm reads this when it is imported.
BAR_INTERVAL_S = 1


@contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Send descriptors 1 and 2 into the file at ``path`` while the block runs.

    It redirects descriptors and not ``sys.stderr``, because ONNX Runtime's C++ does not print through Python.
    Nothing goes to the console: many jobs share it, and Snakemake shows the log of a job that failed. A
    ``UserError`` ends the process with exit code 1 and only its message in the log, another exception with
    its traceback.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TQDM_MININTERVAL", str(BAR_INTERVAL_S))
    saved = os.dup(1), os.dup(2)
    sink = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    for descriptor in (1, 2):
        os.dup2(sink, descriptor)
    os.close(sink)
    failed = False
    try:
        yield
    except UserError as error:
        failed = True
        print(f"cutpoint: {error}", file=sys.stderr)
    except Exception:
        failed = True
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
    if failed:
        sys.exit(1)
