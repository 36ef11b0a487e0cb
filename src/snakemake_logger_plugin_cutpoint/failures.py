"""What a failed job leaves to read: one message if it is a user's mistake, else the end of the log."""

from pathlib import Path

from snakemake_logger_plugin_cutpoint.jobs import Job

LINES = 15
# starts the one message of a cutpoint.errors.UserError
MESSAGE = "cutpoint: "


def describe_failure(job: Job, show_log: bool) -> str:
    """The job, its message or its log's last lines, and where the whole log is."""
    lines = [f"failed: {job.name}"]
    for path in job.logs:
        if show_log:
            lines += [f"  {line}" for line in last_lines(path)]
        lines.append(f"  log: {path}")
    return "\n".join(lines)


def last_lines(path: Path) -> list[str]:
    """The message of a user's mistake, or the last lines; of a progress bar only its last state."""
    try:
        # with its carriage returns: a progress bar writes over its line
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ["(no log: the job ended before it wrote one)"]
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.rstrip().split("\n")]
    starts = [number for number, line in enumerate(lines) if line.startswith(MESSAGE)]
    return lines[starts[-1] :] if starts else [line for line in lines if line][-LINES:]
