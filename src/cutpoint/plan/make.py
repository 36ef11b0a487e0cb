"""Make the plan from the config: read, complete, resolve and check, before any job runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.errors import Gathered
from cutpoint.plan.checks import check_files, check_path
from cutpoint.plan.closure import config_files, module_files
from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.devices import check_providers, resolve_device
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Plan
from cutpoint.plan.gate_rules import Named, check_gate, gate_baseline, resolve_gate
from cutpoint.plan.locations import find_beside, locate_config
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import draft_plan
from cutpoint.plan.sources import Source, read_sources


@dataclass(frozen=True)
class Project:
    """A plan with everything that it was made from.

    Attributes:
        config: complete, in today's words, its paths as they were found.
        notices: what to write instead of each older word.
        sources: the rows of ``data/sources.tsv`` by path.
        recogniser: finds the layouts of external files.
        plan: the resolved config.
        gate: the bounds, see ``gate_rules.resolve_gate``.
        modules: the local files of the config's ``imports``.
        model_configs: the local files of each mmdet model's config, by model.
    """

    config: dict[str, Any]
    notices: list[str]
    sources: dict[str, Source]
    recogniser: Recogniser
    plan: Plan
    gate: list[dict[str, Any]]
    modules: list[str]
    model_configs: dict[str, list[str]]


def make_project(
    config: dict[str, Any],
    files: Sequence[str | Path],
    *,
    clone: Path,
    digests: Digests,
    remote: bool = False,
    check_machine: bool = True,
) -> Project:
    """Make the plan of a config.

    Args:
        config: its content as YAML gives it.
        files: the config files; they are read again, because YAML drops keys that are there twice.
        clone: the folder of the Snakefile.
        digests: remember what is read of large files.
        remote: jobs run on other machines.
        check_machine: whether this machine runs the jobs, so that it must have the providers.

    Raises:
        UserError: all that is wrong in the config and in the files that the plan reads. If the config is not
            as its schema says, nothing else is looked at.
    """
    found = Gathered()
    for path in files:
        with found.one():
            check_unique_keys(path)
    todays, notices = upgrade_config(config)
    complete: dict[str, Any] = {}
    with found.one():
        complete = locate_config(
            complete_config(todays, clone / "workflow/schemas/config.schema.yaml"), clone
        )
    found.stop()

    sources: dict[str, Source] = {}
    with found.one():
        sources = read_sources(find_beside("data/sources.tsv", clone))
    if (folder := complete["downloads"]["folder"]) is not None:
        with found.one():
            check_path("downloads.folder", folder, "folder", ())
    device = "cpu"
    with found.one():
        device = resolve_device(complete["device"], remote=remote)
    recogniser = Recogniser(sources, digests)
    draft = draft_plan(complete, device, recogniser, found)
    with found.one():
        check_gate(complete["gate"], _name_evaluations(complete), gate_baseline(complete))
    with found.one():
        check_files(draft, sources, digests)
    modules: list[str] = []
    with found.one():
        modules = module_files(complete["imports"])
    plan = draft.plan
    if check_machine:
        with found.one():
            check_providers(plan.wanted_providers)
    found.stop()

    gate = resolve_gate(complete["gate"], plan.evaluations, gate_baseline(complete))
    model_configs = {model.name: config_files(model.config) for model in plan.models if model.config}
    return Project(complete, notices, sources, recogniser, plan, gate, modules, model_configs)


def _name_evaluations(config: dict[str, Any]) -> list[Named]:
    """The names of a completed config's evaluations."""
    return [Named(e["model"], e["dataset"], tuple(e["variants"])) for e in config["evaluations"]]
