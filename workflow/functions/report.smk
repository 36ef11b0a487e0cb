from cutpoint.plan.paths import GATE_FILE, detections_file, figure_file
from cutpoint.plan.tables import row_files


def get_drawn_ladders(wildcards):
    return row_files(ENTRIES["ladders"], "path")


def get_ladder_plot_settings(wildcards):
    return {"ladders": ENTRIES["ladders"]}


def get_drawn_points(wildcards):
    return row_files(ENTRIES["points"], "path")


def get_point_plot_settings(wildcards):
    return {"points": ENTRIES["points"]}


def get_drawn_latencies(wildcards):
    return row_files(ROWS, "latency")


def get_stage_plot_settings(wildcards):
    keys = ("dataset", "model", "variant", "latency")
    return {"rows": [{key: row[key] for key in keys} for row in ROWS if row["latency"]]}


def get_reference_detections(wildcards):
    evaluation = get_evaluation(wildcards)
    return detections_file(evaluation, evaluation.reference)


def get_sample_settings(wildcards):
    return {"reference": get_reference_name(wildcards), **CONFIG["samples"]}


def get_figures():
    """The report's figures: those of a ladder, of ground truth and of latency if the config has them."""
    labelled = any(evaluation.dataset.annotations for evaluation in PLAN.evaluations)
    names = ["ap", *(["ladder"] if ENTRIES["ladders"] else [])]
    names += [*(["operating_points"] if labelled else []), "calibration"]
    names += ["latency", "stages"] if get_drawn_latencies(None) else []
    return [figure_file(name) for name in names]


def get_page_files(wildcards):
    """Everything that the page shows besides the tables, by kind."""
    return {
        **{kind: row_files(entries, "path") for kind, entries in ENTRIES.items()},
        "figures": get_figures(),
        "gate": [GATE_FILE] if GATE else [],
    }


def get_page_settings(wildcards):
    return {
        "entries": ENTRIES,
        "gate": GATE_FILE if GATE else None,
        "config": {**CONFIG, "device": PLAN.device},
    }
