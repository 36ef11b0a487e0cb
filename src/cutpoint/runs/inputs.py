"""What differs in what the numbers of two runs are made from."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cutpoint.records.capsule import Capsule, HashedFile
from cutpoint.records.run_comparison import Change, Inputs

# so many digits of a digest tell two files apart for people
DIGITS = 12


def changed_inputs(baseline: Capsule, run: Capsule) -> Inputs:
    """Compare configs key by key, versions, machines, and the content of files.

    A key of the config whose file, or whose images, have the same content under another name is marked so.
    """
    same = _same_content(baseline, run)
    config = _changes(baseline.config, run.config)
    return Inputs(
        config=tuple(
            Change(change.key, change.baseline, change.run, same_content=change.key in same)
            for change in config
        ),
        versions=tuple(_changes(_versions(baseline), _versions(run), as_text=str)),
        machine=tuple(_changes(_machine(baseline), _machine(run))),
        files=(*_files(baseline, run, same), *_images(baseline, run), *_truths(baseline, run)),
    )


def _versions(capsule: Capsule) -> dict[str, Any]:
    own = {"cutpoint": capsule.cutpoint, "python": capsule.machine.get("python")}
    own |= {"commit": capsule.commit} if capsule.commit else {}
    return own | capsule.libraries


def _machine(capsule: Capsule) -> dict[str, Any]:
    return {key: value for key, value in capsule.machine.items() if key != "python"}


def _changes(
    baseline: Mapping[str, Any],
    run: Mapping[str, Any],
    prefix: str = "",
    as_text: Callable[[Any], str] = lambda value: json.dumps(value, ensure_ascii=False),
) -> Iterator[Change]:
    """The keys whose values differ, down to the innermost mapping; the run's order, then what it lacks."""
    for key in dict.fromkeys([*run, *baseline]):
        old, new = baseline.get(key), run.get(key)
        if key in baseline and key in run:
            if isinstance(old, dict) and isinstance(new, dict):
                yield from _changes(old, new, f"{prefix}{key}.", as_text)
            elif isinstance(old, list) and isinstance(new, list) and _are_mappings(old + new):
                yield from _changes(_numbered(old), _numbered(new), f"{prefix}{key}", as_text)
            elif old != new:
                yield Change(prefix + key, as_text(old), as_text(new))
        elif old is not new:
            # a key that the other version does not know yet, and that is null here, is no change
            yield Change(
                prefix + key,
                as_text(old) if key in baseline else None,
                as_text(new) if key in run else None,
            )


def _numbered(items: list[Any]) -> dict[str, Any]:
    return {f"[{number}]": item for number, item in enumerate(items)}


def _are_mappings(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _same_content(baseline: Capsule, run: Capsule) -> set[str]:
    """Roles of files, and keys of folders of images, that have the same content in both runs."""
    sides = [
        {file.role: file.sha256 for file in capsule.files}
        | {f"datasets.{images.dataset}.images": images.sha256 for images in capsule.images}
        for capsule in (baseline, run)
    ]
    same = {role for role, digest in sides[0].items() if sides[1].get(role) == digest}
    scored = [{(t.dataset, t.model): t.sha256 for t in capsule.truths} for capsule in (baseline, run)]
    datasets = {dataset for truths in scored for dataset, _ in truths}
    for dataset in datasets:
        own = [{pair: digest for pair, digest in truths.items() if pair[0] == dataset} for truths in scored]
        # another file with the same boxes
        same |= {f"datasets.{dataset}.annotations"} if own[0] == own[1] else set()
    return same


def _files(baseline: Capsule, run: Capsule, same: set[str]) -> Iterator[Change]:
    sides = [{file.role: file for file in capsule.files} for capsule in (baseline, run)]
    known = [{file.sha256 for file in files.values()} for files in sides]
    for role in dict.fromkeys([*sides[1], *sides[0]]):
        old, new = sides[0].get(role), sides[1].get(role)
        if old and new:
            if old.sha256 != new.sha256:
                yield Change(role, _file(old), _file(new), same_content=role in same)
        else:
            elsewhere = (old is None or old.sha256 in known[1]) and (new is None or new.sha256 in known[0])
            yield Change(
                role, _file(old) if old else None, _file(new) if new else None, same_content=elsewhere
            )


def _file(file: HashedFile) -> str:
    return f"{file.path} (sha256 {file.sha256[:DIGITS]})"


def _images(baseline: Capsule, run: Capsule) -> Iterator[Change]:
    sides = [
        {images.dataset: (images.sha256, f"{images.images} images") for images in capsule.images}
        for capsule in (baseline, run)
    ]
    yield from _sets("datasets.{}.images: content", *sides)


def _truths(baseline: Capsule, run: Capsule) -> Iterator[Change]:
    sides = [
        {f"{t.dataset}, {t.model}": (t.sha256, f"{t.boxes} boxes") for t in capsule.truths}
        for capsule in (baseline, run)
    ]
    yield from _sets("ground truth of {}", *sides)


def _sets(
    title: str, baseline: dict[str, tuple[str, str]], run: dict[str, tuple[str, str]]
) -> Iterator[Change]:
    """Digests with a text; names that only one run has are named by the config already."""
    for name in run:
        if name in baseline and baseline[name][0] != run[name][0]:
            old, new = (f"{text} (sha256 {digest[:DIGITS]})" for digest, text in (baseline[name], run[name]))
            yield Change(title.format(name), old, new)
