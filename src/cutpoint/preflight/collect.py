"""Gather what the functions of the other packages say of an input: their mistakes, and what they print."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from cutpoint.errors import Gathered

# how the functions begin what they say of an input on stderr, where libraries and progress bars speak too
SPOKEN = "cutpoint: "


class Collected:
    """Problems and remarks, in the order in which they are found."""

    def __init__(self) -> None:
        self._problems = Gathered()
        self._remarks: dict[str, None] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """The messages of the mistakes."""
        return tuple(self._problems.messages)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was said besides."""
        return tuple(self._remarks)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Keep what is said inside, and the message of a ``UserError``, which ends the block."""
        out, err = io.StringIO(), io.StringIO()
        try:
            with self._problems.one(), redirect_stdout(out), redirect_stderr(err):
                yield
        finally:
            self.remark(*out.getvalue().splitlines())
            lines = (line.rsplit("\r", 1)[-1] for line in err.getvalue().splitlines())
            self.remark(*(line.removeprefix(SPOKEN) for line in lines if line.startswith(SPOKEN)))

    def remark(self, *lines: str) -> None:
        """Keep remarks, each once."""
        self._remarks |= dict.fromkeys(line for line in lines if line.strip())
