from dataclasses import dataclass

import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.json_file import FORMAT, read_record, write_record


@dataclass(frozen=True)
class Side:
    width: int


@dataclass(frozen=True)
class Shape:
    sides: tuple[Side, ...]
    name: str | None


SHAPE = Shape((Side(3), Side(4)), None)


def refusal(path):
    with pytest.raises(UserError) as error:
        read_record(path, Shape)
    return str(error.value)


def test_a_record_comes_back_and_its_file_says_the_format(tmp_path):
    path = tmp_path / "shape.json"
    write_record(path, SHAPE)
    assert next(iter(read_json(path).items())) == ("format", FORMAT)
    assert read_record(path, Shape) == SHAPE


def test_keys_that_are_not_known_are_left_out(tmp_path):
    path = tmp_path / "shape.json"
    write_json(path, {"sides": [{"width": 3, "colour": 1}, {"width": 4}], "name": None, "more": {}})
    assert read_record(path, Shape) == SHAPE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sides": [{"width": 3}, {"width": "4"}], "name": None}, "sides[1].width: expected int, got str"),
        ({"sides": []}, "object missing required field name"),
        ([], "expected object, got array"),
        ({"sides": [], "name": None, "format": FORMAT + 1}, f"format: {FORMAT + 1}, and this version"),
        ({"sides": [], "name": None, "format": "new"}, "format: 'new', and this version"),
    ],
)
def test_another_file_is_refused_with_path_and_key(tmp_path, content, message):
    path = tmp_path / "shape.json"
    write_json(path, content)
    assert refusal(path).startswith(f"{path}: {message}")


def test_what_is_no_json_and_what_is_not_there_is_refused(tmp_path):
    path = tmp_path / "shape.json"
    assert refusal(path).startswith(f"{path}: cannot be read (No such file")
    path.write_text('{"sides": [')
    assert refusal(path).startswith(f"{path}: not JSON (")


def test_an_older_format_is_turned_into_todays(tmp_path):
    path = tmp_path / "shape.json"
    write_json(path, {"edges": [{"width": 3}, {"width": 4}], "name": None})

    def upgrade(content, number):
        assert number == 1
        return content | {"sides": content["edges"]}

    assert read_record(path, Shape, upgrade) == SHAPE
    write_record(path, SHAPE)
    assert read_record(path, Shape, lambda content, number: {}) == SHAPE


def test_a_number_of_numpy_is_not_written(tmp_path):
    np = pytest.importorskip("numpy")
    with pytest.raises(TypeError):
        write_record(tmp_path / "shape.json", Side(np.int64(3)))
    assert not list(tmp_path.iterdir())
