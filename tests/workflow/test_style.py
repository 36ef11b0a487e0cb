"""The workflow is formatted and free of lints; the config's README explains every key."""

import subprocess
import sys
from pathlib import Path

import yaml
from snake import ROOT, run_snakemake


def test_snakefmt():
    snakefmt = Path(sys.executable).parent / "snakefmt"
    done = subprocess.run(
        [snakefmt, "--check", "Snakefile", "workflow"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_snakemake_lint():
    result = run_snakemake(ROOT, "--lint")
    assert result.code == 0, result.text


def test_adapters_are_short_and_call_the_package_once():
    scripts = sorted((ROOT / "workflow/scripts").glob("*.py"))
    assert scripts
    for script in scripts:
        lines = script.read_text().splitlines()
        assert len(lines) < 30, script.name
        assert sum("log_to(snakemake.log[0])" in line for line in lines) == 1, script.name


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
