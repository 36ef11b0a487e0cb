"""The documents: links lead somewhere, examples plan, commands and paths exist."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from cutpoint.layouts.table import TABLE
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.config import complete_config
from cutpoint.plan.gate_rules import resolve_gate
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.resolve_external import Layout
from cutpoint.recipes.names import RECIPES
from cutpoint.recipes.steps import STEPS
from cutpoint.records.per_class import ClassRow
from cutpoint.records.per_slice import SliceRow
from cutpoint.records.summary import SummaryRow

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Code in a sentence that names a file of the project; config/ and data/ are left to the user's own.
PATH = re.compile(r"`((?:src|tests|workflow|examples|benchmarks|profiles|tools)/[\w./-]+)`")
DOCUMENTS = [
    path
    for folder in (".", "config", "data", "docs", "benchmarks/results")
    for path in sorted((ROOT / folder).glob("*.md"))
]


def names(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path, language):
    return [text for kind, text in FENCE.findall(path.read_text()) if kind == language]


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for line in FENCE.sub("", path.read_text()).splitlines():
        if line.startswith("#"):
            title = re.sub(r"[^\w\s-]", "", line.lstrip("#").strip().lower())
            found.add(re.sub(r"\s", "-", title))
    return found


def test_the_documents_are_there():
    assert {"README.md", "CHANGELOG.md", "config/README.md", "docs/measurements.md"} <= {
        names(path) for path in DOCUMENTS
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_links_and_named_files_exist(document):
    text = FENCE.sub("", document.read_text())
    broken = []
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    broken += [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    assert broken == []


def test_a_broken_anchor_would_be_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n\n## `gate`: what it demands\n\n```sh\n# no heading\n```\n")
    assert anchors(page) == {"one", "gate-what-it-demands"}


def examples():
    """Every YAML example; one that is a part of a config stands in its page's first whole one."""
    for document in (ROOT / "README.md", ROOT / "config/README.md"):
        parts = [yaml.safe_load(text) for text in blocks(document, "yaml")]
        whole = next(part for part in parts if "models" in part)
        for number, part in enumerate(parts):
            above = {} if "models" in part else whole["variants"]
            merged = {**whole, **part, "variants": {**above, **part.get("variants", {})}}
            yield pytest.param(merged, id=f"{names(document)}-{number}")


@pytest.mark.parametrize("config", list(examples()))
def test_examples_plan(config):
    evaluation = config["evaluations"][0]
    recipes = {f"with_{name}": name for name in config.get("recipes", {})}
    config["variants"] |= {
        name: {"runtime": "onnxruntime", "cut": "raw", "recipe": recipe} for name, recipe in recipes.items()
    }
    config["evaluations"] = [{**evaluation, "variants": list(config["variants"])}]
    complete = complete_config(config, SCHEMA)
    plan = build_plan(complete, "cpu", lambda *arguments: Layout("any", "decoded", RecipeChoice("own")))
    assert [variant.name for variant in plan.evaluations[0].variants] == list(config["variants"])
    assert len(resolve_gate(complete["gate"], plan.evaluations)) >= len(config.get("gate", []))


def test_the_config_page_explains_every_step_with_its_parameters():
    rows = {}
    for line in (ROOT / "config/README.md").read_text().splitlines():
        cells = line.split("|")
        if len(cells) == 5:
            rows.setdefault(cells[1].strip(" `"), cells[3])
    for step, kind in STEPS.items():
        missing = [field.name for field in fields(kind) if f"`{field.name}`" not in rows[step]]
        assert missing == [], step


def test_the_config_page_has_a_row_for_every_layout_and_recipe():
    rows = {}
    for line in (ROOT / "config/README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        for name in re.findall(r"`([\w-]+)`", cells[1]) if len(cells) > 3 else ():
            rows[name, len(cells)] = cells
    above = ""
    for name, layout in TABLE.items():
        cells = rows[name, 7]
        above = above if cells[4] == "the same" else cells[4]
        assert f"`{layout.recipe}`" in cells[5], name
        assert name == "written" or f"`{layout.cut}`" in above, name
    assert [name for name in RECIPES if (name, 4) not in rows] == []


@pytest.mark.parametrize(
    ("kind", "file"), [(SummaryRow, "summary.csv"), (ClassRow, "per_class.csv"), (SliceRow, "per_slice.csv")]
)
def test_the_page_of_files_names_every_column(kind, file):
    text = (ROOT / "docs/files.md").read_text()
    section = text.partition(f"### Columns of {file}\n")[2].partition("\n### ")[0]
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    explained = {name for cell in firsts for name in re.findall(r"`(\w+)`", cell)}
    assert explained == {field.name for field in fields(kind)}


def test_commands_of_the_readme_name_what_exists():
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.MULTILINE)
    }
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for text in blocks(ROOT / "README.md", "sh") for line in text.splitlines()]
    commands = [words for words in (shlex.split(line, comments=True) for line in lines) if words]
    assert {words[0] for words in commands} == {"make", ".", "snakemake", "python"}
    for tool, *words in commands:
        if tool == "make":
            assert set(words) <= targets
        if "--forcerun" in words:
            assert words[words.index("--forcerun") + 1] in rules
        if "--profile" in words:
            assert (ROOT / words[words.index("--profile") + 1]).is_dir()
        if tool == "python" and words[0] == "-m":
            assert words[1:3] == ["cutpoint", "describe"]
        elif tool == "python":
            assert (ROOT / words[0]).is_file()
        if words and words[0] == "gate":
            assert "gate" in rules


def test_contributing_names_every_part_of_the_package():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    package = ROOT / "src/cutpoint"
    parts = [f"{path.parent.name}/" for path in package.glob("*/__init__.py")]
    parts += [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    assert len(parts) > 20
    assert [part for part in parts if f"`{part}`" not in text] == []


def test_the_citation_has_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert citation["cff-version"] == "1.2.0"
    assert f'version = "{citation["version"]}"' in project
    assert f'text = "{citation["license"]}"' in project
    assert citation["authors"]
    assert citation["title"]
    assert citation["message"]
