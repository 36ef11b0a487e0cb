"""What the page carries beside its content: styles, scripts, and the libraries that they use."""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from markupsafe import Markup

_ASSETS = files("cutpoint.report").joinpath("assets")
# In the order in which they are loaded: state first, what shows it after.
STYLES = ("vendor/tabulator_simple.min.css", "vendor/photoswipe.css", "page.css", "tables.css")
LIBRARIES = (
    "vendor/tabulator.min.js",
    "vendor/photoswipe.umd.min.js",
    "vendor/photoswipe-lightbox.umd.min.js",
)
SCRIPTS = (
    "state.js",
    "toolbox.js",
    "table_tools.js",
    "table_cells.js",
    "tables.js",
    "figures.js",
    "gallery.js",
    "page.js",
)


@cache
def styles() -> Markup:
    """The content of the page's ``style`` element."""
    return Markup("\n".join(_read(name) for name in STYLES))


@cache
def libraries() -> Markup:
    """The libraries as the content of a ``script`` element: Vega, then those of ``vendor``."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # a scope of its own: the bundle has names at its top level that other scripts may have too; and its own
    # console, since Vega-Lite warns of what it chooses by itself, of which no reader has use
    quiet = "Object.assign(Object.create(console), { warn() {} })"
    vega = f"(function (console) {{\n{bundle}\n}})({quiet});"
    return Markup("\n".join([vega, *(_read(name) for name in LIBRARIES)]))


@cache
def scripts() -> Markup:
    """The page's own scripts as the content of a ``script`` element."""
    return Markup("\n".join(_read(name) for name in SCRIPTS))


def embed_json(value: Any) -> Markup:
    """A value as the content of a ``script`` element of type ``application/json``; nothing in it ends it."""
    return Markup(json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"))


def _read(name: str) -> str:
    text = _ASSETS.joinpath(name).read_text(encoding="utf-8")
    if "</script" in text or "</style" in text:
        raise ValueError(f"{name} would end its element")
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.MULTILINE)
