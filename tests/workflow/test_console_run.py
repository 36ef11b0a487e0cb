"""The console of a whole run, in a terminal and in a file."""

import os
import pty
import re
import subprocess
import sys

import pytest
from snake import ROOT, run_python

SNAKEFILE = """\
onsuccess:
    logger.info("report: out.txt")


rule all:
    input:
        "out.txt",


rule write:
    output:
        "out.txt",
    log:
        "write.log",
    shell:
        "(echo loud; sleep 2; COMMAND) > {log} 2>&1"


rule speak:
    input:
        "out.txt",
    shell:
        "echo spoken"
"""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def write(tmp_path):
    def snakefile(command):
        (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("COMMAND", command))
        return tmp_path

    return snakefile


def run(folder, *targets):
    options = ("--cores", "1", "--logger", "cutpoint", "--show-failed-logs")
    return run_python(folder, "-m", "snakemake", *targets, *options, clone=ROOT)


def test_a_run_in_a_file_is_a_few_lines(write):
    result = run(write("touch out.txt"))
    assert result.code == 0, result.text
    lines = result.text.splitlines()
    assert [re.sub(r"\d+ s$", "N s", line) for line in lines] == [
        "1/2 write, N s",
        "2/2 all, N s",
        "2 of 2 jobs done in N s",
        "report: out.txt",
    ]


def test_a_failed_job_shows_the_end_of_its_log(write):
    result = run(write("echo cutpoint: no weights; exit 3"))
    assert result.code == 1
    assert result.text.splitlines() == [
        "failed: write",
        "  cutpoint: no weights",
        "  log: write.log",
        "0 of 2 jobs done, 1 failed",
    ]


def test_a_dry_run_is_snakemakes_own(write):
    options = ("--dry-run", "--logger", "cutpoint")
    result = run_python(write("touch out.txt"), "-m", "snakemake", *options, clone=ROOT)
    assert "Job stats:" in result.text
    assert "output: out.txt" in result.text


def test_a_terminal_has_one_calm_view(write):
    folder = write("touch out.txt")
    main, other = pty.openpty()
    command = [sys.executable, "-m", "snakemake", "speak", "--cores", "1", "--logger", "cutpoint"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=folder, stdout=other, stderr=other, env=environment)
    os.close(other)
    shown = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        shown += part
    os.close(main)
    assert process.wait() == 0
    text = shown.decode()
    assert "0 of 2 jobs done" in text
    assert re.search(r"  write +\d s", CONTROL.sub("", text))
    # the view is taken back before a job without outputs speaks, and the cursor is there again
    assert text.rindex("\x1b[?25h") < text.index("spoken")
    assert CONTROL.sub("", text).splitlines()[-2].startswith("2 of 2 jobs done in ")
