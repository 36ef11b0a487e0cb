"""Names in a sentence."""

from cutpoint.summary.words import few


def test_many_names_are_cut_short_and_counted():
    assert few("abc") == "a, b and c"
    assert few("abcdef") == "a, b, c, d, e and f"
    assert few("abcdefg") == "a, b, c, d, e and 2 more"
    assert few("abcd", most=2) == "a and 3 more"
