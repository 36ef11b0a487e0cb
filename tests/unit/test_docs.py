"""The documents: links lead somewhere, examples plan, commands and paths exist."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from cutpoint.__main__ import _parser
from cutpoint.layouts.table import TABLE
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.config import complete_config
from cutpoint.plan.gate_rules import gate_baseline, gate_rules, resolve_gate
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
    """Every YAML example; one that is a part of a config stands in the page's first whole one."""
    for document in DOCUMENTS:
        parts = [yaml.safe_load(text) for text in blocks(document, "yaml")]
        whole = next((part for part in parts if "models" in part), None)
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
    checks = resolve_gate(complete["gate"], plan.evaluations, gate_baseline(complete))
    assert len(checks) >= len(gate_rules(complete["gate"]))


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


def commands():
    """Every command of a shell example, with the document that has it."""
    for document in DOCUMENTS:
        for text in blocks(document, "sh"):
            for line in text.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    yield pytest.param(words, id=f"{names(document)}: {' '.join(words)}")


RULES = {
    name
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.MULTILINE)
} | {"all", "golden"}
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# the files that a user's own project has, in the examples
OWN = re.compile(r"(config/mine|best|study/config)\.yaml")


@pytest.mark.parametrize("command", list(commands()))
def test_commands_name_what_exists(command):
    tool, *words = command
    if tool == "make":
        assert {word for word in words if "=" not in word} <= TARGETS
    elif tool == "snakemake":
        check_snakemake(words)
    elif tool == "python" and words[0] == "-m":
        parse_describe(words)
    elif tool == "python":
        # the checker lies in a golden pack
        assert (ROOT / words[0]).is_file() or words[0] == "check.py"
    elif tool == ".":
        assert words[0] in (".venv/bin/activate", ".venv-external/bin/activate")
    else:
        raise AssertionError(f"no test knows the tool {tool}")


def check_snakemake(words):
    """The options parse, and rules, profiles, configs and targets exist."""
    arguments = get_argument_parser().parse_args(words)
    assert set(arguments.forcerun or ()) <= RULES
    for target in arguments.targets:
        assert target in RULES or matches_a_documented_file(target), target
    for path in arguments.configfile or ():
        assert (ROOT / path).is_file() or OWN.fullmatch(str(path)), path
    assert all((ROOT / path).is_dir() for path in arguments.profile or ())


def parse_describe(words):
    assert words[:3] == ["-m", "cutpoint", "describe"]
    assert {"file", "images"} <= set(vars(_parser().parse_args(words[2:])))


def documented_files():
    """The result files that docs/files.md has, as patterns."""
    for path in re.findall(r"`((?:results|logs)/[^`]*)`", (ROOT / "docs/files.md").read_text()):
        yield re.sub(r"\\\{\w+\\\}|\\\*", "[^/]+", re.escape(path))


def matches_a_documented_file(path):
    plain = re.sub(r"\{\w+\}", "name", path)
    return any(re.match(f"{pattern}($|(?<=/))", plain) for pattern in documented_files())


# the changelog also names files that are gone
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.stem != "CHANGELOG"], ids=names)
def test_result_files_that_a_document_names_are_documented(document):
    text = document.read_text()
    # a folder that has documented files, or such a file
    named = set(re.findall(r"`(results/[^`\s]*)`", text))
    every = "\n".join(re.findall(r"`(results/[^`]*)`", (ROOT / "docs/files.md").read_text()))
    folders = {path for path in named if f"{path.rstrip('/')}/" in every}
    assert [path for path in named - folders if not matches_a_documented_file(path)] == []


def test_a_file_that_is_not_documented_would_be_noticed():
    assert matches_a_documented_file("results/metrics/traffic/demo_traffic/raw.json")
    assert matches_a_documented_file("results/models/{model}/{export}.onnx")
    assert not matches_a_documented_file("results/metric/traffic/demo_traffic/raw.json")
    assert not matches_a_documented_file("results/summary.csv")


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
