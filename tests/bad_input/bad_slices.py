"""Bad inputs: slices files."""

from bad_input import SLICES, BadInput, edit, write

HEAD = "image,name,value\n"

ROWS = [
    BadInput(
        "slice of no image",
        "slices: an image that the data set does not have",
        edit(SLICES, "3.png", "4.png"),
        (
            "datasets.street.slices slices.csv, line 4: the data set has no image '4.png' (of 3 lines"
            " 1 name such images); write a file name with its ending, or an image id; did you mean "
            "'3.png'?"
        ),
    ),
    BadInput(
        "slices empty",
        "slices: an empty file",
        write(SLICES, b""),
        ("datasets.street.slices slices.csv: it is empty; copy or download it again"),
    ),
    BadInput(
        "slices only head",
        "slices: only a head",
        write(SLICES, "image,name,value\n"),
        ("datasets.street.slices slices.csv: no line below the head; write one for each image and name"),
    ),
    BadInput(
        "slices no head",
        "slices: no head",
        write(SLICES, "1.png,time,day\n"),
        (
            "datasets.street.slices slices.csv: the columns 'image', 'name', 'value' are missing; the"
            " first line must name the columns image, name, value, and names '1.png', 'time', 'day'"
        ),
    ),
    BadInput(
        "slices bars",
        "slices: columns between bars",
        write(SLICES, "image|name|value\n1.png|time|day\n"),
        (
            "datasets.street.slices slices.csv: the columns 'image', 'name', 'value' are missing; the"
            " first line must name the columns image, name, value, and names 'image|name|value'"
        ),
    ),
    BadInput(
        "slices column missing",
        "slices: a column is missing",
        edit(SLICES, "value", "what"),
        (
            "datasets.street.slices slices.csv: the column 'value' is missing; the first line must "
            "name the columns image, name, value, and names 'image', 'name', 'what'"
        ),
    ),
    BadInput(
        "slices column twice",
        "slices: a column twice",
        edit(SLICES, "image,name,value", "image,name,value,value"),
        ("datasets.street.slices slices.csv: has the column 'value' more than once; keep one"),
    ),
    BadInput(
        "slices utf-16",
        "slices: UTF-16, as a spreadsheet's Unicode text",
        write(SLICES, "image,name,value\n".encode("utf-16")),
        ("datasets.street.slices slices.csv: not UTF-8 text; in a spreadsheet, save it as CSV UTF-8"),
    ),
    BadInput(
        "slices xlsx",
        "slices: a spreadsheet file in place of CSV",
        write(SLICES, b"PK\x03\x04" + bytes(30)),
        (
            "datasets.street.slices slices.csv: it is a spreadsheet file or a zip archive; save it as CSV "
            "UTF-8"
        ),
    ),
    BadInput(
        "slices open quote",
        "slices: a quotation mark that is not closed",
        edit(SLICES, "2.jpg,time,day", '2.jpg,time,"day'),
        (
            "datasets.street.slices slices.csv, line 3: quotation marks that do not fit (unexpected "
            'end of data); close them, and write one in a quoted cell twice ("")'
        ),
    ),
    BadInput(
        "slices empty cell",
        "slices: an empty value",
        edit(SLICES, "night", ""),
        ("datasets.street.slices slices.csv, line 4: value is empty; write it, or remove the line"),
    ),
    BadInput(
        "slices nul",
        "slices: a value with NUL",
        edit(SLICES, "night", "ni\0ght"),
        (
            "datasets.street.slices slices.csv, line 4: 'ni\\x00ght' is too long, or has a control "
            "character; names and values are text of at most 200 characters in one line"
        ),
    ),
    BadInput(
        "slices escape",
        "slices: a name that clears the terminal",
        edit(SLICES, "3.png,time", "3.png,\x1b[2J"),
        (
            "datasets.street.slices slices.csv, line 4: '\\x1b[2J' is too long, or has a control "
            "character; names and values are text of at most 200 characters in one line"
        ),
    ),
    BadInput(
        "slices long value",
        "slices: a value of 1000 characters",
        edit(SLICES, "night", "n" * 1000),
        (
            "datasets.street.slices slices.csv, line 4: "
            "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'... is too long, or has a "
            "control character; names and values are text of at most 200 characters in one line"
        ),
    ),
    BadInput(
        "slices long line",
        "slices: a line of a million characters",
        edit(SLICES, "night", "n" * 1_000_000),
        (
            "datasets.street.slices slices.csv, line 4: has 100000 characters or more; it is not a "
            "file of slices"
        ),
    ),
    BadInput(
        "slices two values",
        "slices: two values of one name",
        edit(SLICES, "night\n", "night\n1.png,time,night\n"),
        (
            "datasets.street.slices slices.csv, line 5: time of 1.png is 'night', and 'day' in line "
            "2; keep one"
        ),
    ),
    BadInput(
        "slices many values",
        "slices: 51 values of one name",
        write(SLICES, HEAD + "".join(f"1.png,speed,{n}\n" for n in range(51))),
        (
            "datasets.street.slices slices.csv: 'speed' has 51 values, and 50 are allowed; values are"
            " text, so put numbers into a few bins, such as 0-30 and 30-60"
        ),
    ),
    BadInput(
        "slices many names",
        "slices: 51 names",
        write(SLICES, HEAD + "".join(f"1.png,name {n},x\n" for n in range(51))),
        ("datasets.street.slices slices.csv: has 51 names, and 50 are allowed; leave some out"),
    ),
    BadInput(
        "slices out of the folder",
        "slices: an image ../images/1.png",
        edit(SLICES, "1.png", "../images/1.png"),
        (
            "datasets.street.slices slices.csv, line 2: the data set has no image '../images/1.png' "
            "(of 3 lines 1 name such images); write a file name with its ending, or an image id"
        ),
    ),
    BadInput(
        "slices formula",
        "slices: an image that is a formula",
        edit(SLICES, "1.png", "=1.png"),
        (
            "datasets.street.slices slices.csv, line 2: the data set has no image '=1.png' (of 3 "
            "lines 1 name such images); write a file name with its ending, or an image id; did you "
            "mean '1.png'?"
        ),
    ),
    BadInput(
        "slices several",
        "slices: several faults at once",
        write(SLICES, HEAD + "x.png,time,day\n1.png,,day\n1.png,time,a\n1,time,b\n"),
        (
            "datasets.street.slices slices.csv, line 2: the data set has no image 'x.png' (of 4 lines"
            " 1 name such images); write a file name with its ending, or an image id; did you mean "
            "'3.png'?\n"
            "datasets.street.slices slices.csv, line 3: name is empty; write it, or remove the line\n"
            "datasets.street.slices slices.csv, line 5: time of 1 is 'b', and 'a' in line 4; keep one"
        ),
    ),
]
