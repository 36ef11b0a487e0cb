"""Bad inputs: the list of downloads. What a server may send is in tests/unit/data/test_fetch.py."""

from pathlib import Path

from bad_input import BadInput, Change, edit_config

HEAD = "name\turl\tpath\tmember\tsha256\tbytes\tlicence\n"
GOOD = {
    "name": "weights",
    "url": "https://example.org/w.zip",
    "path": "data/w.pth",
    "member": "",
    "sha256": "0123456789abcdef",
    "bytes": "10",
    "licence": "MIT",
}


def listed(head: str = HEAD, **cells: str) -> Change:
    """``data/sources.tsv`` with one row."""

    def change(folder: Path) -> None:
        (folder / "data").mkdir()
        row = "\t".join({**GOOD, **cells}.values())
        (folder / "data/sources.tsv").write_text(f"{head}{row}\n")

    return change


ROWS = [
    BadInput(
        "download of a local file",
        "downloads: an address `file:///etc/passwd`",
        listed(url="file:///etc/passwd"),
        "data/sources.tsv, line 2: the url 'file:///etc/passwd' must begin with https:// or http://",
    ),
    BadInput(
        "download without an address",
        "downloads: an address that is none",
        listed(url="example.org/w.zip"),
        "data/sources.tsv, line 2: the url 'example.org/w.zip' must begin with https:// or http://",
    ),
    BadInput(
        "download with a mirror that is none",
        "downloads: two addresses, the second is none",
        listed(url="https://example.org/w.zip example.com/w.zip"),
        "data/sources.tsv, line 2: the url 'example.com/w.zip' must begin with https:// or http://",
    ),
    BadInput(
        "download above",
        "downloads: a path above the working directory",
        listed(path="../w.pth"),
        "data/sources.tsv, line 2: the path '../w.pth' must be a relative one below the working directory",
    ),
    BadInput(
        "download anywhere",
        "downloads: an absolute path",
        listed(path="/tmp/w.pth"),
        "data/sources.tsv, line 2: the path '/tmp/w.pth' must be a relative one below the working directory",
    ),
    BadInput(
        "download without a hash",
        "downloads: no hash",
        listed(sha256=""),
        "data/sources.tsv, line 2: sha256 needs 8 to 64 lower-case hexadecimal digits, not ''",
    ),
    BadInput(
        "download with a short hash",
        "downloads: a hash of 7 digits",
        listed(sha256="0123456"),
        "data/sources.tsv, line 2: sha256 needs 8 to 64 lower-case hexadecimal digits, not '0123456'",
    ),
    BadInput(
        "download of many bytes",
        "downloads: text for a number of bytes",
        listed(bytes="many"),
        "data/sources.tsv, line 2: bytes must be a number or empty, not 'many'",
    ),
    BadInput(
        "member above",
        "downloads: a member above its archive",
        listed(member="../w.pth"),
        "data/sources.tsv, line 2: the member '../w.pth' must be a path inside the archive, without ..",
    ),
    BadInput(
        "other columns",
        "downloads: other columns",
        listed(head="name\turl\n"),
        "data/sources.tsv: the columns must be name, url, path, member, sha256, bytes, licence, "
        "separated by tabs; unpacked may follow",
    ),
    BadInput(
        "no folder of files",
        "downloads: `downloads.folder` is not there",
        edit_config("device: cpu", "device: cpu\ndownloads: {folder: plane}"),
        "downloads.folder: no folder plane (looked from FOLDER, beside the Snakefile, and among the paths of "
        "data/sources.tsv); did you mean 'plain'?",
    ),
]
