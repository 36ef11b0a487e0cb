"""The reports that the tests open, by name: each a function of an empty folder."""

from collections.abc import Callable
from pathlib import Path

from page_fixtures import page_arguments

CASES: dict[str, Callable[[Path], dict]] = {"plain": page_arguments}
