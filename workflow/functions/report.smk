from cutpoint.errors import UserError


def get_figures():
    """Those of the report; a ladder only where the config has one, operating points with ground truth."""
    labelled = any(evaluation.dataset.annotations for evaluation in PLAN.evaluations)
    names = ["ap", *(["ladder"] if ENTRIES["ladders"] else [])]
    names += [
        *(["operating_points"] if labelled else []),
        "calibration",
        "latency",
        "stages",
    ]
    return [f"results/figures/{name}.svg" for name in names]


def get_gate(wildcards):
    """What the gate came to; only where the config has one."""
    if not GATE:
        stop(UserError("gate: the config has no rule to hold variants to; add one"))
    return "results/gate.json"
