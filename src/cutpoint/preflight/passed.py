"""Stop a job if the preflight has found a problem. It imports little, because every heavy job does this."""

from cutpoint.errors import UserError, UserErrors
from cutpoint.records.preflight import Findings, read_all_findings, read_findings, write_findings


def check_passed(findings: str) -> Findings:
    """Read what ``gather.gather_findings`` wrote.

    Raises:
        UserError: the one problem, or ``UserErrors``: all of them.
    """
    found = read_findings(findings)
    if len(found.problems) == 1:
        raise UserError(found.problems[0])
    if found.problems:
        raise UserErrors(found.problems)
    return found


def check_inputs(*, findings: str, out: str) -> None:
    """Tell all problems, or write the findings to ``out``.

    Raises:
        UserError: all problems as one message. Below them it says where pictures of odd data are, which may
            show where the problems come from.
    """
    try:
        write_findings(out, check_passed(findings))
    except UserError as error:
        raise UserError("\n".join([str(error), *read_all_findings(findings).pictures])) from error


def show_passed(path: str) -> None:
    """Print that no problem was found, and the remarks. ``path``: what ``check_inputs`` wrote."""
    remarks = read_findings(path).remarks
    print("preflight: no problem found" + (f"; {len(remarks)} remarks:" if remarks else ""))
    for remark in remarks:
        print(f"  {remark}")
