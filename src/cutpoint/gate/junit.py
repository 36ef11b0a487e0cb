"""The results of a gate as JUnit XML for CI."""

from collections.abc import Sequence
from xml.etree import ElementTree

from cutpoint.printable import printable
from cutpoint.records.gate import FAILED, PASSED, SKIPPED, VERIFIED, WORDS, JudgedCheck


def as_junit(
    checks: Sequence[JudgedCheck], nothing: str | None
) -> "ElementTree.ElementTree[ElementTree.Element]":
    """One suite per data set and model, one case per check.

    Args:
        checks: the judged checks.
        nothing: if no bound was checked, the message of a separate case that fails.
    """
    root = ElementTree.Element("testsuites", name="cutpoint gate")
    suites: dict[str, ElementTree.Element] = {}
    for check in checks:
        name = f"{check.dataset}, {check.model}"
        if name not in suites:
            suites[name] = ElementTree.SubElement(root, "testsuite", name=printable(name))
        case = _add_case(suites[name], f"{check.dataset}.{check.model}.{check.variant}", check.title)
        if check.status == SKIPPED:
            ElementTree.SubElement(case, "skipped", message=printable(check.reason or ""))
        elif check.status != PASSED:
            _add_failure(case, check.status, _message(check), f"{check.variant} ({name}): ")
    if nothing is not None:
        suite = ElementTree.SubElement(root, "testsuite", name="gate")
        _add_failure(_add_case(suite, "gate", "a bound was checked"), FAILED, nothing)
    for node in (*root, root):
        failures, skipped = (len(list(node.iter(kind))) for kind in ("failure", "skipped"))
        numbers = {"failures": failures, "errors": 0, "skipped": skipped, "time": 0}
        numbers["tests"] = len(list(node.iter("testcase")))
        node.attrib |= {key: str(number) for key, number in numbers.items()}
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _add_case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    classname, name = printable(classname), printable(name)
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time="0")


def _add_failure(case: ElementTree.Element, kind: str, message: str, prefix: str = "") -> None:
    message = printable(message)
    ElementTree.SubElement(case, "failure", type=kind, message=message).text = printable(prefix) + message


def _message(check: JudgedCheck) -> str:
    """The message of a check that does not pass."""
    if check.bound is None:
        what = "export verification" if check.column == VERIFIED else "check of the file"
        return f"{what} failed: {check.reason}"
    wanted = f"must be {WORDS[check.bound][1]} {check.limit:g}"
    value = f"is {check.shown_value}" if check.value is not None else "has no value"
    reason = f" ({check.reason})" if check.reason else ""
    return f"{check.column} {value}, {wanted}{reason}"
