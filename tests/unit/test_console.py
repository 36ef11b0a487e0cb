"""What a run prints, from Snakemake's records: calm, and a failed job says what to mend."""

import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake.logging import DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_cutpoint import LogHandler
from snakemake_logger_plugin_cutpoint.failures import last_lines
from snakemake_logger_plugin_cutpoint.jobs import Job, Jobs, format_seconds
from snakemake_logger_plugin_cutpoint.views import LiveView

SETTINGS = {
    "quiet": None,
    "nocolor": False,
    "stdout": True,
    "dryrun": False,
    "verbose": False,
    "debug_dag": False,
    "printshellcmds": False,
    "show_failed_logs": True,
}


def send(handler, message="", level=logging.INFO, **values):
    record = logging.makeLogRecord({"msg": message, "levelno": level, **values})
    handler.handle(record)


def job_values(log, number=3, output=("out.json",)):
    wildcards = {"dataset": "street", "model": "mine", "variant": "raw"}
    values = {"rule_name": "evaluate", "wildcards": wildcards, "log": [str(log)], "output": list(output)}
    return {"jobid": number, **values}


def handler_of(**settings):
    handler = LogHandler(SimpleNamespace(**{**SETTINGS, **settings}), None)
    handler.setFormatter(DefaultFormatter(set(), True))
    return handler


def test_a_finished_job_is_one_line(capsys, tmp_path):
    handler = handler_of()
    send(handler, "Select jobs to execute...")
    send(handler, "Job stats:", event=LogEvent.RUN_INFO, stats={"evaluate": 2, "total": 2})
    for number in (3, 4):
        send(handler, event=LogEvent.JOB_INFO, **job_values(tmp_path / "log", number))
        send(handler, event=LogEvent.JOB_FINISHED, job_id=number)
    handler.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "1/2 evaluate street/mine/raw, 0 s",
        "2/2 evaluate street/mine/raw, 0 s",
        "2 of 2 jobs done in 0 s",
    ]


def test_a_failed_job_shows_its_message_once(capsys, tmp_path):
    log = tmp_path / "evaluate.log"
    log.write_text("a warning\npredict:  5%|\rpredict: 10%|\ncutpoint: no file images/\ngive its path\n")
    handler = handler_of()
    send(handler, event=LogEvent.RUN_INFO, stats={"total": 2})
    send(handler, event=LogEvent.JOB_INFO, **job_values(log))
    status = 'RuleException:\nCalledProcessError in file "rules/evaluate.smk", line 3:\nCommand exited with 1'
    send(handler, status, logging.ERROR, event=LogEvent.ERROR)
    values = {key: value for key, value in job_values(log).items() if key != "wildcards"}
    send(handler, "Error in rule evaluate", logging.ERROR, event=LogEvent.JOB_ERROR, **values)
    send(handler, "Exiting because a job execution failed. Look above", logging.ERROR)
    final = "WorkflowError:\nAt least one job did not complete successfully."
    send(handler, final, logging.ERROR, event=LogEvent.ERROR)
    assert capsys.readouterr().out.splitlines() == [
        "failed: evaluate street/mine/raw",
        "  cutpoint: no file images/",
        "  give its path",
        f"  log: {log}",
        "0 of 2 jobs done, 1 failed",
    ]


def test_other_errors_and_warnings_are_never_dropped(capsys):
    handler = handler_of()
    send(handler, "MissingOutputException in rule x", logging.ERROR, event=LogEvent.ERROR)
    send(handler, "Your conda is old", logging.WARNING)
    send(handler, "report: results/report.html")
    assert capsys.readouterr().out.splitlines() == [
        "MissingOutputException in rule x",
        "Your conda is old",
        "report: results/report.html",
    ]


def test_a_log_without_a_message_ends_with_its_last_lines(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "".join(f"line {number}\n" for number in range(40)) + "\nbar 1%\rbar 100%\nValueError: boo\n"
    )
    found = last_lines(log)
    assert found[-2:] == ["bar 100%", "ValueError: boo"]
    assert len(found) == 15
    assert last_lines(tmp_path / "none") == ["(no log: the job ended before it wrote one)"]


def test_quiet_leaves_progress_out_and_keeps_failures(capsys, tmp_path):
    handler = handler_of(quiet={Quietness.PROGRESS})
    send(handler, event=LogEvent.RUN_INFO, stats={"total": 1})
    send(handler, event=LogEvent.JOB_INFO, **job_values(tmp_path / "log"))
    send(handler, event=LogEvent.JOB_FINISHED, job_id=3)
    assert capsys.readouterr().out == ""
    send(handler, event=LogEvent.JOB_ERROR, **job_values(tmp_path / "log", 4))
    assert capsys.readouterr().out.startswith("failed: evaluate")
    silent = handler_of(quiet={Quietness.ALL})
    send(silent, event=LogEvent.JOB_ERROR, **job_values(tmp_path / "log", 4))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("asked", ["dryrun", "verbose", "printshellcmds"])
def test_who_asks_for_details_gets_snakemakes_own_output(capsys, asked):
    handler = handler_of(**{asked: True})
    send(handler, "Building DAG of jobs...")
    assert "Building DAG of jobs..." in capsys.readouterr().out


