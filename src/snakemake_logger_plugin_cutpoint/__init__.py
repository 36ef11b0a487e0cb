"""How a run of Snakemake looks on the console: ``logger: cutpoint`` in profiles/default.

Snakemake finds the package by its name. In a terminal the jobs that run stand below one bar. Elsewhere each
finished job is one line. Snakemake's own log in ``.snakemake/log`` has everything.
"""

import logging
import sys
import traceback
from logging import ERROR, WARNING, Handler, LogRecord
from typing import Any

from rich.console import Console
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, get_event
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_cutpoint.failures import Deaths, describe_failure, name_fault
from snakemake_logger_plugin_cutpoint.jobs import Job, Jobs, format_seconds
from snakemake_logger_plugin_cutpoint.views import LineView, LiveView

# What Snakemake says about its own work.
HOUSEKEEPING = (
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Using shell:",
    "Select jobs to execute",
    "Complete log(s):",
    "Elapsed time:",
    "Shutting down, this might take some time",
    "WorkflowError:\nAt least one job did not complete successfully",
)
# Precedes a failed job, which says more.
EXIT_STATUS = "CalledProcessError in file"
STOPPED = "Exiting because a job execution failed"
STYLES = {WARNING: "yellow", ERROR: "red"}
SPOKEN = {None, LogEvent.ERROR, LogEvent.GROUP_INFO, LogEvent.GROUP_ERROR}


class LogHandler(LogHandlerBase):
    """Shows Snakemake's records, which come in one thread and in the order of the run."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        # Snakemake's log file may lie on a full disk: a traceback for each record would hide what to mend
        logging.raiseExceptions = False
        self._quiet = set(settings.quiet or ())
        self._jobs = Jobs()
        self._deaths = Deaths()
        console = Console(stderr=not settings.stdout, no_color=settings.nocolor or None, highlight=False)
        live = console.is_terminal and not console.is_dumb_terminal and Quietness.PROGRESS not in self._quiet
        self._view = (LiveView if live else LineView)(console, self._jobs)
        details = settings.dryrun or settings.verbose or settings.debug_dag or settings.printshellcmds
        self._own = _snakemakes_own(settings) if details else None

    def emit(self, record: LogRecord) -> None:
        if self._own:
            self._own.handle(record)
        elif Quietness.ALL not in self._quiet:
            try:
                self._show(record, record.__dict__)
            except Exception:
                traceback.print_exc()

    def close(self) -> None:
        self._view.close()
        super().close()

    def _show(self, record: LogRecord, values: dict[str, Any]) -> None:
        event = get_event(record)
        if event == LogEvent.RUN_INFO:
            self._jobs.expect(values["stats"]["total"])
        elif event == LogEvent.JOB_INFO:
            job = Job.from_record(values)
            self._jobs.start(job)
            self._view.started(job)
        elif event == LogEvent.JOB_FINISHED:
            self._finish(values["job_id"])
        elif event == LogEvent.JOB_ERROR:
            job = self._jobs.fail(values["jobid"]) or Job.from_record(values)
            killed = self._deaths.pop(job.rule)
            self._view.print(describe_failure(job, self.common_settings.show_failed_logs, killed), "red")
        elif event in SPOKEN:
            self._say(record)

    def _finish(self, number: int) -> None:
        job = self._jobs.finish(number)
        if job is None or Quietness.PROGRESS in self._quiet:
            return
        self._view.finished(job)
        if self._jobs.done == self._jobs.total:
            self._view.print(f"{self._jobs.counted} in {format_seconds(self._jobs.seconds)}", "green")

    def _say(self, record: LogRecord) -> None:
        text = name_fault(self.format(record))
        self._deaths.read(text)
        if text.startswith(STOPPED):
            self._view.close()
            text = self._jobs.counted
        if text and text != "None" and not text.startswith(HOUSEKEEPING) and EXIT_STATUS not in text:
            self._view.print(text, STYLES.get(record.levelno, ""))


def _snakemakes_own(settings: Any) -> Handler:
    """What Snakemake uses without a plugin: a dry run, and whoever asks for details, gets all of it."""
    handler: Handler = ColorizingTextHandler(
        nocolor=settings.nocolor, stream=sys.stdout if settings.stdout else sys.stderr
    )
    handler.addFilter(
        DefaultFilter(
            settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
        )
    )
    handler.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
    return handler
