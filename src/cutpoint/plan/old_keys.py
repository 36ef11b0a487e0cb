"""Replace older words of a config with today's words, and give a notice for each."""

from typing import Any

from cutpoint.records.recipe import OLD_STEPS, has_old_name, old_parameters, upgrade_definition


def upgrade_config(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Write the steps of a config's recipes in today's words.

    Args:
        config: as it was read, not checked yet; YAML turns an unquoted ``on`` into ``True``.

    Returns:
        a copy with today's words, and for each older word a line that says what to write instead.
    """
    changed, notices = dict(config), list[str]()
    for where, section, name, definition in _definitions(config):
        steps = definition.get("steps")
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            continue  # refused later, with its place
        notices += [line for n, step in enumerate(steps) for line in _notices(f"{where}.steps[{n}]", step)]
        upgraded = upgrade_definition(definition)
        entries = dict(changed[section])
        entries[name] = upgraded if section == "recipes" else {**entries[name], "recipe": upgraded}
        changed[section] = entries
    return changed, notices


def _definitions(config: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Every recipe that is written out: its place, section, name and definition."""
    recipes, variants = (config.get(section) for section in ("recipes", "variants"))
    places = [
        (f"recipes.{name}", "recipes", name, entry)
        for name, entry in (recipes.items() if isinstance(recipes, dict) else ())
    ] + [
        (f"variants.{name}.recipe", "variants", name, entry.get("recipe"))
        for name, entry in (variants.items() if isinstance(variants, dict) else ())
        if isinstance(entry, dict)
    ]
    return [place for place in places if isinstance(place[3], dict)]


def _notices(where: str, step: dict[Any, Any]) -> list[str]:
    lines = []
    if has_old_name(step):
        lines.append(
            f"{where}: `step: {step['step']}` is an older word; write `step: {OLD_STEPS[step['step']]}`"
        )
    for key, new in old_parameters(step).items():
        old = "on" if key is True else key
        lines.append(f"{where}: `{old}: {step[key]}` is an older word; write `{new}: {step[key]}`")
    return lines
