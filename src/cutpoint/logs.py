"""A job's output goes to its log; a user's mistake or a fault of the machine gives one message."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.faults import describe_fault
from cutpoint.lifeline import follow_starter
from cutpoint.printable import printable

# A progress bar writes into the log at most every so many seconds. tqdm reads this when it is imported.
BAR_INTERVAL_S = 1


@contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Send descriptors 1 and 2 into the file at ``path`` while the block runs.

    It redirects descriptors and not ``sys.stderr``, because ONNX Runtime's C++ does not print through Python.
    Nothing goes to the console: many jobs share it, and Snakemake shows the log of a job that failed. A
    ``UserError`` or a fault of the machine ends the process with exit code 1 and only its message in the log,
    another exception with its traceback. If the log cannot be written, this goes to the console.

    From here on the process ends with the one that started it, see ``lifeline``.
    """
    follow_starter()
    os.environ.setdefault("TQDM_MININTERVAL", str(BAR_INTERVAL_S))
    try:
        sink = _open(Path(path))
    except OSError as error:
        sys.exit(f"cutpoint: {describe_fault(error) or error}")
    saved = os.dup(1), os.dup(2)
    for descriptor in (1, 2):
        os.dup2(sink, descriptor)
    os.close(sink)
    message, code = "", 1
    try:
        yield
    except UserError as error:
        message = f"cutpoint: {error}"
    except KeyboardInterrupt:
        # by convention 128 and the number of the signal
        message, code = "cutpoint: interrupted", 128 + signal.SIGINT
    except Exception as error:
        fault = describe_fault(error)
        message = f"cutpoint: {fault}" if fault else traceback.format_exc().rstrip()
    finally:
        logged = _write(message)
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
    if message:
        if not logged:
            print(printable(message), file=sys.stderr)
        sys.exit(code)


def say(text: str) -> None:
    """Write a line into the job's log."""
    print(printable(text), file=sys.stderr, flush=True)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)


def _write(message: str) -> bool:
    """End the log with a message; false if the log cannot be written, on a full disk for example."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        if message:
            os.write(2, f"{printable(message)}\n".encode())
    except OSError:
        return False
    return True
