"""A new column of the summary is one line in one file: a dry exercise on a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cutpoint

LINE = """\
    AR100: float | None = column(
        source="metrics.AR100", heading="AR 100", style=".3f", doubted_by=OF_DETECTIONS, marked=True,
        bound="min",
    )
"""
BEFORE = "    delta_AP: float | None = column(\n"
SCRIPT = """\
import sys
from pathlib import Path
from report_fixtures import TABLES, write_results
from cutpoint.gate.check import evaluate_gate
from cutpoint.records.gate import read_gate
from cutpoint.records.summary import by_evaluation, read_summary
from cutpoint.report.variant_table import variant_table
from cutpoint.summary.build import summarize

root = Path(sys.argv[1])
outs = {f"out_{name}": str(root / name) for name in TABLES}
csv, markdown = outs["out_csv"], outs["out_md"]
summarize(rows=write_results(root)["rows"], **outs)
check = {"dataset": "street", "model": "det", "variant": "raw-int8"}
check |= {"column": "AR100", "bound": "min", "limit": 0.9}
evaluate_gate(summary=csv, checks=[check], out_json=str(root / "g.json"), out_xml=str(root / "g.xml"))
print("csv:", Path(csv).read_text().splitlines()[0])
print("markdown:", next(l for l in Path(markdown).read_text().splitlines() if l.startswith("| variant")))
table = variant_table(by_evaluation(read_summary(csv))[0])
place = [head["text"] for head in table["heads"]].index("AR 100")
cell = table["lines"][-1]["cells"][place]
print("page:", cell.text, cell.doubt, cell.number)
(judged,) = read_gate(root / "g.json").checks
print("gate:", judged.title, judged.status, judged.shown_value)
"""


def test_a_new_column_is_one_line_in_one_file(tmp_path):
    package = tmp_path / "src/cutpoint"
    shutil.copytree(Path(cutpoint.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    records = package / "records/summary.py"
    text = records.read_text()
    assert text.count(BEFORE) == 1
    records.write_text(text.replace(BEFORE, LINE + BEFORE))
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tmp_path / "src"), str(tests), *sys.path])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert ",AP75,evaluator,AR100,delta_AP," in said["csv"]
    heads = [cell.strip() for cell in said["markdown"].split("|")]
    assert heads[heads.index("AP") :][:3] == ["AP", "AR 100", "ΔAP"]
    assert said["page"] == "0.559 failed True"
    assert said["gate"] == "AR100 >= 0.9 failed 0.5587"
