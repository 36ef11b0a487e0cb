"""The layouts of the files of models without mmdet: named in the config, or recognised from the files."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from cutpoint.errors import UserError, located, suggest
from cutpoint.layouts.classes import NAMES_KEY, read_class_names
from cutpoint.layouts.describe import open_input
from cutpoint.layouts.recognise import recognise
from cutpoint.layouts.table import TABLE
from cutpoint.onnx_file import check_onnx_file
from cutpoint.plan.checks import CLASS_LISTS, check_path
from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Model
from cutpoint.plan.resolve_external import Layout
from cutpoint.plan.resolve_variant import choose_recipe
from cutpoint.records.graph_facts import GraphFacts
from cutpoint.records.json_file import as_content, as_record

# the module that reads a file
FACTS = "cutpoint.layouts.facts"


class Recogniser:
    """Finds the layout of a file. What is read of the file is kept with its digest."""

    def __init__(self, sources: Collection[str], digests: Digests) -> None:
        """``sources``: paths that are fetched when they are missing."""
        self._sources, self._digests, self._code = sources, digests, CodeDigests(digests)

    def __call__(self, where: str, path: str, name: str | None, model: Model) -> Layout:
        """The layout of a file.

        Args:
            where: the config key of the variant, for messages.
            path: the file.
            name: the layout that the config names; null to recognise it.
            model: the file's model.

        Raises:
            UserError: the file is missing or no ONNX file, the name is unknown, or not just one layout fits.
        """
        if name is not None and name not in TABLE:
            raise UserError(f"{where}.layout: {name!r} is unknown{suggest(name, TABLE)}")
        if name is None:
            check_path(f"{where}.onnx", path, "file", self._sources)
            if not Path(path).exists():
                raise UserError(
                    f"{where}.onnx: {path} is still to be fetched, so its layout cannot be recognised; write "
                    f"layout, one of {', '.join(TABLE)}"
                )
            with located(f"{where}.onnx"):
                check_onnx_file(path)
                name = recognise(self._facts(path), path, self._classes(model)).layout
        recipe = choose_recipe(f"the layout {name}", TABLE[name].recipe, {})
        left_open = self._open_input(where, path, name)
        seen = not self._is_fetched(path)
        precision = self._facts(path).precision if seen else None
        return Layout(name, TABLE[name].cut, recipe, left_open, precision)

    def _open_input(self, where: str, path: str, name: str) -> Literal["input", "size", "unseen"] | None:
        if TABLE[name].asks_input:
            return "input"
        if self._is_fetched(path):
            return "unseen"
        with located(f"{where}.onnx"):
            check_onnx_file(path)
            return open_input(self._facts(path), name)

    def _is_fetched(self, path: str) -> bool:
        """Whether a file is not looked at: the plan must be the same before and after it is fetched."""
        return path in self._sources or not Path(path).exists()

    def class_text(self, path: str) -> str | None:
        """What a file's metadata says about class names; null if nothing, or if it is still to be fetched.

        Raises:
            UserError: no ONNX file.
        """
        return self._facts(path).metadata.get(NAMES_KEY) if Path(path).exists() else None

    def _facts(self, path: str) -> GraphFacts:
        # another reading of the same file is another fact
        kind = f"facts {self._code.digest(FACTS)}"
        content = self._digests.remember(kind, path, _read)
        return as_record(content, GraphFacts, path)

    def _classes(self, model: Model) -> tuple[str, ...] | None:
        """The class names that the config gives; null if there are none yet."""
        given = json.loads(model.classes)
        fetched = isinstance(given, str) and given not in CLASS_LISTS and not Path(given).exists()
        if given is None or fetched:
            return None
        return read_class_names(given, None, f"models.{model.name}.classes")


def _read(path: str) -> dict[str, Any]:
    # a plan whose files are known does not wait for this import
    from cutpoint.layouts.facts import read_facts

    return as_content(read_facts(path))
