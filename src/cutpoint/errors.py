"""The one exception that a user's mistake raises."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can mend: what is wrong, where, and how to mend it, in one message.

    Scripts and command lines print the message without a traceback and exit with 1.
    """


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say where it was before the message of a ``UserError`` that is raised inside."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name with the nearest known one; empty if none is near."""
    nearest = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """As ``did_you_mean``, followed by all known names."""
    known = sorted(known)
    return f"{did_you_mean(name, known) or ';'} known: {', '.join(known) or 'none'}"
