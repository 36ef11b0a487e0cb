"""What a failed job leaves to read: one message if it is a user's mistake, else the end of the log."""

import re
from pathlib import Path

from cutpoint.faults import AGAIN, describe_fault
from snakemake_logger_plugin_cutpoint.jobs import Job

LINES = 15
# starts the one message of a cutpoint.errors.UserError
MESSAGE = "cutpoint: "
# Snakemake's words for a job that a signal ended: after the command with the rule's script
DEATH = re.compile(
    r"scripts/tmp[^/ ]*?\.(?P<rule>\w+)\.py.*"
    r"(?:died with <Signals\.(?P<name>\w+)|exit status (?P<code>\d+)\b)",
    re.S,
)
# of a shell whose command was killed by SIGKILL
SHELL_KILLED = "137"
CAUSES = {"SIGKILL": "the machine has run out of memory, or somebody ended it"}
# A fault in Snakemake's own work: the last line of a traceback, and what it says of a job that did not start.
ERRNO = r"\[Errno (\d+)\] ([^:\n]*)(?:: '([^\n]*)')?$"
OWN_FAULT = re.compile(rf"^\w*Error: {ERRNO}", re.M)
OWN_RULE_FAULT = re.compile(rf"^RuleException:\n\w*Error in file .*\n{ERRNO}", re.M)


class Deaths:
    """Which rules' jobs were ended by a signal, as Snakemake says it just before it names the job."""

    def __init__(self) -> None:
        self._signals: dict[str, str] = {}

    def read(self, text: str) -> None:
        """Look for a death in a record of Snakemake."""
        found = DEATH.search(text)
        if found and (found["name"] or found["code"] == SHELL_KILLED):
            self._signals[found["rule"]] = found["name"] or "SIGKILL"

    def pop(self, rule: str) -> str | None:
        """The message about a job of a rule; null if it ended by itself."""
        name = self._signals.pop(rule, None)
        if name is None:
            return None
        cause = f": {CAUSES[name]}" if name in CAUSES else ""
        return f"ended by {name}{cause}; mend the cause, {AGAIN}"


def name_fault(text: str) -> str:
    """A fault of the machine in Snakemake's own work as one message; another text as it is."""
    found = OWN_FAULT.findall(text) if text.startswith("Traceback") else OWN_RULE_FAULT.findall(text)
    if not found:
        return text
    number, words, path = found[-1]
    fault = describe_fault(OSError(int(number), words, path or None))
    return f"{MESSAGE}{fault}" if fault else text


def describe_failure(job: Job, show_log: bool, killed: str | None = None) -> str:
    """The job, what ended it, its message or its log's last lines, and where the whole log is."""
    lines = [f"failed: {job.name}"]
    if killed:
        lines.append(f"  {killed}")
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
