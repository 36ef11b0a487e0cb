"""Bad inputs: annotation files."""

import gzip
import json
import math
import os
from pathlib import Path
from typing import Any

from bad_input import ANNOTATIONS, BadInput, Change, edit_json, write


def put(key: str, field: str, value: Any) -> Change:
    """Change a field of the second entry of a list."""
    return edit_json(ANNOTATIONS, lambda content: content[key][1].update({field: value}))


def drop(key: str, field: str) -> Change:
    """Take a field from the second entry of a list."""
    return edit_json(ANNOTATIONS, lambda content: content[key][1].pop(field))


def replace_number(number: str) -> Change:
    """Write a number into a bbox that Python would write otherwise."""

    def change(folder: Path) -> None:
        put("annotations", "bbox", [4, 5, "number", 7])(folder)
        path = folder / ANNOTATIONS
        path.write_text(path.read_text().replace('"number"', number))

    return change


def captions(content: dict[str, Any]) -> None:
    """As in COCO's captions_val2017.json."""
    content["annotations"] = [{"id": 1, "image_id": 1, "caption": "a street"}]


def word_ids(content: dict[str, Any]) -> None:
    """Ids of images as words."""
    for image in content["images"]:
        image["id"] = f"image {image['id']}"
    for annotation in content["annotations"]:
        annotation["image_id"] = f"image {annotation['image_id']}"


def mixed_ids(content: dict[str, Any]) -> None:
    """COCO's categories with their own ids, and a box with a number that only a list without gaps has."""
    gaps = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
    names = {category["id"]: category["name"] for category in content["categories"]}
    ids = [number for number in range(1, 91) if number not in gaps]
    content["categories"] = [{"id": n, "name": names.get(n, f"class {n}")} for n in ids]
    content["annotations"][0]["category_id"] = 12


def two_cases(content: dict[str, Any]) -> None:
    """Names that are one file on some systems."""
    content["images"][1]["file_name"] = "1.PNG"


def one_name(content: dict[str, Any]) -> None:
    """A name for two categories with boxes."""
    content["categories"][1]["name"] = content["categories"][3]["name"]


def fractions(content: dict[str, Any]) -> None:
    """As YOLO writes boxes."""
    for annotation in content["annotations"]:
        annotation["bbox"] = [part / 64 for part in annotation["bbox"]]


def corners(content: dict[str, Any]) -> None:
    """As Pascal VOC writes boxes; in the right lower part of the images."""
    for annotation in content["annotations"]:
        annotation["bbox"] = [25, 28, 40, 44]


def again(content: dict[str, Any]) -> None:
    """The second box once more, with an id of its own."""
    content["annotations"].append({**content["annotations"][1], "id": 70})


def several(content: dict[str, Any]) -> None:
    """A fault in each list, and two of boxes."""
    content["images"][0]["height"] = None
    content["categories"][1]["name"] = 5
    content["annotations"][0].update(category_id=9, bbox=None)
    content["annotations"][1].update(area="440", bbox=[4, 5, 0, 7])


def link(target: str) -> Change:
    """Put a link in place of an image."""

    def change(folder: Path) -> None:
        (folder / "images/2.jpg").unlink()
        (folder / "images/2.jpg").symlink_to(target)

    return change


def pipe(path: str) -> Change:
    """Put a pipe in place of a file."""

    def change(folder: Path) -> None:
        (folder / path).unlink()
        os.mkfifo(folder / path)

    return change


