"""A config with the words of an older version plans as one with today's, and says what to write."""

from snake import CONFIG, run_snakemake

OWN = """\
recipes:
  own:
    steps:
      - {step: threshold, KEY: class, value: 0.3}
      - {step: nms, iou_threshold: 0.5}
      - {step: LIMIT, k: 5}
variants:
  own: {runtime: onnxruntime, cut: raw, recipe: own}
"""


def write_config(project, key, limit):
    own = OWN.replace("KEY", key).replace("LIMIT", limit)
    text = CONFIG.replace("variants:\n", own, 1).replace("[pytorch, raw, raw_thr]", "[pytorch, raw, own]")
    (project / "config/config.yaml").write_text(text)


def test_each_place_is_told_once_and_the_plan_is_the_same(project):
    write_config(project, "quantity", "max_per_img")
    today = run_snakemake(project, "--dry-run")
    write_config(project, "on", "cap")
    old = run_snakemake(project, "--dry-run")
    assert old.code == today.code == 0, old.text
    assert old.jobs == today.jobs
    assert "is an older word" not in today.text
    for place in (
        "[0]: `on: class` is an older word; write `quantity: class`",
        "[2]: `step: cap` is an older",
    ):
        assert old.err.count(f"cutpoint: recipes.own.steps{place}") == 1
