from pathlib import Path

from snakemake.utils import min_version

from cutpoint.plan.locations import find_beside

min_version("9.0")

# Files that the working directory lacks are looked for here.
CLONE = Path(workflow.current_basedir)


# Snakemake would merge a --configfile into the default one. Here it replaces it.
if not workflow.overwrite_configfiles:

    configfile: find_beside("config/config.yaml", CLONE)


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


onstart:
    check_executor()


onsuccess:
    for line in get_closing_lines():
        logger.info(line)


onerror:
    logger.error(MEND)


# A plain `snakemake` makes the first rule.
rule all:
    """The report, the tables and everything that they are made of."""
    input:
        "results/preflight/passed.json",
        "results/report.html",
        "results/tables/summary.csv",
        "results/capsule.zip",


rule golden:
    """The golden packs of all variants that are ONNX files. It is not part of `all`."""
    input:
        get_golden_packs,
    localrule: True


include: "workflow/rules/data.smk"
include: "workflow/rules/formats.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/layouts.smk"
include: "workflow/rules/detector.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/gate.smk"
include: "workflow/rules/golden.smk"
include: "workflow/rules/runs.smk"
