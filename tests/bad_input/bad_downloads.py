"""Bad inputs: downloads."""

from bad_input import BadInput

ROWS: list[BadInput] = []
