"""What the profiles for clusters ask for, without a cluster."""

import re

import pytest
import yaml
from snake import CONFIG, ROOT, copy_project, run_snakemake

# What belongs to one cluster or its users.
SITE = re.compile(r"partition|account|\bqos\b|slurm|kubernetes|[\"'](?:/|~)", re.I)


def rules():
    """The text of each rule, by name."""
    texts = [path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk"))]
    parts = [part for text in texts for part in re.split(r"^(?=rule )", text, flags=re.M)[1:]]
    return {re.match(r"rule (\w+):", part)[1]: part for part in parts}


def submitted():
    """Rules whose jobs do not run where Snakemake was started."""
    return {name for name, text in rules().items() if "localrule: True" not in text}


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Threads and resources of a job of each rule, of the first attempt and of the second."""
    folder = copy_project(tmp_path_factory.mktemp("cluster"))
    (folder / "config/config.yaml").write_text(CONFIG.replace("device: cpu", "device: cuda"))
    attempts = []
    for attempt in ("1", "2"):
        result = run_snakemake(folder, "--dry-run", "--profile", "profiles/slurm", "--attempt", attempt)
        assert result.code == 0, result.text
        attempts.append(read_jobs(result.text))
    return attempts


def read_jobs(text):
    """The last job of each rule."""
    # those of a group stand further to the right
    text = re.sub(r"^    (?=rule |    )", "", text, flags=re.M)
    return {name: read(block) for name, block in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", text, re.M)}


def read(block):
    threads = re.search(r"^    threads: (\d+)$", block, re.M)
    resources = re.search(r"^    resources: (.*)$", block, re.M)
    items = resources[1].split(", ") if resources else []
    asked = dict(item.split("=", 1) for item in items if "=" in item)
    return {"threads": threads[1] if threads else "1", **asked}


def test_no_rule_names_a_cluster():
    found = {name: SITE.findall(text) for name, text in rules().items() if SITE.search(text)}
    assert not found


@pytest.mark.parametrize("name", ["default", "slurm", "kubernetes"])
def test_no_profile_names_a_partition_an_account_or_a_path(name):
    kept = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
    said = [line for line in kept if not line.lstrip().startswith("#")]
    assert not [line for line in said if re.search(r"partition|account|[\"' ](?:/|~)", line)]


def test_every_submitted_rule_has_memory_and_time_and_no_other_rule_has():
    asked = profile("slurm")["set-resources"]
    assert set(asked) == submitted()
    for rule, resources in asked.items():
        assert {"mem_mb", "runtime"} <= set(resources), rule
        assert all(re.fullmatch(r"attempt \* \d+", resources[key]) for key in ("mem_mb", "runtime")), rule


def test_groups_are_of_submitted_rules_without_a_gpu():
    slurm = profile("slurm")
    grouped = set(slurm["groups"])
    assert grouped < submitted()
    assert not [name for name in grouped if "gpu=" in rules()[name]]
    assert set(slurm["groups"].values()) == set(slurm["group-components"])
    for key in ("groups", "group-components", "set-threads", "set-resource-scopes", "cores", "retries"):
        assert profile("kubernetes")[key] == slurm[key], key


def test_memory_and_time_grow_with_the_attempt(plan):
    first, second = plan
    planned = submitted() & set(first)
    assert {"inspect_dataset", "trace_model", "predict", "postprocess", "compare"} < planned
    for name in planned:
        for key in ("mem_mb", "runtime"):
            assert int(second[name][key]) == 2 * int(first[name][key]) > 0, name


def test_jobs_on_a_gpu_ask_for_one(plan):
    asked = {name: job.get("gpu") for name, job in plan[0].items()}
    gpus = {name for name, count in asked.items() if count not in (None, "0")}
    assert gpus == {"predict", "predict_pytorch", "time_variants"}
    assert {asked[name] for name in gpus} == {"1"}
    # the limit of one in profiles/default would hold the whole cluster to one
    assert profile("slurm")["set-resource-scopes"] == {"gpu": "local"}


def test_latency_has_a_node_to_itself(plan):
    latency = plan[0]["time_variants"]
    assert latency["slurm_extra"] == "--exclusive"
    # as many as `cores`: Snakemake cuts a job's threads down to it without a word
    assert int(latency["threads"]) == profile("slurm")["cores"]
    assert [name for name, job in plan[0].items() if "slurm_extra" in job] == ["time_variants"]
    assert "time_variants" not in profile("slurm")["groups"]


def test_pytorch_keeps_one_thread_on_the_cpu(project):
    """Its results depend on their number."""
    result = run_snakemake(project, "--dry-run", "--profile", "profiles/slurm")
    assert result.code == 0, result.text
    jobs = read_jobs(result.text)
    assert (jobs["predict_pytorch"]["threads"], jobs["predict"]["threads"]) == ("1", "8")


def test_what_the_user_must_mend_is_not_tried_again():
    told = {name for name, text in rules().items() if "retries: 0" in text}
    assert told == {"check_inputs", "accept_export", "gate"}
    assert profile("slurm")["retries"] > 0
