"""A section of the page about a data set and model, made from files of one kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# ``{dataset, model, variant, path}``
Entry = dict[str, str]


def _silent(content: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Section:
    """A section for each data set and model of the page, in the order of ``sections.SECTIONS``.

    Attributes:
        title: its heading.
        kind: the files that it shows, a key of ``plan.tables.report_entries``.
        build: makes the content for the template from the entries of these files; the section is left out if
            the content is null or empty.
        template: shows ``section.content``; the default shows a ``NumberTable``.
        alarms: sentences from the content that the page's first section shows too.
    """

    title: str
    kind: str
    build: Callable[[list[Entry]], Any]
    template: str = "numbers.html.j2"
    alarms: Callable[[Any], Sequence[str]] = _silent


@dataclass(frozen=True)
class Shown:
    """A section of one data set and model; see ``Section``."""

    title: str
    template: str
    content: Any
    alarms: Sequence[str]


def show(sections: Sequence[Section], entries: dict[str, list[Entry]]) -> list[Shown]:
    """The sections with content; ``entries`` of one data set and model, by kind."""
    made = ((section, section.build(entries.get(section.kind, []))) for section in sections)
    return [Shown(s.title, s.template, content, s.alarms(content)) for s, content in made if content]
