"""An unknown name is answered with the nearest known one."""

import pytest

from cutpoint.errors import Gathered, UserError, UserErrors, did_you_mean, located, show, suggest


def test_the_nearest_name_is_shown_where_one_is_near():
    assert did_you_mean("modles", ["models", "datasets"]) == "; did you mean 'models'?"
    assert did_you_mean("x", iter(["models"])) == ""


def test_all_known_names_follow():
    assert suggest("modles", ["models", "datasets"]) == "; did you mean 'models'? known: datasets, models"
    assert suggest("x", {"b": 1, "a": 2}) == "; known: a, b"
    assert suggest("x", []) == "; known: none"


def test_mistakes_are_gathered_and_told_at_once():
    gathered = Gathered()
    for message in ("first", "second", "first"):
        with gathered.one():
            raise UserError(message)
    with gathered.one():
        raise UserErrors(["second", "third"])
    with pytest.raises(UserErrors) as stopped:
        gathered.stop()
    assert stopped.value.messages == ("first", "second", "third")
    assert str(stopped.value) == "3 problems:\n  1. first\n  2. second\n  3. third"


def test_one_mistake_keeps_its_message_and_none_is_no_error():
    gathered = Gathered()
    gathered.stop()
    with gathered.one():
        raise UserError("alone")
    with pytest.raises(UserError, match=r"^alone$") as stopped:
        gathered.stop()
    assert type(stopped.value) is UserError


def test_what_is_no_mistake_of_the_user_is_raised():
    with pytest.raises(KeyError), Gathered().one():
        raise KeyError("a fault of the program")


def test_the_place_is_said_before_each_message():
    with pytest.raises(UserErrors) as stopped, located("a.json"):
        raise UserErrors(["first", "second"])
    assert stopped.value.messages == ("a.json: first", "a.json: second")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\0b\tc\rd\x9b2J", r"a\x00b\tc\rd\x9b2J"),
        ("\u202egnp.exe \u2028 \ud800", r"\u202egnp.exe \u2028 \ud800"),
        ("two\nlines, näme, 図, 'quoted' and \\x00", "two\nlines, näme, 図, 'quoted' and \\x00"),
    ],
)
def test_names_in_messages_cannot_command_a_terminal(text, said):
    assert str(UserError(text)) == said
    assert str(UserErrors([text, "other"])) == f"2 problems:\n  1. {said}\n  2. other"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\x1b[2J\ud800\u202e", r"'a\nb\x1b[2J\ud800\u202e'"),
        ("x" * 100, f"'{'x' * 60}'..."),
        ([1] * 100, f"{str([1] * 100)[:60]}..."),
        (None, "None"),
    ],
)
def test_a_value_is_shown_in_one_short_line(value, shown):
    assert show(value) == shown
    assert show(value).isprintable()


def test_a_value_that_python_cannot_write_is_named():
    value: list = []
    for _ in range(100_000):
        value = [value]
    assert show(value) == "list that is too long to show"
    assert show(10**5000) == "int that is too long to show"