def test_a_terminal_shows_the_jobs_that_run_with_their_bars(tmp_path):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30, color_system=None)
    jobs = Jobs()
    jobs.expect(40)
    view = LiveView(console, jobs)
    log = tmp_path / "log"
    log.write_text("loaded\nscores:  5%|5         | 1/20\rscores: 50%|#####     | 10/20 [00:01<00:01]")
    for number in range(8):
        job = Job.from_record(job_values(log, number))
        object.__setattr__(job, "started", job.started - 90)
        jobs.start(job)
        view.started(job)
    jobs.finish(0)
    console.print(view._draw())
    view.close()
    text = out.getvalue()
    assert "1 of 40 jobs done" in text
    assert "evaluate street/mine/raw  1 min 30 s  scores: 50%|#####     | 10/20 [00:01<00:01]" in text
    assert "and 1 more" in text


def test_a_job_without_outputs_has_the_console_to_itself():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    view = LiveView(console, Jobs(total=2))
    view.started(Job.from_record(job_values("log")))
    before = out.getvalue()
    view.started(Job.from_record(job_values("log", 4, output=())))
    assert len(out.getvalue()) > len(before)
    ended = out.getvalue()
    view.print("gate passed")
    assert out.getvalue() == f"{ended}gate passed\n"


def test_the_rate_and_the_time_left(monkeypatch):
    jobs = Jobs(total=30, done=4)
    monkeypatch.setattr("time.monotonic", lambda: jobs.started + 60)
    assert jobs.describe() == "4 of 30 jobs done"
    jobs.done, jobs.failed = 10, 1
    assert jobs.describe() == "10 of 30 jobs done, 1 failed, 10 jobs/min, about 2 min 0 s left"
    jobs.done = 30
    assert jobs.describe() == "30 of 30 jobs done, 1 failed"


def test_seconds():
    assert [format_seconds(value) for value in (0.4, 59.4, 200, 7500)] == [
        "0 s",
        "59 s",
        "3 min 20 s",
        "2 h 5 min",
    ]


KILLED = (
    'RuleException:\nCalledProcessError in file "workflow/rules/evaluate.smk", line 3:\n'
    "Command 'set -euo pipefail;  /venv/bin/python /home/me/.snakemake/scripts/tmpx1_y2z.evaluate.py' {}"
)


@pytest.mark.parametrize("how", ["died with <Signals.SIGKILL: 9>.", "returned non-zero exit status 137."])
def test_a_killed_job_says_so(capsys, tmp_path, how):
    handler = handler_of()
    send(handler, event=LogEvent.RUN_INFO, stats={"total": 2})
    for number in (3, 4):
        send(handler, event=LogEvent.JOB_INFO, **job_values(tmp_path / "none", number))
    send(handler, KILLED.format(how), logging.ERROR, event=LogEvent.ERROR)
    for number in (3, 4):
        # only the first one was killed
        send(
            handler, "Error", logging.ERROR, event=LogEvent.JOB_ERROR, **job_values(tmp_path / "none", number)
        )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(
        "  ended by SIGKILL: the machine has run out of memory, or somebody ended it; "
    )
    assert len([line for line in lines if "SIGKILL" in line]) == 1


def test_a_job_that_fails_by_itself_is_not_called_killed(capsys, tmp_path):
    handler = handler_of()
    send(handler, event=LogEvent.JOB_INFO, **job_values(tmp_path / "none"))
    send(handler, KILLED.format("returned non-zero exit status 1."), logging.ERROR, event=LogEvent.ERROR)
    send(handler, "Error", logging.ERROR, event=LogEvent.JOB_ERROR, **job_values(tmp_path / "none"))
    assert "ended by" not in capsys.readouterr().out


def test_a_fault_in_snakemakes_own_work_is_one_message(capsys, tmp_path):
    handler = handler_of()
    trace = 'Traceback (most recent call last):\n\n  File "dag.py", line 351, in cleanup_workdir\n\n'
    full = f"{trace}OSError: [Errno 28] No space left on device: '{tmp_path}/a.json'\n"
    send(handler, full, logging.ERROR, event=LogEvent.ERROR)
    send(handler, f"{trace}KeyError: 'x'\n", logging.ERROR, event=LogEvent.ERROR)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"cutpoint: {tmp_path}/a.json: the disk is full; free space there")
    # another error is shown as it is
    assert lines[1] == "Traceback (most recent call last):"


def test_a_job_that_a_full_disk_keeps_from_starting_is_one_message(capsys):
    handler = handler_of()
    text = 'RuleException:\nOSError in file "/p/runs.smk", line 20:\n[Errno 28] No space left on device'
    send(handler, f'{text}\n  File "tempfile.py", line 483', logging.ERROR, event=LogEvent.ERROR)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("cutpoint: [Errno 28] No space left on device: the disk is full; free space there")


def test_a_log_file_on_a_full_disk_does_not_hide_the_messages(capsys, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    handler_of()
    file = logging.FileHandler("/dev/full")
    send(file, "a record")
    assert capsys.readouterr().err == ""
    # what it could not write is still in its buffer
    file.stream = None
