"""Bad inputs: lists of class names."""

from pathlib import Path

from bad_input import BadInput, Change, edit_config


def names(content: bytes) -> Change:
    """Give the model without mmdet a file of class names."""

    def change(folder: Path) -> None:
        edit_config("theirs: {}", "theirs: {classes: names.txt}")(folder)
        (folder / "names.txt").write_bytes(content)

    return change


def written(names: str) -> Change:
    """Write the class names into the config."""
    return edit_config("theirs: {}", f"theirs: {{classes: {names}}}")


ROWS = [
    BadInput(
        "classes empty",
        "class names: an empty file",
        names(b"\n\n"),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: it is empty; copy or download it "
            "again; write `classes`: a list, {id: name}, the path of a text file with one name a "
            "line, coco80 (COCO's classes in order) or coco91 (labels are COCO's category ids)"
        ),
    ),
    BadInput(
        "classes gap",
        "class names: two empty lines between the names",
        names(b"pedestrian\n\nother\n\ntram\n"),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: line 2 is empty (and 1 more); "
            "give a name a line, without gaps"
        ),
    ),
    BadInput(
        "classes utf-16",
        "class names: UTF-16",
        names("pedestrian".encode("utf-16")),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: cannot be read (not UTF-8 text); "
            "write `classes`: a list, {id: name}, the path of a text file with one name a line, "
            "coco80 (COCO's classes in order) or coco91 (labels are COCO's category ids)"
        ),
    ),
    BadInput(
        "classes gzip",
        "class names: a gzip file",
        names(b"\x1f\x8b\x08"),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: it is a gzip file; unpack it "
            "(gunzip); write `classes`: a list, {id: name}, the path of a text file with one name a "
            "line, coco80 (COCO's classes in order) or coco91 (labels are COCO's category ids)"
        ),
    ),
    BadInput(
        "classes separator",
        "class names: a line separator within a name",
        names("pedestrian\u2028other".encode()),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: 'pedestrian\\u2028other' is no "
            "name, a name is text of at most 500 characters in one line; write `classes`: a list, "
            "{id: name}, the path of a text file with one name a line, coco80 (COCO's classes in "
            "order) or coco91 (labels are COCO's category ids)"
        ),
    ),
    BadInput(
        "classes control",
        "class names: a name that clears the terminal",
        names(b"pedestrian\n\x1b[2J\n"),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: '\\x1b[2J' is no name, a name is "
            "text of at most 500 characters in one line; write `classes`: a list, {id: name}, the "
            "path of a text file with one name a line, coco80 (COCO's classes in order) or coco91 "
            "(labels are COCO's category ids)"
        ),
    ),
    BadInput(
        "classes many",
        "class names: 40000 names",
        names(b"x\n" * 40_000),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: 40000 names, and at most 32768 "
            "are possible"
        ),
    ),
    BadInput(
        "classes large",
        "class names: a file of 2 MB",
        names(b"x\n" * 1_000_000),
        (
            "variants.small.onnx: models.theirs.classes: names.txt: has more than 1000000 bytes; it "
            "is no file of names; write `classes`: a list, {id: name}, the path of a text file with "
            "one name a line, coco80 (COCO's classes in order) or coco91 (labels are COCO's category "
            "ids)"
        ),
    ),
    BadInput(
        "classes fewer",
        "class names: fewer names than the model has classes",
        names(b"pedestrian\nother\n"),
        (
            "variants.small.onnx: small.onnx: it has the inputs images float32 (1, 3, 64, 64) and the"
            " outputs output0 float32 (1, 8, 16): no layout fits. Near are ultralytics: columns of 8 "
            "channels are not 4 and 2 classes; yolov5: rows of 5 channels and class scores, boxes are"
            " not decoded; ultralytics-end2end: rows of 6 are needed, they have 16, its rows were not"
            " chosen by NMS or top-k. Write `layout` with a name, or `layout: written` with `cut`, "
            "`outputs` and `input`"
        ),
    ),
    BadInput(
        "classes missing",
        "class names: a file that is not there",
        written("none.txt"),
        (
            "models.theirs.classes: no file none.txt (looked from FOLDER, beside the Snakefile, and "
            "among the paths of data/sources.tsv)"
        ),
    ),
    BadInput(
        "classes id twice",
        "class names: an id as a number and in quotes",
        written('{1: pedestrian, "1": other}'),
        (
            "config.yaml, line 4: the key '1' appears twice in one mapping; rename or remove one "
            "of them\nmodels.theirs.classes: '1' must be an integer"
        ),
    ),
    BadInput(
        "classes id word",
        "class names: an id that is a word",
        written("{first: pedestrian}"),
        ("models.theirs.classes: 'first' must be an integer"),
    ),
    BadInput(
        "classes number",
        "class names: a name that is a number",
        written("[pedestrian, 7]"),
        ("models.theirs.classes[1]: 7 must be text"),
    ),
]
