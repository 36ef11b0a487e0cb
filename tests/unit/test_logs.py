"""``log_to`` redirects descriptors of the whole process, so every case runs in a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def run(tmp_path):
    def start(body):
        code = "import os, sys\nfrom cutpoint.errors import UserError\nfrom cutpoint.logs import log_to\n"
        code += f"with log_to({str(tmp_path / 'logs' / 'rule.log')!r}):\n" + textwrap.indent(body, "    ")
        code += "\nprint('after the block')\n"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        return done, (tmp_path / "logs" / "rule.log").read_text()

    return start


def test_a_users_mistake_is_one_message_and_exit_code_1(run):
    done, log = run("raise UserError('no file images/; give its path in datasets.street.images')")
    assert done.returncode == 1
    assert log == "cutpoint: no file images/; give its path in datasets.street.images\n"
    assert done.stdout + done.stderr == ""


def test_a_users_mistake_with_a_cause_shows_no_traceback(run):
    done, log = run(
        "try:\n    {}['key']\nexcept KeyError as error:\n    raise UserError('the message') from error"
    )
    assert (done.returncode, log) == (1, "cutpoint: the message\n")
    assert done.stderr == ""


def test_another_exception_leaves_its_traceback_in_the_log(run):
    done, log = run("raise ValueError('a bug')")
    assert done.returncode == 1
    assert "Traceback" in log
    assert log.rstrip().endswith("ValueError: a bug")
    assert done.stdout + done.stderr == ""


def test_what_c_code_prints_is_captured(run):
    done, log = run("os.write(2, b'from C\\n')\nos.write(1, b'to stdout\\n')\nos.system('echo from a child')")
    assert done.returncode == 0
    for line in ("from C", "to stdout", "from a child"):
        assert line in log
        assert line not in done.stdout + done.stderr


def test_python_output_keeps_its_order_and_ends_with_the_block(run):
    done, log = run("print('one')\nprint('two', file=sys.stderr)")
    assert sorted(log.split()) == ["one", "two"]
    # descriptors are given back
    assert done.stdout == "after the block\n"
    assert "after the block" not in log


def test_a_progress_bar_writes_once_a_second(run):
    _, log = run(
        "import time\nfrom tqdm import tqdm\nfor _ in tqdm(range(30), 'predict'):\n    time.sleep(0.05)"
    )
    assert 2 <= log.count("predict:") <= 5
    assert "30/30" in log


def test_an_old_log_is_replaced(run):
    run("print('first run')")
    _, log = run("print('second run')")
    assert log == "second run\n"


def test_a_process_that_stays_behind_does_not_hold_the_job(tmp_path):
    code = (
        "import subprocess\nfrom cutpoint.logs import log_to\n"
        f"with log_to({str(tmp_path / 'rule.log')!r}):\n"
        "    print('done')\n    child = subprocess.Popen(['sleep', '50'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, timeout=30)
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.returncode == 0
    assert (tmp_path / "rule.log").read_text() == "done\n"


def test_a_fault_of_the_machine_is_one_message(run):
    done, log = run("raise OSError(28, 'No space left on device', '/disk/out.json')")
    assert done.returncode == 1
    assert log == (
        "cutpoint: /disk/out.json: the disk is full; free space there, then start the same command again: "
        "what is done is kept\n"
    )
    done, log = run("raise MemoryError")
    assert (done.returncode, log.startswith("cutpoint: not enough memory; ")) == (1, True)


def test_a_log_that_cannot_be_written_does_not_hide_the_message(run):
    """RLIMIT_FSIZE stands for a full disk: nothing more can be written."""
    done, log = run(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\nraise UserError('the message')"
    )
    assert (done.returncode, log) == (1, "")
    assert done.stderr.splitlines() == ["cutpoint: the message"]


def test_a_log_that_cannot_be_opened_is_one_message(tmp_path):
    (tmp_path / "logs").touch()
    code = f"from cutpoint.logs import log_to\nwith log_to({str(tmp_path / 'logs/rule.log')!r}):\n    pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("cutpoint: ")


def test_ctrl_c_leaves_no_traceback(run):
    # a shell in the background hands on that Ctrl-C is ignored
    done, log = run(
        "import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)"
    )
    assert (done.returncode, log, done.stderr) == (130, "cutpoint: interrupted\n", "")
