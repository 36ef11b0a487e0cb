import json
import os
import subprocess
import sys

import pytest

from cutpoint.errors import UserError
from cutpoint.runlock import FILE, clear, enter

HOLDS = "import sys, time; from cutpoint.runlock import enter; enter(sys.argv[1]); print(1, flush=True);"


@pytest.fixture
def folder(tmp_path):
    """Snakemake's folder with locks of a run."""
    folder = tmp_path / ".snakemake"
    for name in ("locks/0.input.lock", "locks/0.output.lock", "scripts/tmpabc.predict.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("results/report.html\n")
    return folder


def left(folder):
    return sorted(path.name for kind in ("locks", "scripts") for path in (folder / kind).iterdir())


def die_in(folder):
    """A run works there and is killed."""
    code = HOLDS + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code, folder], stdout=subprocess.DEVNULL)


def test_what_a_dead_run_has_left_is_removed(folder):
    die_in(folder)
    os.close(clear(folder))
    assert left(folder) == []


def test_the_locks_of_a_living_run_stay_and_it_is_named(folder):
    command = [sys.executable, "-c", HOLDS + "time.sleep(60)", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        assert run.stdout.readline()
        # a second one beside it, as with two targets; it ends first
        os.close(enter(folder))
        with pytest.raises(UserError, match=r"a run works in .* already \(process \d+ on .*\); wait until"):
            clear(folder)
        run.kill()
    assert len(left(folder)) == 3
    os.close(clear(folder))
    assert left(folder) == []


def test_the_locks_of_another_machine_stay(folder):
    die_in(folder)
    holder = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**holder, "machine": "node17"}))
    with pytest.raises(UserError, match=r"of a run on the machine 'node17'.*snakemake --unlock"):
        clear(folder)
    assert len(left(folder)) == 3


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_the_locks_of_an_unknown_run_stay(folder, content):
    if content is not None:
        (folder / FILE).write_text(content)
    with pytest.raises(UserError, match=r"of an unknown run.*snakemake --unlock"):
        clear(folder)
    assert len(left(folder)) == 3


def test_nothing_is_needed_at_the_first_run(tmp_path):
    os.close(clear(tmp_path / "new/.snakemake"))
    assert json.loads((tmp_path / "new/.snakemake" / FILE).read_text())["pid"] == os.getpid()


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError):
        enter(tmp_path / "file/.snakemake")
