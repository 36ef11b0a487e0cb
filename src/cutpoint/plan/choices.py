"""The recipe and the input recipe that a variant chooses: a base with changed values."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cutpoint.data.inputs import KEYS, OWN

# The model's own input recipe if it is an mmdet model; names list what differs from it.
INPUT = "mmdet"
# What an input adds to the name of a run is at most so long; otherwise a digest stands for it.
LONGEST_SUFFIX = 40


@dataclass(frozen=True)
class RecipeChoice:
    """The recipe of a variant: a base with changed values, or steps written out in the config.

    ``overrides`` are in the order of ``OVERRIDES``. ``steps`` is JSON, and null for a base.
    """

    name: str = "mmdet3"
    overrides: tuple[tuple[str, float | bool | str], ...] = ()
    steps: str | None = None

    @classmethod
    def written_out(cls, steps: list[dict[str, Any]], name: str | None) -> "RecipeChoice":
        """Steps from the config, by their name there; steps without a name get one from their hash."""
        text = json.dumps(steps, sort_keys=True)
        return cls(name or f"steps-{_short_digest(text)}", steps=text)

    @property
    def definition(self) -> str | dict[str, Any]:
        """As ``recipes.recipe.resolve_recipe`` takes it."""
        if self.steps:
            return {"steps": json.loads(self.steps)}
        return {"base": self.name, **dict(self.overrides)} if self.overrides else self.name

    @property
    def text(self) -> str:
        """The recipe cell of the tables: ``mmdet3+score_thr=0.3``."""
        return "+".join([self.name, *(_override(key, value, "=") for key, value in self.overrides)])

    @property
    def suffix(self) -> str:
        """What it adds to the name of an export: ``-mmdeploy``, ``-score_thr-0_3``."""
        parts = [] if self.name == "mmdet3" else [self.name]
        parts += [_override(key, value, "-") for key, value in self.overrides]
        return "".join(f"-{part}".replace(".", "_") for part in parts)


@dataclass(frozen=True)
class InputChoice:
    """The input recipe of a run: a base with changed values.

    ``base``: a row of ``data.inputs.INPUTS``, or ``own`` for the one of an external file's ``layout``, whose
    name is shown in its place. ``overrides``: pairs in the order of ``data.inputs.KEYS``, lists as tuples.
    """

    base: str = INPUT
    overrides: tuple[tuple[str, Any], ...] = ()
    layout: str | None = None

    @classmethod
    def read(cls, entry: str | dict[str, Any], layout: str | None = None) -> "InputChoice":
        """The config's ``input``, of an mmdet model or of an external file with a layout."""
        keys = {"base": entry} if isinstance(entry, str) else entry
        base = keys.get("base", OWN)
        values = ((key, keys[key]) for key in KEYS if key in keys)
        frozen = tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in values)
        return cls(INPUT if base == OWN and layout is None else base, frozen, layout)

    @property
    def definition(self) -> str | dict[str, Any]:
        """As ``data.inputs.resolve_input`` takes it."""
        values = {key: list(v) if isinstance(v, tuple) else v for key, v in self.overrides}
        return {"base": self.base, **values} if values else self.base

    @property
    def text(self) -> str:
        """The input cell of the tables: ``stretch``, ``mmdet+place=centre``, ``ultralytics+fill=0``."""
        base = self.layout if self.layout and self.base == OWN else self.base
        return "+".join([base, *(f"{key}={_shown(key, value)}" for key, value in self.overrides)])

    @property
    def suffix(self) -> str:
        """What it adds to the name of a run: ``-stretch``, ``-place-centre``."""
        parts = [] if self.base == (OWN if self.layout else INPUT) else [self.base]
        parts += [f"{key}-{_shown(key, value)}" for key, value in self.overrides]
        text = "".join(f"-{part}" for part in parts).replace(".", "_").replace(",", "-")
        if len(text) <= LONGEST_SUFFIX:
            return text
        return f"-input-{_short_digest(json.dumps(self.definition))}"

    @property
    def aspects(self) -> dict[str, Any]:
        """What can differ between two inputs, by its name in messages."""
        values = dict(self.overrides)
        alone = {f"input {key}": values.get(key) for key in KEYS if key not in ("mean", "std")}
        # they belong together
        pair = (
            None if "mean" not in values and "std" not in values else (values.get("mean"), values.get("std"))
        )
        return {"input": self.base, **alone, "input mean and std": pair}


# the input of an mmdet model that its config says nothing about
OWN_INPUT = InputChoice()


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _override(key: str, value: float | bool | str, between: str) -> str:
    left_out = {"score_voting": "no-voting", "clip": "no-clip"}
    return left_out.get(key, f"{key}{between}{value}")


def _shown(key: str, value: Any) -> str:
    """A value of an input as the tables show it: ``640x640``, ``0.485,0.456,0.406``, ``none``."""
    if isinstance(value, tuple):
        return ("x" if key in ("size", "frame") else ",").join(f"{number:g}" for number in value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
