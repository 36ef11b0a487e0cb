"""Make the plan from the config: read, complete, resolve and check, before any job runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.plan.checks import check_files
from cutpoint.plan.closure import config_files, module_files
from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.devices import check_providers, resolve_device
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Plan
from cutpoint.plan.gate_rules import gate_baseline, resolve_gate
from cutpoint.plan.locations import find_beside, locate_config
from cutpoint.plan.old_keys import upgrade_config
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import build_plan
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
        UserError: what is wrong in the config or in a file that the plan reads.
    """
    for path in files:
        check_unique_keys(path)
    todays, notices = upgrade_config(config)
    complete = locate_config(complete_config(todays, clone / "workflow/schemas/config.schema.yaml"), clone)
    sources = read_sources(find_beside("data/sources.tsv", clone))
    recogniser = Recogniser(sources, digests)
    plan = build_plan(complete, resolve_device(complete["device"], remote=remote), recogniser)
    gate = resolve_gate(complete["gate"], plan.evaluations, gate_baseline(complete))
    check_files(plan, sources, digests)
    modules = module_files(complete["imports"])
    model_configs = {model.name: config_files(model.config) for model in plan.models if model.config}
    if check_machine:
        check_providers(plan.wanted_providers)
    return Project(complete, notices, sources, recogniser, plan, gate, modules, model_configs)
