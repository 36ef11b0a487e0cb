"""What a golden pack has, which images it chooses, and what the checker says about a damaged one."""

import ast
import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from datasets import make_image
from golden_packs import CATEGORIES, SIZES, check, make_pack, picture, port_of, read_pack, write_port

from cutpoint.golden import bundle as bundling
from cutpoint.golden.bundle import PARTS, bundle
from cutpoint.golden.choose import choose_images
from cutpoint.golden.pack import write_pack
from cutpoint.predict.runtime import Session
from cutpoint.records.detections import make_results, write_refusal


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pack of ``raw``, in the folder with all that it was made from."""
    return make_pack(tmp_path_factory.mktemp("made"), "raw")


def test_a_pack_has_the_files_and_the_sizes(made):
    content, arrays = read_pack(made)
    assert {path.name for path in made.iterdir()} == {
        "pack.json",
        "README.md",
        "check.py",
        "images",
        "image1.npz",
        "image2.npz",
        "image3.npz",
    }
    assert content["onnx"]["sha256"] == hashlib.sha256((made.parent / "raw.onnx").read_bytes()).hexdigest()
    assert content["categories"] == list(CATEGORIES)
    assert len({image["geometry"]["resized_height"] for image in content["images"]}) > 1
    for image in content["images"]:
        pixels = picture(made, image["name"])
        assert (
            SIZES[image["image_id"]]
            == pixels.shape[:2]
            == (image["pixels"]["height"], image["pixels"]["width"])
        )
        assert hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest() == image["pixels"]["sha256"]
    ids = arrays["image1"]["step6.ids"]
    np.testing.assert_array_equal(
        arrays["image1"]["candidates.labels"][ids], arrays["image1"]["step6.labels"]
    )


def test_the_arrays_are_the_files_own(made):
    _, arrays = read_pack(made)
    session = Session(made.parent / "raw.onnx", "cpu", 1)
    for given in arrays.values():
        outputs = session.run({"images": given["input"]})
        for name, value in outputs.items():
            np.testing.assert_array_equal(given[f"output.{name}"], value)


def test_final_boxes_are_the_detections_file(made):
    content, arrays = read_pack(made)
    entries = json.loads((made.parent / "detections.json").read_text())
    for image in content["images"]:
        own = [entry for entry in entries if entry["image_id"] == image["image_id"]]
        given = arrays[image["name"]]
        assert [entry["score"] for entry in own] == given["detections.scores"].tolist()
        labels = [CATEGORIES.index(entry["category_id"]) for entry in own]
        assert labels == given["detections.labels"].tolist()
        assert len(own) == image["detections"]


def test_a_pack_is_written_again_alike(made, tmp_path):
    again = make_pack(tmp_path, "raw")
    assert (again / "image1.npz").read_bytes() == (made / "image1.npz").read_bytes()
    assert (again / "check.py").read_text() == (made / "check.py").read_text()


def test_tolerances_have_reasons(made):
    content, _ = read_pack(made)
    stages = content["tolerances"]
    for value in [*stages["outputs"].values(), *(v for k, v in stages.items() if k != "outputs")]:
        assert len(value["why"]) > 30
        assert all(limit > 0 for name, limit in value.items() if name != "why")
    # the way back enlarges boxes, and what noise does to them
    assert stages["step3"]["boxes"] > stages["step2"]["boxes"]


def test_the_readme_names_every_key(made):
    content, _ = read_pack(made)
    text = (made / "README.md").read_text()
    stages = {key.rpartition(".")[0] or key for key in content["arrays"] if not key.startswith("output.")}
    stages = {stage for stage in stages if not stage.startswith("mistake")}
    keys = (stages - {"pixels_grid"}) | {key for key in content["arrays"] if key.startswith("output.")}
    assert [key for key in keys if f"`{key}" not in text] == []
    assert "{" not in re.sub(r"```json.*?```", "", text, flags=re.DOTALL).replace(
        '`{"image1": {"input": [...], "detections": {"boxes": [...], ...}}}`', ""
    )


def test_a_refused_variant_has_a_pack_that_says_so(made, tmp_path):
    detections = tmp_path / "detections.json"
    write_refusal(detections, "NaN in cls_0 on image id 7")
    folder = made.parent
    write_pack(
        dataset="street",
        model="small",
        variant="raw",
        onnx=str(folder / "raw.onnx"),
        manifest=str(folder / "manifest.json"),
        labels=str(folder / "labels.json"),
        detections=str(detections),
        provider="cpu",
        recipe="mmdet3",
        images=3,
        out=str(tmp_path / "pack"),
    )
    assert "NaN in cls_0" in (tmp_path / "pack/README.md").read_text()
    code, text = check(tmp_path / "pack", made)
    assert (code, len(text.splitlines())) == (2, 1)
    assert "NaN in cls_0" in text


def test_images_have_many_detections_and_other_sizes():
    images = [
        make_image(1, height=100, width=200),
        make_image(2, height=100, width=200),
        make_image(3, height=90, width=200),
        make_image(4, height=200, width=100),
        make_image(5),
    ]
    counts = {1: 9, 2: 10, 3: 8, 4: 6, 5: 0}
    results = make_results(
        [
            {"image_id": identity, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}
            for identity, count in counts.items()
            for _ in range(count)
        ]
    )
    assert [image.id for image in choose_images(images, results, 3)] == [2, 4, 3]
    assert [image.id for image in choose_images(images, results, 9)] == [2, 4, 3, 1, 5]
    assert [image.id for image in choose_images(images, make_results([]), 2)] == [1, 2]
    uneven = [image.id for image in choose_images(images, results, 3, lambda image: image.id == 1)]
    assert uneven == [2, 4, 1]


def test_the_checker_is_one_file_of_numpy_and_python_3_9():
    text = bundle()
    tree = ast.parse(text, feature_version=(3, 9))
    imports = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imports == {
        "__future__",
        "argparse",
        "collections",
        "functools",
        "itertools",
        "json",
        "numpy",
        "pathlib",
        "sys",
        "typing",
        "zipfile",
        "zlib",
    }
    assert "strict=" not in text
    assert "cutpoint." not in text


def test_two_parts_with_one_name_are_refused(monkeypatch):
    source = bundling._source
    monkeypatch.setattr(
        bundling,
        "_source",
        lambda name: source(name) + ("\nclass Match: pass\n" if name == PARTS[-1] else ""),
    )
    with pytest.raises(ValueError, match="Match is defined in another part too"):
        bundle()


def rows_without_scores(name, arrays):
    return {key: value for key, value in arrays.items() if key != "detections.scores"}


def wrong_shape(name, arrays):
    return {**arrays, "detections.boxes": arrays["detections.boxes"][:, :3]}


def one_row_less(name, arrays):
    return {**arrays, "detections.labels": arrays["detections.labels"][1:]}


def not_a_number(name, arrays):
    return {**arrays, "detections.scores": arrays["detections.scores"] * np.nan}


def text_array(name, arrays):
    return {**arrays, "detections.labels": np.array(["car"] * len(arrays["detections.labels"]))}


def unknown_key(name, arrays):
    return {"detection.boxes": arrays["detections.boxes"]}


def flat_input(name, arrays):
    return {"input": arrays["input"].ravel()}


DAMAGED = {
    "no_scores": (("detections",), rows_without_scores, "detections.scores is missing"),
    "wrong_shape": (
        ("detections",),
        wrong_shape,
        r"detections.boxes has shape \(\d+, 3\), expected \(\d+, 4\)",
    ),
    "fewer_labels": (("detections",), one_row_less, r"detections.labels has shape"),
    "nan": (("detections",), not_a_number, "NaN or infinity"),
    "text": (("detections",), text_array, "numbers are needed"),
    "unknown": (("detections",), unknown_key, "'detection.boxes' is no key of this pack"),
    "flat": (("input",), flat_input, r"input: shape \(\d+,\): give"),
}


def assert_refused(result, pattern):
    code, text = result
    assert code == 2, text
    assert len(text.splitlines()) == 1
    assert text.startswith("check.py: ")
    assert re.search(pattern, text), text


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_arrays_are_refused_in_one_message(made, tmp_path, damage):
    keys, change, pattern = DAMAGED[damage]
    assert_refused(check(made, port_of(tmp_path / "port", made, keys, change)), pattern)


def test_files_that_cannot_be_read_are_refused(made, tmp_path):
    port = port_of(tmp_path / "port", made, ("input",), lambda name, arrays: arrays)
    whole = (port / "image2.npz").read_bytes()
    (port / "image2.npz").write_bytes(whole[: len(whole) // 2])
    assert_refused(check(made, port), "image2.npz: cannot be read")
    assert_refused(check(made, tmp_path / "nowhere"), "no such file or folder")
    assert_refused(check(tmp_path, made, script=made / "check.py"), "not a golden pack")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(check(made, empty), "nothing of the images image1, image2, image3")
    file = tmp_path / "port.json"
    for content, pattern in {
        '{"image1": ': "cannot be read as JSON",
        "[{}]": "entry 0: image_id, category_id, bbox and score are needed",
        '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]': "no entry has an image_id",
        '{"image1": {"detections": {"boxes": [[1, 2], [3]]}}}': "not an array of numbers",
        '"text"': "neither a mapping of images nor a list",
        '{"image1": 3}': "must map the keys",
    }.items():
        file.write_text(content)
        assert_refused(check(made, file), pattern)


def test_a_damaged_pack_is_refused(made, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(made, pack)
    whole = (pack / "image1.npz").read_bytes()
    (pack / "image1.npz").write_bytes(whole[:-100])
    assert_refused(check(pack, made), "image1.npz: cannot be read")
    write_port(tmp_path / "one", {"image1": {"input": np.zeros((1, 3, 4, 4))}})
    shutil.copy(tmp_path / "one/image1.npz", pack / "image1.npz")
    assert_refused(check(pack, made), "image1.npz: no array pixels_grid; make the pack again")
    (pack / "pack.json").write_text('{"model": 3}')
    assert_refused(check(pack, made), "not the pack.json of a golden pack")
