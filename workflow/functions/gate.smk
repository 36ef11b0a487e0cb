from cutpoint.errors import UserError
from cutpoint.plan.paths import GATE_FILE


def get_gate(wildcards):
    """The gate's result, if the config has a gate."""
    if not GATE:
        stop(UserError("gate: the config has no rule to hold variants to; add one"))
    return GATE_FILE


def get_gate_settings(wildcards):
    return {"checks": GATE}
