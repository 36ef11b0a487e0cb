from snakemake.utils import min_version

min_version("9.0")


# Snakemake merges a --configfile into the default one; here it replaces it.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


onstart:
    check_executor()


# The first rule is what a bare `snakemake` makes.
rule all:
    """The report, the tables and everything that they are made of."""
    input:
        get_all_targets(),


include: "workflow/rules/data.smk"
include: "workflow/rules/detector.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/gate.smk"
