"""A section of the page: what is said about a data set and model, made of files of one kind."""

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
        build: what its template shows, of the entries of these files; without any content (null or empty) the
            section is left out.
        template: shows ``section.content``; that of a ``NumberTable`` unless the section has its own.
        alarms: sentences of the content that stand in the page's first section too.
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
    """The sections that have something to say; ``entries`` of one data set and model, by kind."""
    made = ((section, section.build(entries.get(section.kind, []))) for section in sections)
    return [Shown(s.title, s.template, content, s.alarms(content)) for s, content in made if content]
