"""The exceptions that a user's mistakes raise."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cutpoint.printable import printable

# characters of a value that a message shows
SHOWN = 60


class UserError(Exception):
    """Something the user can mend: what is wrong, where, and how to mend it, in one message.

    Scripts and command lines print the message without a traceback and exit with 1. Names from files may have
    characters that command a terminal, or that no text file holds; they are written as Python writes them.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message, keep="\n"))


class UserErrors(UserError):
    """Several mistakes that were found at once; ``messages`` are theirs."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        count = len(self.messages)
        numbered = (f"  {number}. {message}" for number, message in enumerate(self.messages, start=1))
        super().__init__("\n".join([f"{count} problems:", *numbered]))


class Gathered:
    """Gathers mistakes, so that one message tells all of them.

    ``with gathered.one(): check(...)`` goes on after a ``UserError``. ``stop`` raises what was gathered.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Keep the message of a ``UserError`` that is raised inside; each message once."""
        try:
            yield
        except UserErrors as errors:
            self._keep(*errors.messages)
        except UserError as error:
            self._keep(str(error))

    def _keep(self, *messages: str) -> None:
        self.messages += [message for message in dict.fromkeys(messages) if message not in self.messages]

    def stop(self) -> None:
        """Raise if something was gathered.

        Raises:
            UserError: the one mistake, or ``UserErrors``: several.
        """
        if len(self.messages) == 1:
            raise UserError(self.messages[0])
        if self.messages:
            raise UserErrors(self.messages)


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say where it was before the message of a ``UserError`` that is raised inside."""
    try:
        yield
    except UserErrors as errors:
        raise UserErrors([f"{where}: {message}" for message in errors.messages]) from errors
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def show(value: Any) -> str:
    """A value of a user's file in a message: as Python writes it, in one line, cut at ``SHOWN``."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}..."
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested a thousand times, or a number of thousands of digits
        return f"{type(value).__name__} that is too long to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name with the nearest known one; empty if none is near."""
    nearest = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """As ``did_you_mean``, followed by all known names."""
    known = sorted(known)
    return f"{did_you_mean(name, known) or ';'} known: {', '.join(known) or 'none'}"
