from snakemake.common.prefix_lookup import PrefixLookup

from cutpoint.plan.paths import WRITTEN

# As a module with a `prefix`, Snakemake puts it before every path. Here it stands before what the workflow writes:
# the user's own files and downloads are where the config says. What `replace_prefix` says is left as it is.
MODIFIER = workflow.modifier.path_modifier
if MODIFIER.prefix is not None:
    MOVED = [(folder, f"{MODIFIER.prefix}{folder}") for folder in WRITTEN]
    MODIFIER.prefix, MODIFIER._prefix_replacements = None, PrefixLookup(MOVED)

# With a default storage provider, what the workflow writes is kept there. A job has a local copy of each of its
# inputs. The user's files and downloads stay where the config says: they are read when the plan is made.
STORED = workflow.storage_settings.default_storage_provider is not None


def place(value):
    """A value of the plan with the paths that the workflow writes where this run writes them.

    Snakemake changes the paths of inputs, outputs and logs. It does not change those in params.
    """
    if not (MODIFIER.modifies_prefixes or STORED):
        return value
    if isinstance(value, dict):
        return {place(key): place(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(place, value))
    own = isinstance(value, str) and value.startswith(WRITTEN)
    return str(MODIFIER.modify(value)) if own else value


def beside_storage(path):
    """A file that is not kept in the storage."""
    return local(path) if STORED else path
