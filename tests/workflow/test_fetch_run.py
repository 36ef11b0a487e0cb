"""Downloads in a run of the workflow, from a server on the loopback."""

import hashlib
import io
import zipfile

import pytest
from loopback import serving
from snake import CONFIG, run_snakemake

IMAGES, ANNOTATIONS, CHECKPOINT = "data/far/images", "data/far/instances.json", "data/far/model.pth"
TARGETS = (IMAGES, ANNOTATIONS, CHECKPOINT)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def far(project, server):
    """A project whose images, annotations and weights lie on the server; the first two in one archive."""
    demo = project / "data/demo/traffic"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for image in sorted((demo / "images").iterdir())[:3]:
            archive.write(image, f"set/images/{image.name}")
        archive.write(demo / "instances.json", "set/instances.json")
    archive, weights = packed.getvalue(), (project / "data/demo/atss_traffic.pth").read_bytes()
    server.files = {"/set.zip": archive, "/model.pth": weights}
    rows = [
        (f"{server.url('/gone.zip')} {server.url('/set.zip')}", IMAGES, "set/images/", archive),
        (server.url("/set.zip"), ANNOTATIONS, "set/instances.json", archive),
        (server.url("/model.pth"), CHECKPOINT, "", weights),
    ]
    lines = ["name\turl\tpath\tmember\tsha256\tbytes\tlicence"]
    for url, path, member, content in rows:
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f"{path}\t{url}\t{path}\t{member}\t{digest}\t{len(content)}\tnone")
    (project / "data/sources.tsv").write_text("\n".join(lines) + "\n")
    text = CONFIG.replace("data/demo/atss_traffic.pth", CHECKPOINT)
    text = text.replace("data/demo/traffic/images", IMAGES)
    text = text.replace("data/demo/traffic/instances.json", ANNOTATIONS)
    (project / "config/config.yaml").write_text(text)
    return project


def fetch(project, *arguments):
    return run_snakemake(project, "--cores", "2", *TARGETS, *arguments)


def test_everything_is_fetched_once_and_kept(far, server):
    result = fetch(far)
    assert result.code == 0, result.text
    assert len(list((far / IMAGES).glob("*.jpg"))) == 3
    assert (far / CHECKPOINT).read_bytes() == server.files["/model.pth"]
    assert sorted(server.paths) in (
        ["/gone.zip", "/model.pth", "/set.zip"],
        ["/model.pth", "/set.zip"],  # the annotations' job came first
    )
    log = (far / f"logs/fetch/{CHECKPOINT}.log").read_text()
    assert "100%" in log
    assert "B/s]" in log
    asked = len(server.paths)
    # a mirror more, or a folder, is no reason to fetch again
    table = far / "data/sources.tsv"
    table.write_text(
        table.read_text().replace("/model.pth\tdata", "/model.pth http://elsewhere.invalid/m\tdata")
    )
    (far / "mine").mkdir()
    again = fetch(far, "--config", "downloads={folder: mine}", "--dry-run")
    assert again.code == 0, again.text
    assert again.jobs == {}
    # neither is a file that is made again
    forced = fetch(far, "--force")
    assert forced.code == 0, forced.text
    assert len(server.paths) == asked


def test_from_a_folder_without_the_server(far, server):
    folder = far / "mine"
    folder.mkdir()
    (folder / "set.zip").write_bytes(server.files["/set.zip"])
    (folder / "model.pth").write_bytes(server.files["/model.pth"])
    result = fetch(far, "--config", "downloads={folder: mine}")
    assert result.code == 0, result.text
    assert server.paths == []


def test_a_failure_is_one_message(far, server):
    server.files = {"/set.zip": server.files["/set.zip"], "/model.pth": b"<html>log in</html>"}
    result = fetch(far)
    assert result.code == 1
    assert "cutpoint: http://127.0.0.1" in result.text
    assert "/model.pth: 19 of " in result.text
    assert "it is a web page" in result.text
    assert "Traceback" not in result.text
    assert not (far / CHECKPOINT).exists()
