"""Each target for a few seconds, every input that ever failed, and a fuzzer that sees what it should see."""

import ctypes
import json
import random
import time
from copy import deepcopy

import mutate
import pytest
import targets
import worker
from fuzz import COUNTS, FAILURES, read_counts
from fuzz_table import TABLE, make_table
from targets import TARGETS, Target, prepare_folder
from worker import CRASH, HANG, REFUSED, SOUND, run_inputs, run_one

from cutpoint.errors import UserError

KEPT = sorted(FAILURES.glob("*/*"))
# inputs of a short run
INPUTS = 25


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz").resolve()
    prepare_folder(folder)
    return folder


@pytest.mark.parametrize("name", TARGETS)
def test_the_sound_seeds_are_sound(project, name):
    for seed in TARGETS[name].seeds(project):
        outcome = run_one(name, project, seed)
        assert outcome.kind == SOUND, outcome.text


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_inputs_give_a_right_result_or_one_message(project, name):
    seeds, found = TARGETS[name].seeds(project), []
    for outcome in run_inputs(name, project, seeds, 0, time.monotonic() + 60):
        assert not outcome.is_failure, f"input {outcome.number}: {outcome.kind}\n{outcome.text}"
        found.append(outcome.kind)
        if len(found) == INPUTS:
            break
    assert set(found) == {SOUND, REFUSED}


@pytest.mark.parametrize("path", KEPT, ids=[f"{path.parent.name}-{path.name}" for path in KEPT])
def test_what_failed_once_does_not_fail_again(project, path):
    outcome = run_one(path.parent.name, project, path.read_bytes())
    assert not outcome.is_failure, f"{outcome.kind}\n{outcome.text}"


def _crash(folder, raw):
    ctypes.string_at(0)


def _hang(folder, raw):
    time.sleep(60)


def _grow(folder, raw):
    bytearray(worker.MEMORY + 2**30)


def _lie(folder, raw):
    targets.demand(raw == b"", "a wrong result")


def _stumble(folder, raw):
    json.loads("{")


def _command(folder, raw):
    error = UserError("")
    error.args = ("\x1b[2J",)
    raise error


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (_crash, CRASH),
        (_hang, HANG),
        (_grow, "MemoryError in "),
        (_lie, "NotRight in a wrong result"),
        (_stumble, "JSONDecodeError in "),
        (_command, "NotRight in control characters in a message"),
    ],
)
def test_faults_are_seen_and_the_next_input_runs(project, monkeypatch, read, kind):
    """The first input fails, and the second is run by a new process if the first took its process along."""

    def reads(folder, raw):
        if raw == b"first":
            read(folder, raw)

    def spoil(raw, rng):
        return b"first" if rng.random() == first else b"second"

    first = targets.random.Random("fake 0")
    first.choice([b""])
    first = first.random()
    monkeypatch.setitem(TARGETS, "fake", Target("", lambda folder: [b""], spoil, reads))
    monkeypatch.setattr(worker, "LONGEST", 2)
    monkeypatch.setattr(worker, "STARTING", 0)
    outcomes = []
    for outcome in run_inputs("fake", project, [b""], 0, time.monotonic() + 30):
        outcomes.append(outcome)
        if len(outcomes) == 2:
            break
    assert outcomes[0].is_failure
    assert outcomes[0].kind.startswith(kind)
    assert (outcomes[1].number, outcomes[1].kind) == (1, SOUND)


def test_spoilt_inputs_are_the_same_each_time_and_differ(project):
    for name, target in TARGETS.items():
        seeds = target.seeds(project)
        made = [targets.choose(target, seeds, number, name) for number in range(20)]
        assert made == [targets.choose(target, seeds, number, name) for number in range(20)]
        assert len(set(made)) > 10
    assert mutate.spoil_bytes(b"", targets.random.Random(0)) is not None


def test_what_is_put_into_an_input_is_not_spoilt_itself():
    before = deepcopy(mutate.OTHERS)
    for number in range(3000):
        mutate.spoil_tree({"a": [1, {"b": 2}]}, random.Random(number))
    assert before == mutate.OTHERS


def test_the_counts_add_up():
    for name, counts in read_counts().items():
        assert counts["inputs"] == counts["sound"] + counts["refused"] + counts["failed"], name
    assert set(json.loads(COUNTS.read_text())) == set(TARGETS)


def test_the_table_in_the_docs():
    """If this fails: run tools/fuzz_table.py."""
    assert TABLE.read_text() == make_table()
