"""The two views of a run: a bar in a terminal, one line for each finished job elsewhere."""

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cutpoint.printable import printable
from snakemake_logger_plugin_cutpoint.jobs import Job, Jobs, format_seconds

REFRESH_PER_SECOND = 2
# of the jobs that run; a short one needs no line of its own
SHOWN_JOBS = 6
SHOWN_AFTER_S = 1
BAR_WIDTH = 24


class LineView:
    """For files, pipes and continuous integration: it prints lines and never takes one back."""

    def __init__(self, console: Console, jobs: Jobs) -> None:
        self._console = console
        self._jobs = jobs

    def started(self, job: Job) -> None:
        """A job starts."""

    def finished(self, job: Job) -> None:
        """A job is done; ``jobs`` counts it already."""
        width = len(str(self._jobs.total))
        self.print(f"{self._jobs.done:{width}}/{self._jobs.total} {job.name}, {format_seconds(job.seconds)}")

    def print(self, text: str, style: str = "") -> None:
        """Print lines that stay."""
        self._console.print(Text(printable(text), style), soft_wrap=True)

    def close(self) -> None:
        """The run is over."""


class LiveView(LineView):
    """For terminals: a bar, and below it the jobs that run. What is printed goes above it."""

    def __init__(self, console: Console, jobs: Jobs) -> None:
        super().__init__(console, jobs)
        self._live: Live | None = None

    def started(self, job: Job) -> None:
        # one without outputs speaks to the console itself
        if not job.has_output:
            self.close()
        elif self._live is None:
            self._live = Live(
                get_renderable=self._draw,
                console=self._console,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def finished(self, job: Job) -> None:
        if self._jobs.done == self._jobs.total:
            self.close()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(self._jobs.total, self._jobs.done, width=BAR_WIDTH)
        head.add_row(bar, Text(self._jobs.describe(), overflow="ellipsis", no_wrap=True))
        rows = Table.grid(padding=(0, 2))
        shown = [job for job in list(self._jobs.running.values()) if job.seconds >= SHOWN_AFTER_S]
        for job in shown[:SHOWN_JOBS]:
            cells = (f"  {job.name}", format_seconds(job.seconds), job.last_bar())
            rows.add_row(*(Text(printable(cell), "dim", overflow="ellipsis", no_wrap=True) for cell in cells))
        if len(shown) > SHOWN_JOBS:
            rows.add_row(Text(f"  and {len(shown) - SHOWN_JOBS} more", "dim"))
        return Group(head, rows)
