"""Names that others choose, of classes, files and slices: none runs, breaks a file, or moves a cursor."""

import csv
import io
from dataclasses import dataclass
from xml.etree import ElementTree

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from rich.console import Console

from cutpoint.gate.junit import as_junit
from cutpoint.layouts.config_file import Given, config_text
from cutpoint.layouts.table import TABLE
from cutpoint.logs import log_to
from cutpoint.printable import markdown_text, printable, shown
from cutpoint.records.csv_table import FORMULA, harmless, read_rows, write_rows
from cutpoint.records.gate import JudgedCheck
from cutpoint.report.charts.figure import Figure
from snakemake_logger_plugin_cutpoint.jobs import Jobs
from snakemake_logger_plugin_cutpoint.views import LineView

NAMES = (
    "\x1b[2J\x1b]0;title\x07red",  # clears the terminal
    "a\rb\x00c\x08d",
    "</text></svg><script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\n=1+1",
    "a|b`c`<img src=x onerror=alert(1)>[x](javascript:alert(1))",
    "line\none: two\n# three",
    "\u202egnp.exe",  # shown from right to left
    "\ud800 lone surrogate",
    "\ufffe\uffff",
    "a\u2028b\u0085c",
    "]]>&amp;\"'",
    "行人, مشاة, पैदल",
)
ORDINARY = "行人, مشاة, पैदल, 👨‍👩‍👧, café"
CONTROLS = {chr(number) for number in (*range(32), *range(127, 160))}


def test_ordinary_words_of_every_language_stay():
    assert printable(ORDINARY) == ORDINARY
    assert printable("two\nlines\tand a tab") == "two\nlines\tand a tab"
    assert printable("two\nlines", keep="") == r"two\nlines"


@given(st.text(st.characters()))
def test_what_is_shown_has_no_control_characters(text):
    shown = printable(text, keep="")
    assert not CONTROLS & set(shown)
    shown.encode()
    ElementTree.fromstring(f"<a>{shown.replace('&', '').replace('<', '')}</a>")


@dataclass(frozen=True)
class Row:
    text: str
    texts: tuple[str, ...]
    number: float
    nothing: str | None


@pytest.mark.parametrize("name", NAMES[:12])
def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path, name):
    row = Row(name, (name.replace("; ", ""), "b"), -0.5, None)
    write_rows(tmp_path / "a.csv", Row, [row])
    with open(tmp_path / "a.csv", newline="") as file:
        text, texts, number, nothing = list(csv.reader(file))[1]
    assert not text.startswith(FORMULA[:-1])
    assert not texts.startswith(FORMULA[:-1])
    assert (number, nothing) == ("-0.5", "")
    assert read_rows(tmp_path / "a.csv", Row) == [row]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_text_of_a_table_is_read_as_it_was(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    row = Row(text, (), 1.0, text)
    write_rows(path, Row, [row])
    assert read_rows(path, Row) == [row]


def test_a_text_that_is_a_number_stays_one():
    texts = ["-0.5", "+0.0012", "1e-5", "-3", "", "raw-fp32"]
    assert [harmless(text) for text in texts] == texts
    assert harmless(-0.5) == -0.5


def figure(name):
    encoding = {
        "x": {"field": "name", "type": "nominal", "title": name},
        "y": {"field": "ap", "type": "quantitative"},
    }
    rows = [{"variant": "raw", "name": name, "ap": 0.5}]
    return Figure("a", "t", "c", rows, {"mark": "bar", "encoding": encoding, "title": name})


@pytest.mark.parametrize("name", [name for name in NAMES if "\ud800" not in name])
def test_figures_are_sound_files(name):
    made = figure(name)
    root = ElementTree.fromstring(made.svg)
    assert "script" not in {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)
    cell = list(csv.reader(io.StringIO(made.csv, newline="")))[1][1]
    assert not cell.startswith(FORMULA[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_junit_is_xml(tmp_path, name):
    judged = [
        JudgedCheck(
            dataset="d",
            model="m",
            variant=name,
            column=name,
            bound=None,
            limit=None,
            value=None,
            status=status,
            reason=name,
        )
        for status in ("skipped", "failed")
    ]
    as_junit(judged, name).write(tmp_path / "a.xml", encoding="utf-8", xml_declaration=True)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert {element.tag for element in root.iter()} == {
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "skipped",
    }


@pytest.mark.parametrize("name", NAMES)
def test_markdown_has_one_line_and_no_markup_of_a_name(name):
    shown = markdown_text(name)
    assert not CONTROLS & set(shown)
    for sign in "|<`":
        assert shown.replace("\\\\", "").count(sign) == shown.replace("\\\\", "").count(f"\\{sign}")
    assert "](" not in shown


@pytest.mark.parametrize("name", [name for name in NAMES if "\ud800" not in name])
def test_a_written_config_has_the_names_and_nothing_else(tmp_path, name):
    (tmp_path / "images").mkdir()
    classes = (name, "car")
    text = config_text(
        Given(f"{name}.onnx", "images", None, list(classes)),
        "yolox",
        TABLE["yolox"],
        name,
        None,
        classes,
        "fp32",
    )
    config = yaml.safe_load(text)
    assert list(config) == ["models", "datasets", "variants", "evaluations", "latency"]
    (model,) = config["models"].values()
    assert model["classes"] == list(classes)
    assert config["variants"]["fp32"]["onnx"] == f"{name}.onnx"


@pytest.mark.parametrize("name", NAMES)
def test_the_console_and_logs_show_names(tmp_path, name):
    from cutpoint.errors import UserError

    out = io.StringIO()
    LineView(Console(file=out), Jobs()).print(name)
    assert not (CONTROLS - {"\n"}) & set(out.getvalue().expandtabs())
    with pytest.raises(SystemExit), log_to(tmp_path / "a.log"):
        raise UserError(name)
    assert not (CONTROLS - {"\n", "\t"}) & set((tmp_path / "a.log").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_names_as_text(name):
    environment = jinja2.Environment(autoescape=True, finalize=shown)
    page = environment.from_string("<p title='{{ name }}'>{{ name }}</p>{{ markup }}")
    text = page.render(name=name, markup=Markup("<b>ours</b>"))
    assert text.count("<") == 4
    assert not (CONTROLS - {"\n", "\t"}) & set(text)
    text.encode()
