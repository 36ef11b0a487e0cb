# Remakes the committed demo files into results/demo-build/: make regenerate-demo
# It is a separate Snakefile, so that the default workflow never plans a training.
# To publish the result: rm -r data/demo && cp -r results/demo-build data/demo
# data/README.md quotes the scores in results/demo-scores/.
# Scenes have the same bytes with the same library versions. Trained weights are the same on one machine with the
# same number of threads. On other machines arithmetic differs in the last bits, and training multiplies that.


include: "functions/start.smk"


SEED = 2026
SETS = {
    "traffic": {"style": "traffic", "split": "validation", "count": 80},
    "coco": {"style": "coco", "split": "validation", "count": 80},
    "traffic_unlabelled": {"style": "traffic", "split": "unlabelled", "count": 20},
}
TRAINING = {"scenes": 4000, "iterations": 4500, "batch": 8, "learning_rate": 2e-3}


wildcard_constraints:
    style="traffic|coco",


rule all:
    input:
        expand("results/demo-build/{set}/images", set=SETS),
        expand("results/demo-scores/atss_{style}.json", style=["traffic", "coco"]),


rule draw_labelled:
    """Validation scenes with COCO annotations."""
    output:
        images=directory("results/demo-build/{style}/images"),
        annotations="results/demo-build/{style}/instances.json",
        slices="results/demo-build/{style}/slices.csv",
    log:
        "logs/demo-build/draw_{style}.log",
    params:
        seed=SEED,
        scenes=lambda wildcards: SETS[wildcards.style],
    script:
        "scripts/demo/draw.py"


rule draw_unlabelled:
    """Traffic scenes without annotations."""
    output:
        images=directory("results/demo-build/traffic_unlabelled/images"),
        slices="results/demo-build/traffic_unlabelled/slices.csv",
    log:
        "logs/demo-build/draw_traffic_unlabelled.log",
    params:
        seed=SEED,
        scenes=SETS["traffic_unlabelled"],
    script:
        "scripts/demo/draw.py"


rule train_detector:
    """A small ATSS, trained on scenes that no validation set shows."""
    input:
        base="config/demo/atss_small.py",
        config="config/demo/atss_{style}.py",
    output:
        checkpoint="results/demo-build/atss_{style}.pth",
    log:
        "logs/demo-build/train_{style}.log",
    params:
        seed=SEED,
        training=TRAINING,
    script:
        "scripts/demo/train.py"


rule score_detector:
    """COCO mAP of mmdet's own test loop on the validation scenes."""
    input:
        config="config/demo/atss_{style}.py",
        checkpoint="results/demo-build/atss_{style}.pth",
        images="results/demo-build/{style}/images",
        annotations="results/demo-build/{style}/instances.json",
    output:
        metrics="results/demo-scores/atss_{style}.json",
    log:
        "logs/demo-build/score_{style}.log",
    script:
        "scripts/demo/score.py"
