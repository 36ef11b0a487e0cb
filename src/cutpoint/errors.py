"""The one exception that a user's mistake raises."""

from collections.abc import Iterator
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
