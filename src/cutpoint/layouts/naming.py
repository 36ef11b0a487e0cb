"""Write the class names of a model without mmdet."""

import json
from collections.abc import Sequence

from cutpoint.errors import UserError
from cutpoint.layouts.classes import metadata_names, read_class_names
from cutpoint.layouts.facts import read_facts
from cutpoint.records.classes import Classes, write_classes
from cutpoint.records.manifest import read_manifest


def name_classes(
    *, model: str, classes: str, files: Sequence[str], manifests: Sequence[str], out: str
) -> None:
    """Write the class names by label.

    Args:
        model: the model's name.
        classes: the config's ``classes``, JSON; see ``classes.read_class_names``. With null the names are
            those in the ONNX files; a model of results files alone has the categories of its data sets.
        files: the model's ONNX files; may be empty.
        manifests: manifest JSON of the data sets of a model without ONNX files.
        out: JSON file to write, see ``records.classes.Classes``.

    Raises:
        UserError: there are no names, or they are not names, or the files name other classes than each other.
    """
    given, where = json.loads(classes), f"models.{model}.classes"
    if given is None:
        names = _of_files(files, where) if files else _of_data(manifests, where)
    else:
        names = read_class_names(given, None, where)
    write_classes(out, Classes(model, names, fixed=True))


def _of_files(files: Sequence[str], where: str) -> tuple[str, ...]:
    facts = {path: read_facts(path) for path in files}
    own = {path: metadata_names(fact.metadata, f"{where}: {path}") for path, fact in facts.items()}
    named = {path: names for path, names in own.items() if names is not None}
    if not named:
        # this message names the ways to write them
        return read_class_names(None, next(iter(facts.values())), where)
    (first, names), *others = named.items()
    for path, other in others:
        if other != names:
            raise UserError(
                f"{where}: {first} names {len(names)} classes, and {path} {_difference(names, other)}; write "
                "classes, or make the files two models"
            )
    return names


def _difference(names: Sequence[str], other: Sequence[str]) -> str:
    if len(names) != len(other):
        return str(len(other))
    label = next(number for number, name in enumerate(names) if name != other[number])
    return f"names class {label} {other[label]!r} instead of {names[label]!r}"


def _of_data(manifests: Sequence[str], where: str) -> tuple[str, ...]:
    """The names of the categories, in the order of the first data set that has them."""
    categories = [category for path in manifests for category in read_manifest(path).categories]
    if not categories:
        raise UserError(
            f"{where}: null, and neither an ONNX file nor annotations name the classes; write the names"
        )
    return tuple(dict.fromkeys(category.name for category in categories))
