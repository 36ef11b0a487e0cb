"""How templates of pages are filled in."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from cutpoint.printable import shown


def open_templates() -> Environment:
    """The package's templates: names of files cannot become markup, and a missing value is an error."""
    return Environment(
        loader=PackageLoader("cutpoint.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
