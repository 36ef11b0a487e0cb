from cutpoint.errors import UserError
from cutpoint.plan.paths import GATE_FILE, GATE_RUNS_FILE
from cutpoint.records.gate import AGAINST_BASELINE


def get_gate(wildcards):
    """The gate's result, if the config has a gate."""
    if not GATE:
        stop(UserError("gate: the config has no rule to hold variants to; add one"))
    return GATE_FILE


def get_gate_files(wildcards):
    """This run compared with the gate's baseline, if a bound is about it."""
    against = any(check["column"] in AGAINST_BASELINE for check in GATE)
    return {"runs": GATE_RUNS_FILE} if against else {}


def get_gate_settings(wildcards):
    return {"checks": GATE}
