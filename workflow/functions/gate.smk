from cutpoint.errors import UserError
from cutpoint.plan.paths import GATE_FILE


def get_gate(wildcards):
    """What the gate came to; only where the config has one."""
    if not GATE:
        stop(UserError("gate: the config has no rule to hold variants to; add one"))
    return GATE_FILE


def get_gate_settings(wildcards):
    return {"checks": GATE}
