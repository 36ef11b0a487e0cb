from dataclasses import dataclass

import pytest

from cutpoint.errors import UserError
from cutpoint.records.csv_table import read_rows, write_rows


@dataclass(frozen=True)
class Line:
    name: str
    nick: str | None
    size: float | None
    count: int
    good: bool | None
    parts: tuple[str, ...]


LINES = [
    Line("none", "NA", 0.1 + 0.2, -3, False, ("a, b", "c")),
    Line('"quoted", ünï', None, None, 0, None, ()),
    Line("", "two\nlines", 1e-05, 7, True, ("one",)),
]


def test_lines_come_back(tmp_path):
    path = tmp_path / "lines.csv"
    write_rows(path, Line, LINES)
    assert read_rows(path, Line) == LINES
    assert path.read_text().splitlines()[:2] == [
        "name,nick,size,count,good,parts",
        'none,NA,0.30000000000000004,-3,False,"a, b; c"',
    ]


def test_a_part_with_the_separator_in_it_would_become_two(tmp_path):
    with pytest.raises(ValueError, match="'; ' in it"):
        write_rows(tmp_path / "lines.csv", Line, [Line("x", None, None, 0, None, ("a; b",))])
    assert not (tmp_path / "lines.csv").exists()


def test_a_missing_file_is_one_message(tmp_path):
    with pytest.raises(UserError, match=r"lines\.csv: cannot be read"):
        read_rows(tmp_path / "lines.csv", Line)


def test_other_columns_are_left_out_and_an_upgrade_sees_each_line(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text("title,size,count,good,parts,colour\nx,,1,,,red\n")
    lines = read_rows(path, Line, lambda cells: cells | {"name": cells["title"], "nick": ""})
    assert lines == [Line("x", None, None, 1, None, ())]