ROWS = [
    BadInput(
        "annotations without categories",
        "annotations: no categories",
        edit_json(ANNOTATIONS, lambda c: c.pop("categories")),
        ("datasets.street.annotations truth.json: no list 'categories'; it is not a COCO detection file"),
    ),
    BadInput(
        "annotations that are no JSON",
        "annotations: text that is not JSON",
        write(ANNOTATIONS, "{x"),
        (
            "datasets.street.annotations truth.json: not JSON (Expecting property name enclosed in "
            "double quotes: line 1 column 2 (char 1))"
        ),
    ),
    BadInput(
        "annotations cut off",
        "annotations: a file that ends in the middle",
        write(ANNOTATIONS, '{"images": [{"id": 1, "file_na'),
        (
            "datasets.street.annotations truth.json: ends in the middle (Unterminated string starting"
            " at); it is not complete: write, copy or download it again"
        ),
    ),
    BadInput(
        "annotations empty file",
        "annotations: an empty file",
        write(ANNOTATIONS, b""),
        ("datasets.street.annotations truth.json: it is empty; copy or download it again"),
    ),
    BadInput(
        "annotations gzip",
        "annotations: a gzip file",
        write(ANNOTATIONS, gzip.compress(b"{}")),
        ("datasets.street.annotations truth.json: it is a gzip file; unpack it (gunzip)"),
    ),
    BadInput(
        "annotations zip",
        "annotations: a zip archive",
        write(ANNOTATIONS, b"PK\x03\x04" + bytes(30)),
        ("datasets.street.annotations truth.json: it is a zip archive; unpack it (unzip)"),
    ),
    BadInput(
        "annotations web page",
        "annotations: a web page",
        write(ANNOTATIONS, "<!DOCTYPE html><html>404</html>"),
        (
            "datasets.street.annotations truth.json: it is a web page (HTML or XML), not the file "
            "itself; download it again from its own address"
        ),
    ),
    BadInput(
        "annotations lfs",
        "annotations: a Git LFS pointer",
        write(ANNOTATIONS, "version https://git-lfs.github.com/spec/v1\n"),
        (
            "datasets.street.annotations truth.json: it is a Git LFS pointer, not the file itself; "
            "run `git lfs pull`"
        ),
    ),
    BadInput(
        "annotations utf-16",
        "annotations: UTF-16",
        write(ANNOTATIONS, "{}".encode("utf-16")),
        ("datasets.street.annotations truth.json: not UTF-8 text; save the JSON as UTF-8, not compressed"),
    ),
    BadInput(
        "annotations jsonl",
        "annotations: JSON lines",
        write(ANNOTATIONS, "{}\n{}\n"),
        (
            "datasets.street.annotations truth.json: more than one JSON value, as in JSON lines "
            "(Extra data: line 2 column 1 (char 3)); write one list or object"
        ),
    ),
    BadInput(
        "annotations deep nesting",
        "annotations: 100000 open brackets",
        write(ANNOTATIONS, "[" * 100_000),
        (
            "datasets.street.annotations truth.json: nested too deeply; it is not a file of "
            "annotations or results"
        ),
    ),
    BadInput(
        "annotations digits",
        "annotations: a number of 5000 digits",
        write(ANNOTATIONS, '{"images": [' + "1" * 5000 + "]}"),
        ("datasets.street.annotations truth.json: has a number of more than 4300 digits; correct it"),
    ),
    BadInput(
        "annotations list",
        "annotations: a list, as a results file has",
        write(ANNOTATIONS, "[]"),
        (
            "datasets.street.annotations truth.json: a list, as in a results file; it is not a COCO "
            "detection file, which is an object of images, annotations and categories. Detections go "
            "under variants.<name>.results"
        ),
    ),
    BadInput(
        "annotations empty object",
        "annotations: an empty object",
        write(ANNOTATIONS, "{}"),
        (
            "datasets.street.annotations truth.json: no list 'images'; it is not a COCO detection "
            "file\n"
            "datasets.street.annotations truth.json: no list 'annotations'; it is not a COCO "
            "detection file; for images without ground truth use null\n"
            "datasets.street.annotations truth.json: no list 'categories'; it is not a COCO detection"
            " file"
        ),
    ),
    BadInput(
        "annotations text in list",
        "annotations: images that are no objects",
        edit_json(ANNOTATIONS, lambda c: c.update(images=["1.png", None])),
        (
            "datasets.street.annotations truth.json: not an object: 2 of 2 images, first entry 0 "
            "(counted from 0); each entry is {...}"
        ),
    ),
    BadInput(
        "annotations no images",
        "annotations: a list without images",
        edit_json(ANNOTATIONS, lambda c: c.update(images=[], annotations=[])),
        ("datasets.street.annotations truth.json: lists no images; give the file that has them"),
    ),
    BadInput(
        "annotations captions",
        "annotations: captions in place of boxes",
        edit_json(ANNOTATIONS, captions),
        (
            "datasets.street.annotations truth.json: has captions and no boxes; give the file of the "
            "boxes (bbox)"
        ),
    ),
    BadInput(
        "image without id",
        "annotations: an image without id",
        drop("images", "id"),
        (
            "datasets.street.annotations truth.json: 'id' is missing or null: 1 of 3 images, first "
            "entry 1 (counted from 0); add it"
        ),
    ),
    BadInput(
        "image without file_name",
        "annotations: an image without file_name",
        drop("images", "file_name"),
        (
            "datasets.street.annotations truth.json: 'file_name' is missing or null: 1 of 3 images, "
            "first image 2; add it"
        ),
    ),
    BadInput(
        "image without height",
        "annotations: an image without height",
        drop("images", "height"),
        (
            "datasets.street.annotations truth.json: 'height' is missing or null: 1 of 3 images, "
            "first image 2; add it"
        ),
    ),
    BadInput(
        "annotation without image_id",
        "annotations: an annotation without image_id",
        drop("annotations", "image_id"),
        (
            "datasets.street.annotations truth.json: 'image_id' is missing or null: 1 of 6 "
            "annotations, first annotation 2; add it"
        ),
    ),
    BadInput(
        "annotation without category_id",
        "annotations: an annotation without category_id",
        drop("annotations", "category_id"),
        (
            "datasets.street.annotations truth.json: 'category_id' is missing or null: 1 of 6 "
            "annotations, first annotation 2; add it"
        ),
    ),
    BadInput(
        "annotation without id",
        "annotations: an annotation without id",
        drop("annotations", "id"),
        (
            "datasets.street.annotations truth.json: 'id' is missing or null: 1 of 6 annotations, "
            "first entry 1 (counted from 0); add it"
        ),
    ),
    BadInput(
        "category without name",
        "annotations: a category without name",
        drop("categories", "name"),
        (
            "datasets.street.annotations truth.json: 'name' is missing or null: 1 of 4 categories, "
            "first category 2; add it"
        ),
    ),
    BadInput(
        "annotation without bbox",
        "annotations: an annotation without bbox",
        drop("annotations", "bbox"),
        (
            "datasets.street.annotations truth.json: bbox that is not four finite numbers (null): 1 "
            "of 6 annotations, first annotation 2; write x, y, width, height in pixels, or set "
            "datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "ids in two writings",
        "annotations: one image id in quotes, the others not",
        put("images", "id", "2"),
        (
            "datasets.street.annotations truth.json: id '2': 1 of 3 images, first image '2'; ids are "
            "whole numbers from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "ids as words",
        "annotations: image ids that are words",
        edit_json(ANNOTATIONS, word_ids),
        (
            "datasets.street.annotations truth.json: id 'image 1': 3 of 3 images, first image 'image "
            "1'; ids are whole numbers from 0 to 2^63 - 1, not in quotes\n"
            "datasets.street.annotations truth.json: image_id 'image 1': 6 of 6 annotations, first "
            "annotation 1; ids are whole numbers from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "id with half",
        "annotations: an id of 1.5",
        put("images", "id", 1.5),
        (
            "datasets.street.annotations truth.json: id 1.5: 1 of 3 images, first image 1.5; ids are "
            "whole numbers from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "id negative",
        "annotations: a negative category id",
        put("categories", "id", -1),
        (
            "datasets.street.annotations truth.json: id -1: 1 of 4 categories, first category -1; ids"
            " are whole numbers from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "id beyond int64",
        "annotations: an id of 10^30",
        put("annotations", "id", 10**30),
        (
            "datasets.street.annotations truth.json: id 1000000000000000000000000000000: 1 of 6 "
            "annotations, first annotation 1000000000000000000000000000000; ids are whole numbers "
            "from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "id deep",
        "annotations: an id that is 500 nested lists",
        put("annotations", "image_id", json.loads("[" * 500 + "]" * 500)),
        (
            "datasets.street.annotations truth.json: image_id "
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...: 1 of 6 annotations, "
            "first annotation 2; ids are whole numbers from 0 to 2^63 - 1, not in quotes"
        ),
    ),
    BadInput(
        "image id twice",
        "annotations: an image id twice",
        put("images", "id", 1),
        (
            "datasets.street.annotations truth.json: id that occurs more than once: 2 of 3 images, "
            "first image 1; give each its own id"
        ),
    ),
    BadInput(
        "annotation id twice",
        "annotations: an annotation id twice, as some converters write",
        put("annotations", "id", 1),
        (
            "datasets.street.annotations truth.json: id that occurs more than once: 2 of 6 "
            "annotations, first annotation 1; give each its own id"
        ),
    ),
    BadInput(
        "category id twice",
        "annotations: a category id twice",
        put("categories", "id", 1),
        (
            "datasets.street.annotations truth.json: id that occurs more than once: 2 of 4 "
            "categories, first category 1; give each its own id"
        ),
    ),
    BadInput(
        "unknown image",
        "annotations: a box of an image that is not listed",
        put("annotations", "image_id", 99),
        (
            "datasets.street.annotations truth.json: image_id that is not listed among images (99): 1"
            " of 6 annotations, first annotation 2; add what is missing, or remove them"
        ),
    ),
    BadInput(
        "unknown category",
        "annotations: a box of a category that is not listed",
        put("annotations", "category_id", 0),
        (
            "datasets.street.annotations truth.json: category_id that is not listed among categories "
            "(0): 1 of 6 annotations, first annotation 2; add what is missing, or remove them"
        ),
    ),
    BadInput(
        "80 and 91 ids",
        "annotations: COCO's 91 ids listed, boxes numbered 1 to 80",
        edit_json(ANNOTATIONS, mixed_ids),
        (
            "datasets.street.annotations truth.json: category_id that is not listed among categories "
            "(12): 1 of 6 annotations, first annotation 1; they look like 80 classes counted from 1, "
            "and the file lists COCO's own ids (1 to 90 with gaps): give all of them one numbering; "
            "add what is missing, or remove them"
        ),
    ),
    BadInput(
        "height 0",
        "annotations: a height of 0",
        put("images", "height", 0),
        (
            "datasets.street.annotations truth.json: height 0: 1 of 3 images, first image 2; it is a "
            "whole number of pixels, 1 or more"
        ),
    ),
    BadInput(
        "width text",
        "annotations: a width in quotes",
        put("images", "width", "60"),
        (
            "datasets.street.annotations truth.json: width '60': 1 of 3 images, first image 2; it is "
            "a whole number of pixels, 1 or more"
        ),
    ),
    BadInput(
        "height nan",
        "annotations: a height of NaN",
        put("images", "height", math.nan),
        (
            "datasets.street.annotations truth.json: height nan: 1 of 3 images, first image 2; it is "
            "a whole number of pixels, 1 or more"
        ),
    ),
    BadInput(
        "file name out of the folder",
        "annotations: a file name ../../../../etc/passwd",
        put("images", "file_name", "../../../../etc/passwd"),
        (
            "datasets.street.annotations truth.json: file_name that leads out of the images folder "
            "('../../../../etc/passwd'): 1 of 3 images, first image 2; write it without '..', "
            "relative to the images folder"
        ),
    ),
    BadInput(
        "file name absolute",
        "annotations: a file_name /etc/passwd",
        put("images", "file_name", "/etc/passwd"),
        (
            "datasets.street.annotations truth.json: file_name that is an absolute path "
            "('/etc/passwd'): 1 of 3 images, first image 2; write it relative to the images folder of"
            " the config"
        ),
    ),
    BadInput(
        "file name drive",
        "annotations: a file_name C:/2.jpg",
        put("images", "file_name", "C:/2.jpg"),
        (
            "datasets.street.annotations truth.json: file_name that is an absolute path ('C:/2.jpg'):"
            " 1 of 3 images, first image 2; write it relative to the images folder of the config"
        ),
    ),
    BadInput(
        "file name backslash",
        "annotations: a file_name with a backslash",
        put("images", "file_name", "images\\2.jpg"),
        (
            "datasets.street.annotations truth.json: file_name that has a backslash "
            "('images\\\\2.jpg'): 1 of 3 images, first image 2; write / between folders and file"
        ),
    ),
    BadInput(
        "file name nul",
        "annotations: a file_name with NUL",
        put("images", "file_name", "2.jpg\0"),
        (
            "datasets.street.annotations truth.json: file_name that has a control character "
            "('2.jpg\\x00'): 1 of 3 images, first image 2; rename the file, and write its new name"
        ),
    ),
    BadInput(
        "file name newline",
        "annotations: a file_name with a line break",
        put("images", "file_name", "2\n.jpg"),
        (
            "datasets.street.annotations truth.json: file_name that has a control character "
            "('2\\n.jpg'): 1 of 3 images, first image 2; rename the file, and write its new name"
        ),
    ),
    BadInput(
        "file name half",
        "annotations: a file_name that is not valid Unicode",
        put("images", "file_name", "\ud800.jpg"),
        (
            "datasets.street.annotations truth.json: file_name that is not valid Unicode text "
            "('\\ud800.jpg'): 1 of 3 images, first image 2; rename the file, and write its new name as"
            " UTF-8"
        ),
    ),
    BadInput(
        "file name long",
        "annotations: a file_name of 5000 characters",
        put("images", "file_name", "x" * 5000),
        (
            "datasets.street.annotations truth.json: file_name that is longer than a file system "
            "allows ('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'...): 1 of 3 "
            "images, first image 2; write the name of the file"
        ),
    ),
    BadInput(
        "file name number",
        "annotations: a file_name that is a number",
        put("images", "file_name", 2),
        (
            "datasets.street.annotations truth.json: file_name 2: 1 of 3 images, first image 2; it is"
            " the file's name as text"
        ),
    ),
    BadInput(
        "file name twice",
        "annotations: a file_name twice",
        put("images", "file_name", "1.png"),
        (
            "datasets.street.annotations truth.json: file_name that another image has too (1.png): 2 "
            "of 3 images, first image 1; list each file once, and give all its annotations that one "
            "image_id"
        ),
    ),
    BadInput(
        "file name case",
        "annotations: two file names that differ only in case",
        edit_json(ANNOTATIONS, two_cases),
        (
            "datasets.street.annotations truth.json: file_name that differs from another one only in "
            "upper and lower case (1.png): 2 of 3 images, first image 1; on some systems it is the "
            "same file: rename one of the two, or list the file once"
        ),
    ),
    BadInput(
        "category name control",
        "annotations: a category name with a line break",
        put("categories", "name", "bus\n"),
        (
            "datasets.street.annotations truth.json: name 'bus\\n': 1 of 4 categories, first category "
            "2; it is text of at most 500 characters in one line"
        ),
    ),
    BadInput(
        "category name twice",
        "annotations: a category name twice",
        edit_json(ANNOTATIONS, one_name),
        (
            "datasets.street.annotations truth.json: name that another category has too ('other'): 2 "
            "of 4 categories, first category 2; give each its own name, or make them one category"
        ),
    ),
    BadInput(
        "bbox null",
        "annotations: a bbox of null",
        put("annotations", "bbox", None),
        (
            "datasets.street.annotations truth.json: bbox that is not four finite numbers (null): 1 "
            "of 6 annotations, first annotation 2; write x, y, width, height in pixels, or set "
            "datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "bbox text",
        "annotations: a bbox of text",
        put("annotations", "bbox", ["4", "5", "6", "7"]),
        (
            'datasets.street.annotations truth.json: bbox that is not four finite numbers (["4", "5",'
            ' "6", "7"]): 1 of 6 annotations, first annotation 2; write x, y, width, height in '
            "pixels, or set datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "bbox nan",
        "annotations: a bbox with NaN",
        put("annotations", "bbox", [4, 5, math.nan, 7]),
        (
            "datasets.street.annotations truth.json: bbox that is not four finite numbers ([4, 5, "
            "NaN, 7]): 1 of 6 annotations, first annotation 2; write x, y, width, height in pixels, "
            "or set datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "bbox 1e400",
        "annotations: a bbox with 1e400",
        replace_number("1e400"),
        (
            "datasets.street.annotations truth.json: bbox that is not four finite numbers ([4, 5, "
            "Infinity, 7]): 1 of 6 annotations, first annotation 2; write x, y, width, height in "
            "pixels, or set datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "bbox three numbers",
        "annotations: a bbox of three numbers",
        put("annotations", "bbox", [4, 5, 6]),
        (
            "datasets.street.annotations truth.json: bbox that is not four finite numbers ([4, 5, "
            "6]): 1 of 6 annotations, first annotation 2; write x, y, width, height in pixels, or set"
            " datasets.street.invalid_boxes: drop (left out)"
        ),
    ),
    BadInput(
        "bbox negative",
        "annotations: a bbox with a negative width",
        put("annotations", "bbox", [20, 5, -10, 7]),
        (
            "datasets.street.annotations truth.json: width or height of the bbox is 0 or negative: 1 "
            "of 6 annotations, first annotation 2; correct them, or set "
            "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in "
            "pycocotools)"
        ),
    ),
    BadInput(
        "bbox flat",
        "annotations: a bbox without height",
        put("annotations", "bbox", [4, 5, 6, 0]),
        (
            "datasets.street.annotations truth.json: width or height of the bbox is 0 or negative: 1 "
            "of 6 annotations, first annotation 2; correct them, or set "
            "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in "
            "pycocotools)"
        ),
    ),
    BadInput(
        "bbox outside",
        "annotations: a bbox outside its image",
        put("annotations", "bbox", [400, 5, 6, 7]),
        (
            "datasets.street.annotations truth.json: bbox outside its image: 1 of 6 annotations, "
            "first annotation 2; correct them, or set datasets.street.invalid_boxes: drop (left out) "
            "or count (missed objects, as in pycocotools)"
        ),
    ),
    BadInput(
        "bbox mostly outside",
        "annotations: a bbox mostly outside its image",
        put("annotations", "bbox", [4, 5, 300, 7]),
        (
            "datasets.street.annotations truth.json: bbox with less than half of itself inside its "
            "image: 1 of 6 annotations, first annotation 2; correct them, or set "
            "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in "
            "pycocotools)"
        ),
    ),
    BadInput(
        "bbox beyond",
        "annotations: a bbox with 1e308",
        put("annotations", "bbox", [4, 5, 1e308, 7]),
        (
            "datasets.street.annotations truth.json: bbox with a number beyond 1e+15: 1 of 6 "
            "annotations, first annotation 2; correct them, or set datasets.street.invalid_boxes: drop "
            "(left out)"
        ),
    ),
    BadInput(
        "bbox fractions",
        "annotations: boxes as fractions of the image",
        edit_json(ANNOTATIONS, fractions),
        (
            "datasets.street.annotations truth.json: bbox that is fractions of the image's size: 6 of"
            " 6 annotations, first annotation 1; multiply them by the image's width and height"
        ),
    ),
    BadInput(
        "bbox corners",
        "annotations: boxes as two corners",
        edit_json(ANNOTATIONS, corners),
        (
            "datasets.street.annotations truth.json: bbox that reaches out of its image, and read as "
            "two corners it would fit: 6 of 6 annotations, first annotation 1; write x and y of the "
            "upper left corner, width, height"
        ),
    ),
    BadInput(
        "bbox twice",
        "annotations: an annotation that is there twice",
        edit_json(ANNOTATIONS, again),
        (
            "datasets.street.annotations truth.json: annotation that is there twice (image, category,"
            " bbox, iscrowd): 1 of 7 annotations, first annotation 70; remove the second, or set "
            "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in "
            "pycocotools)"
        ),
    ),
    BadInput(
        "area text",
        "annotations: an area in quotes",
        put("annotations", "area", "440"),
        (
            "datasets.street.annotations truth.json: area '440': 1 of 6 annotations, first annotation"
            " 2; it is a number of square pixels; or leave it out"
        ),
    ),
    BadInput(
        "area negative",
        "annotations: a negative area",
        put("annotations", "area", -1),
        (
            "datasets.street.annotations truth.json: area -1: 1 of 6 annotations, first annotation 2;"
            " it is a number of square pixels; or leave it out"
        ),
    ),
    BadInput(
        "iscrowd text",
        "annotations: an iscrowd in quotes",
        put("annotations", "iscrowd", "0"),
        (
            "datasets.street.annotations truth.json: iscrowd '0': 1 of 6 annotations, first "
            "annotation 2; it is 0 or 1, not in quotes"
        ),
    ),
    BadInput(
        "iscrowd 2",
        "annotations: an iscrowd of 2",
        put("annotations", "iscrowd", 2),
        (
            "datasets.street.annotations truth.json: iscrowd 2: 1 of 6 annotations, first annotation "
            "2; it is 0 or 1, not in quotes"
        ),
    ),
    BadInput(
        "many faults",
        "annotations: several faults at once",
        edit_json(ANNOTATIONS, several),
        (
            "datasets.street.annotations truth.json: 'height' is missing or null: 1 of 3 images, "
            "first image 1; add it\n"
            "datasets.street.annotations truth.json: name 5: 1 of 4 categories, first category 2; it "
            "is text of at most 500 characters in one line\n"
            "datasets.street.annotations truth.json: area '440': 1 of 6 annotations, first annotation"
            " 2; it is a number of square pixels; or leave it out\n"
            "datasets.street.annotations truth.json: category_id that is not listed among categories "
            "(9): 1 of 6 annotations, first annotation 1; add what is missing, or remove them\n"
            "datasets.street.annotations truth.json: bbox that is not four finite numbers (null): 1 "
            "of 6 annotations, first annotation 1; write x, y, width, height in pixels, or set "
            "datasets.street.invalid_boxes: drop (left out)\n"
            "datasets.street.annotations truth.json: width or height of the bbox is 0 or negative: 1 "
            "of 6 annotations, first annotation 2; correct them, or set "
            "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in "
            "pycocotools)"
        ),
    ),
    BadInput(
        "image link out",
        "annotations: an image that is a link out of the folder",
        link("/etc/passwd"),
        (
            "datasets.street.images: 1 of 3 images are links that lead out of images; first: images/2.jpg "
            "(image 2); put the files themselves there, or name their own folder in the config"
        ),
    ),
    BadInput(
        "annotations are a pipe",
        "annotations: a pipe in place of the file",
        pipe(ANNOTATIONS),
        ("datasets.street.annotations: truth.json is not a file"),
    ),
]
