"""What a result must be."""


class NotRight(Exception):
    """A result or a message that is not right."""


def demand(holds: bool, what: str) -> None:
    """Raise if a result is not right."""
    if not holds:
        raise NotRight(what)
