"""An unknown name is answered with the nearest known one."""

from cutpoint.errors import did_you_mean, suggest


def test_the_nearest_name_is_shown_where_one_is_near():
    assert did_you_mean("modles", ["models", "datasets"]) == "; did you mean 'models'?"
    assert did_you_mean("x", iter(["models"])) == ""


def test_all_known_names_follow():
    assert suggest("modles", ["models", "datasets"]) == "; did you mean 'models'? known: datasets, models"
    assert suggest("x", {"b": 1, "a": 2}) == "; known: a, b"
    assert suggest("x", []) == "; known: none"
