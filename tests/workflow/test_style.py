"""The workflow is formatted and free of lints; the config's README explains every key."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from snake import ROOT, run_python


def test_snakefmt():
    snakefmt = Path(sys.executable).parent / "snakefmt"
    done = subprocess.run(
        [snakefmt, "--check", "Snakefile", "workflow"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def lint(folder, *arguments):
    return run_python(folder, ROOT / "tools/lint_workflow.py", *arguments)


def test_snakemake_lint():
    result = lint(ROOT)
    assert result.code == 0, result.text


RULE = """\
rule copy:
    input: "a"
    output: "b"
    {log}
    script: "copy.py"
"""


@pytest.mark.parametrize(
    ("log", "lints"), [('log: "copy.log"', []), ("", ["No log directive defined:"])], ids=["clean", "no log"]
)
def test_one_lint_alone_is_left_out(tmp_path, log, lints):
    (tmp_path / "Snakefile").write_text(RULE.format(log=log))
    result = lint(tmp_path)
    assert [line.strip(" *") for line in result.text.splitlines() if line.startswith("    * ")] == lints
    assert result.code == bool(lints)


def test_conda_makes_what_the_lock_says():
    made = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert made[-1]["pip"] == (ROOT / "requirements.txt").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert made[0] == f"python {project['requires-python']}"


def rules():
    """Name, file and text of each rule."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.split(r"^(?=rule )", path.read_text(), flags=re.M)[1:]:
            yield re.match(r"rule (\w+)", text)[1], path, text


def test_a_rule_stands_in_the_file_of_the_package_that_it_calls():
    for name, path, text in rules():
        script = re.search(r'"\.\./scripts/(\w+)/(\w+)\.py"', text)
        code = re.search(r'code=get_code\("cutpoint\.(\w+)\.([\w.]+)"', text)
        assert script[1] == path.stem, name
        adapter = (ROOT / f"workflow/scripts/{script[1]}/{script[2]}.py").read_text()
        called = re.findall(r"from cutpoint\.(\w+)\.([\w.]+) import", adapter)
        assert path.stem in {package for package, _ in called}, name
        if code:
            assert code[1] == path.stem, name
            assert code.groups() in called, name


def test_where_files_of_a_rule_come_from_follows_one_principle():
    """As the head of common.smk says it."""
    computed = re.compile(r"\blambda\b|\bf\"|\b(CONFIG|PLAN|ROWS|ENTRIES|GATE|SOURCES)\b")
    for name, _, text in rules():
        assert computed.search(text) is None, name
    for path in (ROOT / "workflow/functions").glob("*.smk"):
        assert re.search("results/|logs/", path.read_text()) is None, path.name


def test_adapters_are_short_and_call_the_package_once():
    scripts = sorted((ROOT / "workflow/scripts").rglob("*.py"))
    assert scripts
    for script in scripts:
        text = script.read_text()
        assert len(text.splitlines()) < 30, script.name
        assert len(re.findall(r"with log_(?:to|on_gpu)\(snakemake\.log\[0\]", text)) == 1, script.name


def test_a_rule_that_asks_for_a_gpu_gets_one_of_its_own():
    asking = {name for name, _, text in rules() if "gpu=" in text}
    assert {"predict", "predict_pytorch", "time_variants", "fingerprint", "golden_pack"} < asking
    for name, _, text in rules():
        script = re.search(r'"\.\./(scripts/\w+/\w+\.py)"', text)[1]
        adapter = (ROOT / "workflow" / script).read_text()
        leases = "with log_on_gpu(snakemake.log[0], snakemake.resources.gpu" in adapter
        assert leases == (name in asking), name
        assert ("alone=True" in adapter) == (name == "time_variants"), name


def schema_keys(node):
    for name, part in node.get("properties", {}).items():
        yield name
        yield from schema_keys(part)
    if isinstance(node.get("additionalProperties"), dict):
        yield from schema_keys(node["additionalProperties"])
    if "items" in node:
        yield from schema_keys(node["items"])
    for part in node.get("$defs", {}).values():
        yield from schema_keys(part)


def schema_nodes(node):
    for part in node.get("properties", {}).values():
        yield part
        yield from schema_nodes(part)
    if isinstance(node.get("additionalProperties"), dict):
        yield from schema_nodes(node["additionalProperties"])
    yield from schema_nodes(node["items"]) if "items" in node else ()


def test_readme_explains_every_key():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    readme = (ROOT / "config/README.md").read_text()
    keys = set(schema_keys(schema))
    assert {"device", "candidate_floor", "published_ap", "nms_pre", "score_thr"} <= keys
    assert [key for key in sorted(keys) if f"`{key}`" not in readme] == []


def test_schema_describes_every_key_and_allows_no_other():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    for node in [schema, *schema_nodes(schema), *schema["$defs"].values()]:
        assert node.get("description") or "$ref" in node, node
        if "properties" in node:
            assert node["additionalProperties"] is False, node
