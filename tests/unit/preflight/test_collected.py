"""What the functions of other packages say is gathered: mistakes, and remarks on both streams."""

import sys

from cutpoint.errors import UserError, UserErrors
from cutpoint.preflight.collect import Collected


def test_mistakes_and_remarks():
    found = Collected()
    with found.one():
        print("area missing: width x height is used")
        print("cutpoint: results.json: scores above 1", file=sys.stderr)
        print("a library's warning", file=sys.stderr)
        raise UserErrors(["first", "second"])
    with found.one():
        print("area missing: width x height is used")
        raise UserError("second")
    assert found.problems == ("first", "second")
    assert found.remarks == ("area missing: width x height is used", "results.json: scores above 1")
