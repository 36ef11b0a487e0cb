import inspect
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from page_fixtures import GATE_CHECKS, disturbed, page_arguments, shown, with_flags
from report_fixtures import DATASETS

from cutpoint.compare import causes, follow
from cutpoint.gate.check import evaluate_gate
from cutpoint.latency.notes import busy
from cutpoint.plan.evaluations import Plan
from cutpoint.plan.tables import report_entries
from cutpoint.records.figures import read_figures
from cutpoint.records.latency import read_latency, write_latency
from cutpoint.records.summary import read_summary, write_summary
from cutpoint.report import page as page_module
from cutpoint.report.boxes import OTHER_CAUSES
from cutpoint.report.charts.draw import draw_figures
from cutpoint.report.number_table import NumberRow, NumberTable
from cutpoint.report.page import render_report
from cutpoint.report.section import Section
from cutpoint.report.verdict import verdict

VOID = {"meta", "img", "br", "input"}


def without_scripts(html):
    """The page without the content of its style and script elements, which holds the libraries."""
    return re.sub(r"(<(script|style)\b[^>]*>).*?</\2>", r"\1</\2>", html, flags=re.DOTALL)


class Page(HTMLParser):
    """Every tag with its attributes, the text by section without that of pictures, and if the tags nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.stack, self.sections = [], [], Counter()
        self.text = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.stack.append((tag, attributes.get("id")))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag

    def handle_data(self, data):
        if {"script", "svg"} & {tag for tag, _ in self.stack}:
            return
        for tag, name in self.stack:
            if tag == "section":
                self.text[name] = " ".join(f"{self.text.get(name, '')} {data}".split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    return page_arguments(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def html(arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report.html"
    render_report(**arguments, out=str(out))
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_tags_nest_ids_are_unique_and_every_link_leads_somewhere(page):
    assert page.stack == []
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    targets = [
        a[key][1:].partition("?")[0] for _, a in page.tags for key in ("href", "xlink:href") if key in a
    ]
    assert targets
    assert set(targets) <= set(ids)


def test_nothing_is_loaded_from_outside(page, html):
    links = [a[key] for _, a in page.tags for key in ("src", "href", "xlink:href") if key in a]
    assert [x for x in links if not x.startswith(("#", "data:image/jpeg;base64,"))] == []
    written = without_scripts(html)
    assert "@import" not in written
    assert re.findall(r"url\((?!#)", written) == []
    assert page.all("link") == []
    assert len(page.all("img")) == 9


def test_the_gate_is_said_first_and_shown_check_by_check(page, arguments, tmp_path):
    said = page.text["gate"]
    assert "Gate failed: of 2 checks 1 failed, 1 passed." in said
    assert "raw-int8 street, det delta_AP_lo >= -0.005 -0.03 failed" in said
    assert "raw street, det agreement >= 0.99 1 passed" in said
    render_report(**arguments | {"gate": None}, out=str(tmp_path / "report.html"))
    without = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "gate" not in without.text
    assert "#gate" not in [link["href"] for link in without.all("a")]


def test_names_are_escaped(page, html):
    assert "Testchip 9 &lt;x86&gt;" in html
    assert "&lt;/pre&gt;&lt;script&gt;" in html
    # the libraries and the page's own
    assert [script for script in page.all("script") if script.get("type") != "application/json"] == [{}, {}]
    assert page.all("x86") == []


def test_pictures_tables_and_figures_can_be_heard(page, arguments):
    assert all(re.search("missing|no variant differs", image["alt"]) for image in page.all("img"))
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    # boxes over a picture are in its words
    drawings = [svg for svg in page.all("svg") if "aria-hidden" not in svg]
    drawn = [read_figures(Path(entry["path"]) / "index.json") for entry in arguments["entries"]["figures"]]
    assert len(drawings) == sum(map(len, drawn)) > 20
    assert all(a["role"] == "img" and "in the tables" in a["aria-label"] for a in drawings)
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_the_verdict_is_in_words(page):
    short = page.text["short"]
    assert "The reference pytorch reaches AP 0.5800 on 4 images." in short
    assert "raw is lossless: the same detections." in short
    assert "e2e is equivalent: largest |delta AP| 0.0002." in short
    assert "AP is lower with raw-int8 (-0.0213, 95 % interval -0.0300 to -0.0120, failed)." in short
    assert "Export verification failed for raw-int8." in short
    assert "e2e agrees with pytorch in every detection." in short
    assert "Agreement with pytorch is below 1 for raw-int8 (0.9100, failed)." in short


def test_a_baseline_that_is_off_is_the_first_thing_said(page, html):
    (card,) = (part for part in html.split("<article ")[1:] if "coco_like" in part.split("</h3>")[0])
    assert card.split("<p>")[1].startswith(
        '<strong class="bad">Baseline off: AP 0.5800, published 0.5700, more than 0.0015'
    )
    assert html.split('id="gate"')[0].count('<p><strong class="bad">Baseline off') == 1


def test_what_ran_without_compiled_nms_is_not_compared_in_speed(page):
    short = page.text["short"]
    assert short.count("pytorch ran without compiled NMS: not comparable.") == 3
    assert "Median latency, file to detections: 21.5 ms (raw-int8) to 35.8 ms (raw)." in short


def read_page(arguments, folder):
    render_report(**arguments, out=str(folder / "report.html"))
    html = (folder / "report.html").read_text(encoding="utf-8")
    return Page(html), html


def test_disturbed_times_are_said_first_and_in_every_table_of_times(arguments, tmp_path):
    flagged = with_flags(arguments, tmp_path, "street", raw=disturbed(), e2e=disturbed())
    page, html = read_page(flagged, tmp_path)
    assert f"Times of raw and e2e: {busy('1.0')}." in page.text["short"]
    assert page.text["short"].index("Times of raw") < page.text["short"].index("The reference pytorch")
    assert f'<strong class="bad">Times of raw and e2e: {busy("1.0")}.</strong>' in html
    rows = page.text["set-0"]
    # the cells of the main table, and the ladder's
    assert "35.75 n = 50 disturbed 53.62 disturbed 80.2 disturbed" in rows
    assert "35.75 disturbed" in rows.split("Ladder")[1]
    assert page.text["timing"].count(busy("1.0")) == 2
    assert "disturbed" not in page.text["set-1"]


def test_all_times_may_be_disturbed(arguments, tmp_path):
    every = dict.fromkeys(("pytorch", "raw", "e2e", "raw-int8"), disturbed())
    page, _ = read_page(with_flags(arguments, tmp_path, "street", **every), tmp_path)
    assert f"Times of all variants: {busy('1.0')}." in page.text["short"]


def test_times_that_are_disturbed_alike_are_said_together(arguments, tmp_path):
    flags = {"raw": disturbed(1.0), "e2e": disturbed(2.4), "raw-int8": disturbed(0.9)}
    throttled = {"disturbed": True, "throttled": ("hardware slowdown",)}
    page, _ = read_page(with_flags(arguments, tmp_path, "street", **flags, pytorch=throttled), tmp_path)
    said = "Times of raw, e2e and raw-int8: disturbed (other processes kept 0.9 to 2.4 cores busy)."
    assert f"Times of pytorch: disturbed (GPU: hardware slowdown). {said}" in page.text["short"]


@pytest.mark.parametrize(
    ("flags", "word", "said"),
    [
        (
            {"doubtful": ("60 of 80 images have no detection, the reference has on 58 of them",)},
            "doubtful",
            "e2e is doubtful: 60 of 80 images have no detection, the reference has on 58 of them.",
        ),
        ({"refused": "NaN in boxes on image id 3"}, "refused", "e2e is refused: NaN in boxes on image id 3."),
        ({"export_failed": True}, "failed", "Export verification failed for e2e and raw-int8."),
        ({"suspicious": True}, "suspicious", None),
    ],
)
def test_what_makes_detections_doubtful_is_said_first_and_in_the_cells(
    arguments, tmp_path, flags, word, said
):
    page, html = read_page(with_flags(arguments, tmp_path, "street", e2e=flags), tmp_path)
    if said:
        assert f'<strong class="bad">{said}</strong>' in html
    assert f"0.5798 {word} 0.8000" in page.text["set-0"]


def test_a_weak_reference_is_said_first_and_nothing_is_judged_by_it(arguments, tmp_path):
    weak = {"weak_reference": "AP 0.0000 is under 0.01"}
    compared = dict.fromkeys(("raw", "e2e", "raw-int8"), weak | {"verdict": "inconclusive"})
    page, html = read_page(with_flags(arguments, tmp_path, "street", pytorch=weak, **compared), tmp_path)
    said = "The reference pytorch is weak: AP 0.0000 is under 0.01. No difference from it has a verdict."
    assert html.split("<article ")[1].split("<p>")[1].startswith(f'<strong class="bad">{said}')
    assert "The reference is too weak to judge raw (0.0000" in page.text["short"]
    assert "0.5800 weak reference" in page.text["set-0"]


def test_images_without_detections_are_a_column_where_there_are_some(arguments, page, tmp_path):
    flags = {"raw": {"images_without_detections": 3}}
    other, _ = read_page(with_flags(arguments, tmp_path, "street", **flags), tmp_path)
    assert "images without detections AP" in other.text["set-0"]
    assert "raw onnxruntime raw fp32 3 0.5800" in other.text["set-0"]
    assert "images without detections AP" not in page.text["set-0"]


def test_the_summary_marks_the_reference_and_the_failure(page):
    rows = page.all("tr")
    assert sum(row.get("class") == "reference" for row in rows) == 6  # 3 summaries, 3 ladders
    text = page.text["set-0"]
    assert "pytorch reference pytorch e2e fp32 0.5800 0.8000 0.6000" in text
    assert "failed: cls_0, max abs 3.1e-2" in text
    assert "0.5587 failed 0.8000 failed 0.6000 failed -0.0213 -0.0300 to -0.0120 failed" in text
    assert "different failed 0.9100 failed" in text
    assert "The same for all variants: provider cpu, input mmdet, recipe mmdet3" in text


def test_the_ladder_says_what_changed_and_shows_the_published_ap(page):
    text = page.text["set-0"]
    assert "2 raw runtime pytorch → onnxruntime, cut e2e → raw 0.5800" in text
    step = "-0.0211 -0.0221 to -0.0201 -0.0213 -0.0300 to -0.0120 -0.0211 -0.0300 to -0.0100, raw-int8"
    assert (
        "precision fp32 → int8 2 steps: max_per_img k 2 → 3; max_per_img left out "
        f"0.5587 {step} failed 0.9100 3.1e-06" in text
    )
    assert "-7.15" in text
    assert "published" not in page.text["set-0"]
    assert "0 published as reported by the model's authors 0.5700" in page.text["set-1"]


def test_classes_are_listed_by_how_much_they_moved(page):
    text = page.text["set-0"]
    start = text.index("Classes that moved most")
    assert "pedestrian raw-int8 failed 0.5887 -0.0213 -0.0300 to -0.0120 yes 12" in text[start:]
    assert "car raw-int8 failed 0.5287 -0.0213 30" in text[start:]
    assert text.index("-0.0213", start) < text.index("-0.0002", start)
    assert "bus" not in text


def test_a_class_that_is_better_is_suspicious(arguments, tmp_path):
    table = pd.read_csv(arguments["per_class"])
    table.loc[table["variant"] == "raw-int8", ["delta_AP", "delta_AP_lo", "delta_AP_hi"]] *= -1
    table.to_csv(tmp_path / "per_class.csv", index=False)
    changed = arguments | {"per_class": str(tmp_path / "per_class.csv")}
    render_report(**changed, out=str(tmp_path / "report.html"))
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text["set-0"]
    assert "pedestrian raw-int8 failed 0.5887 +0.0213" in text
    assert "yes, better: suspicious 12" in text


def test_without_ground_truth_ap_is_said_to_be_missing_and_not_shown(page):
    text = page.text["set-2"]
    assert "no ground truth: AP does not apply" in text
    assert "AP50" not in text
    assert "Classes that moved" not in text
    assert "ΔAP" not in text
    assert "None" not in text


def test_exports_timing_and_machine_are_shown(page):
    assert "det, raw-int8: failed: cls_0, max abs 3.1e-2;" in page.text["exports"]
    assert "det, raw: passed , 2 tensors, largest absolute difference 3.1e-06" in (page.text["exports"])
    timing = page.text["timing"]
    assert "street, det raw 6.00 4.00 23.75 2.00 35.75 35.25 to 36.25" in timing
    # what ran where: nodes, their share of the time, parts, copies, memory, cold start, warm-up
    assert "CUDA 280, CPU 12 CUDA 75.0%, CPU 25.0% 5 4" in timing
    assert "180 0.25 99.50 8 1 0.02" in timing
    assert "80.2" in timing
    assert "Testchip 9 <x86>" in timing
    assert "0.5 (street, det; coco_like, det) 0.9 (unlabelled, det)" in timing
    assert "libraries onnx 1.23.2, numpy 2.4" in timing
    assert "models: det:" in page.text["config"]


def test_where_rows_are_ranks_pytorchs_own_movement_stands_beside(arguments, page, tmp_path):
    entry = dict(arguments["entries"]["verifies"][0], path=str(tmp_path / "verify.json"))
    content = json.loads(Path(arguments["entries"]["verifies"][0]["path"]).read_text())
    content["tensors"][0] |= {"agreement": 0.9875, "torch_max_abs": 3.04, "torch_agreement": 0.98}
    Path(entry["path"]).write_text(json.dumps(content))
    render_report(**shown(arguments, verifies=[entry]), out=str(tmp_path / "report.html"))
    text = Page((tmp_path / "report.html").read_text()).text["exports"]
    assert "A file cannot be closer to PyTorch than that." in text
    assert "0.9875 3.0e+00 0.9800" in text
    assert "PyTorch's own" not in page.text["exports"]


def test_what_a_reduced_precision_breaks_is_listed(page):
    text = page.text["precision"]
    assert "det, int8-street: 4.20 to 1.30 MB, 2 tensors saturate" in text
    assert "Operators kept in fp32: Add 12, Conv 3." in text
    assert text.index("conv_1") < text.index("conv_0")
    assert "conv_1 0.9 0 to 0.8 1.20e-02" in text


def test_a_provider_other_than_the_one_asked_for_is_said(arguments, tmp_path):
    entry = dict(arguments["entries"]["latencies"][0], path=str(tmp_path / "latency.json"))
    latency = json.loads(Path(arguments["entries"]["latencies"][0]["path"]).read_text())
    Path(entry["path"]).write_text(json.dumps(latency | {"provider_asked": "cuda"}))
    out = tmp_path / "report.html"
    render_report(**shown(arguments, latencies=[entry]), out=str(out))
    assert "cpu (cuda asked)" in Page(out.read_text()).text["timing"]


def test_samples_and_ladders_may_be_absent(arguments, tmp_path):
    out = tmp_path / "report.html"
    render_report(**shown(arguments, samples=[], ladders=[], verifies=[], figures=[]), out=str(out))
    page = Page(out.read_text())
    assert page.all("img") == []
    assert "Ladder" not in page.text["set-0"]
    assert "No variant uses an export." in page.text["exports"]


def test_the_page_is_the_same_bytes_again(arguments, html, tmp_path):
    render_report(**arguments, out=str(tmp_path / "again.html"))
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_the_verdicts_rules_and_tolerances_are_said(page):
    method = page.text["method"]
    assert "corners within 0.05 px and scores within 0.0001" in method
    assert "lies within ± 0.001" in method


def test_agreement_and_sizes_are_tabulated(page):
    labelled, blind = (page.text[f"set-{list(DATASETS).index(name)}"] for name in ("street", "unlabelled"))
    for text in (labelled, blind):
        row = "raw-int8 failed 0.9800 0.9100 3 of 100 1 of 98 1.0e-07 3.0e-04 1.0e-02 0.001 1.5 22 0.9900 0.3"
        assert row in text.split("Agreement of the detections")[1]
    assert "raw-int8 failed -0.0213 (-0.0300 to -0.0120) ≠" in labelled.split("Sizes")[1]
    assert "Sizes" not in blind


def test_a_diagnosed_variant_shows_its_nearest_mistakes(page):
    labelled, blind = (page.text[f"set-{list(DATASETS).index(name)}"] for name in ("street", "unlabelled"))
    table = labelled.split("Typical mistakes")[1]
    row = "raw-int8 failed Looks like stretched. 40 images, limit 1.10 stretched 0.61 99.8%"
    assert f"{row} half a stride / half 3.20 0.0% no mistake 4.00 25.0%" in table
    assert "far away" not in table
    assert page.text["short"].count("raw-int8: Looks like stretched.") == 2  # both labelled data sets
    assert "Typical mistakes" not in blind


def test_where_boxes_went_and_what_is_wrong_with_them(page):
    labelled, blind = (page.text[f"set-{list(DATASETS).index(name)}"] for name in ("street", "unlabelled"))
    for text in (labelled, blind):
        table = text.split("Where boxes went")[-1].split("Drift of the scores")[0]
        assert "in all suppressed over the limit of the image" in table
        assert "raw-int8 failed 4 / 0 3 / 0 1 / 0" in table
        assert "from 0.9" in text
        assert "from 0.8" not in text
        assert "raw-int8 failed -0.0125" in text
    errors = labelled.split("Operating point and errors")[1].split("Drift of")[0]
    assert "At score 0.35" in errors
    assert "raw-int8 failed 0.9000 0.8000 0.8470 7.12 0.2875 3 7 0 0 4 7 (+5)" in errors
    assert "Operating point" not in blind


def test_without_cases_or_points_their_tables_are_absent(arguments, tmp_path):
    out = tmp_path / "report.html"
    render_report(**shown(arguments, comparisons=[], points=[], diagnoses=[], figures=[]), out=str(out))
    text = Page(out.read_text()).text["set-0"]
    assert not any(words in text for words in ("Where boxes went", "Operating point", "Drift of"))


def test_a_new_section_is_its_module_and_a_row_of_the_sections(arguments, tmp_path, monkeypatch):
    """Of files that the plan lists; it needs no other change to page, template or workflow."""

    def longest(novelties):
        rows = [NumberRow(entry["variant"], [Path(entry["path"]).read_text()]) for entry in novelties]
        return NumberTable("How long a name is.", ["letters"], rows) if rows else None

    section = Section("Novelties", "novelties", longest, alarms=lambda table: ["Mind the novelty."])
    monkeypatch.setattr(page_module, "SECTIONS", (*page_module.SECTIONS, section))
    (tmp_path / "raw.txt").write_text("17")
    entry = {"dataset": "street", "model": "det", "variant": "raw", "path": str(tmp_path / "raw.txt")}
    out = tmp_path / "report.html"
    render_report(**shown(arguments, novelties=[entry]), out=str(out))
    page = Page(out.read_text())
    street, blind = (page.text[f"set-{list(DATASETS).index(name)}"] for name in ("street", "unlabelled"))
    assert street.endswith("Novelties How long a name is. variant letters raw 17")
    assert "Novelties" not in blind
    assert page.text["short"].count("Mind the novelty.") == 1


def test_the_plan_lists_the_files_of_every_section():
    assert {section.kind for section in page_module.SECTIONS} <= set(report_entries(Plan("cpu", ())))


def test_every_cause_has_words():
    text = inspect.getsource(causes) + inspect.getsource(follow)
    assert all(f'"{cause}"' in text for cause in OTHER_CAUSES)


def test_without_a_ladder_there_is_no_figure_of_it(arguments, tmp_path):
    entries = arguments["entries"] | {"ladders": []}
    place = {"dataset": "street", "model": "det", "out_dir": str(tmp_path)}
    draw_figures(**{key: arguments[key] for key in ("summary", "per_class")}, entries=entries, **place)
    assert "ladder" not in [figure.name for figure in read_figures(tmp_path / "index.json")]
    assert not (tmp_path / "ladder.svg").exists()


def said_of(arguments, changes):
    rows = [
        replace(row, **changes.get(row.variant, {}))
        for row in read_summary(arguments["summary"])
        if row.dataset == "street" and row.variant in ("pytorch", *changes)
    ]
    return " ".join(verdict(rows))


@pytest.mark.parametrize(
    ("word", "delta", "low", "high", "said"),
    [
        pytest.param("equivalent", 0.0005, -0.0001, 0.0009, "e2e is equivalent", id="equivalent"),
        pytest.param(
            "different",
            0.0042,
            0.001,
            0.0072,
            "AP is higher with e2e (+0.0042, 95 % interval +0.0010 to +0.0072), which is suspicious: a "
            "conversion does not improve a model",
            id="higher",
        ),
        pytest.param(
            "different",
            -0.01,
            -0.02,
            -0.004,
            "AP is lower with e2e (-0.0100, 95 % interval -0.0200 to -0.0040).",
            id="lower",
        ),
        pytest.param(
            "inconclusive",
            -0.003,
            -0.008,
            0.002,
            "Too few images to judge e2e (-0.0030, 95 % interval -0.0080 to +0.0020).",
            id="inconclusive",
        ),
    ],
)
def test_verdict(arguments, word, delta, low, high, said):
    cells = {"verdict": word, "delta_AP": delta, "delta_AP_lo": low, "delta_AP_hi": high}
    assert said in said_of(arguments, {"e2e": cells})


def test_an_inconclusive_verdict_says_how_many_images_would_decide(arguments):
    cells = {"verdict": "inconclusive", "delta_AP": -0.003, "delta_AP_lo": None, "delta_AP_hi": None}
    cells["images_to_decide"] = 1200
    said = said_of(arguments, {"e2e": cells})
    assert "Too few images to judge e2e (-0.0030; about 1200 images would decide)." in said


@pytest.mark.parametrize(
    ("deltas", "said"),
    [
        ([-0.01, -0.03], "AP is lower with raw-int8 (-0.0300, failed) and e2e (-0.0100)."),
        (
            [0.01, 0.03],
            "AP is higher with raw-int8 (+0.0300, failed) and e2e (+0.0100), which are suspicious",
        ),
    ],
)
def test_verdict_names_the_largest_difference_first(arguments, deltas, said):
    cells = {"verdict": "different", "delta_AP_lo": None, "delta_AP_hi": None}
    changes = {name: cells | {"delta_AP": d} for name, d in zip(("e2e", "raw-int8"), deltas, strict=True)}
    assert said in said_of(arguments, changes)


# what code once read out of notes
CRIED = (
    "refused: a; reference refused; weak reference: b; baseline off: AP 0.1, published 0.2; doubtful: c; "
    "suspicious: better than the reference; about 9 images would decide; failed: d; without compiled NMS; "
    "warm-up not steady at 8x8; disturbed (other processes kept 9.0 cores busy); latency at batch 7"
)
SILENT = "what a marvellous day"


def with_notes(arguments, folder, text):
    """The arguments with one text for every note of the summary and the latencies."""
    folder.mkdir()
    rows = [replace(row, notes=text) for row in read_summary(arguments["summary"])]
    write_summary(folder / "summary.csv", rows)
    latencies = []
    for number, entry in enumerate(arguments["entries"]["latencies"]):
        path = str(folder / f"{number}.json")
        write_latency(path, replace(read_latency(entry["path"]), notes=(text,)))
        latencies.append(entry | {"path": path})
    return shown(arguments, latencies=latencies) | {"summary": str(folder / "summary.csv")}


def files_of(arguments, folder, text):
    """Page, gate and figures with one text for every note, in which ``NOTE`` stands in its place."""
    noted = with_notes(arguments, folder, text)
    evaluate_gate(
        summary=noted["summary"],
        checks=GATE_CHECKS,
        out_json=str(folder / "gate.json"),
        out_xml=str(folder / "gate.xml"),
    )
    render_report(**noted, out=str(folder / "report.html"))
    draw_figures(
        summary=noted["summary"],
        per_class=noted["per_class"],
        entries=noted["entries"],
        **{"dataset": "street", "model": "det", "out_dir": str(folder / "street")},
    )
    names = ("gate.json", "gate.xml", "report.html")
    names += ("street/ap.svg", "street/latency.svg", "street/stages.svg")
    return {name: (folder / name).read_text(encoding="utf-8").replace(text, "NOTE") for name in names}


def test_no_code_reads_notes(arguments, tmp_path):
    flags = {
        "raw": disturbed() | {"refused": "NaN in boxes", "without_compiled_nms": True},
        "e2e": {"doubtful": ("2 of 4",), "suspicious": True, "images_to_decide": 1200},
    }
    for chosen in ({}, flags):
        (tmp_path / f"{len(chosen)}").mkdir()
        flagged = with_flags(arguments, tmp_path / f"{len(chosen)}", "street", **chosen)
        cried = files_of(flagged, tmp_path / f"{len(chosen)}/cried", CRIED)
        silent = files_of(flagged, tmp_path / f"{len(chosen)}/silent", SILENT)
        # 12 rows of tables, and as many of times
        assert cried["report.html"].count("NOTE") == 24
        for name, text in cried.items():
            assert text == silent[name], name


def test_slices_stand_with_their_n_and_their_interval(arguments, tmp_path):
    out = tmp_path / "report.html"
    render_report(**arguments, out=str(out))
    text = " ".join(out.read_text(encoding="utf-8").split())
    assert 'id="set-0-slice-table"' in text
    assert "time = night &lt;b&gt;</th>" in text
    assert "night <b>" not in re.sub(r"<script.*?</script>", "", text)
    assert '<span class="soft">fewer than 10 images</span>' in text
