"""What a trace of system calls says was written and contacted."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools/observe_run.py"
sys.path.append(str(TOOL.parent))
from observe_run import read_trace, report  # noqa: E402

TRACE = """\
7 openat(AT_FDCWD</w>, "results/a", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</w/results/a>
7 openat(AT_FDCWD</w>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>
7 openat(AT_FDCWD</w>, "/root/x", O_WRONLY|O_CREAT, 0666) = -1 EACCES (Permission denied)
7 rename("results/a", "/home/u/b") = 0
7 chdir("/tmp/t") = 0
7 mkdir("c", 0777) = 0
8 unlink("d" <unfinished ...>
7 unlinkat(5</w/e>, "f", 0) = 0
8 <... unlink resumed>)             = 0
8 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
8 connect(3<socket:[2]>, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0
8 connect(3<socket:[3]>, {sa_family=AF_UNIX, sun_path="/run/y"}, 110) = -1 ENOENT (No such file or directory)
8 +++ exited with 0 +++
"""


def test_a_trace_is_read():
    seen = read_trace(TRACE.splitlines(), "/w")
    assert sorted(seen.written) == ["/home/u/b", "/tmp/t/c", "/w/d", "/w/e/f", "/w/results/a"]
    assert dict(seen.contacted) == {"192.0.2.1 port 443": 1, "socket /run/x": 1}


def test_what_is_elsewhere_is_listed():
    seen = read_trace(TRACE.splitlines(), "/w")
    table, clean = report(seen, {"/w": "the working directory", "/tmp": "temporary files"}, ["left"])
    assert not clean
    assert "| the working directory | 3 |" in table
    assert "| **elsewhere**: /home/u/b | 1 |" in table
    assert "| contacted: 192.0.2.1 port 443 | 1 |" in table
    assert "| left in the folder of temporary files: left | |" in table
    seen.contacted.clear()
    assert report(seen, {"/w": "a", "/tmp": "b", "/home": "c"}, [])[1]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize(
    ("code", "exit_code"), [("open('a', 'w')", 0), ("open('../b', 'w')", 1), ("exit(3)", 2)]
)
def test_a_command_is_observed(tmp_path, code, exit_code):
    (tmp_path / "w").mkdir()
    command = [sys.executable, str(TOOL), "--", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "w", capture_output=True, text=True)
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("this machine does not let strace observe a process")
    assert done.returncode == exit_code, done.stderr
    assert (f"**elsewhere**: {tmp_path}/b" in done.stdout) == (exit_code == 1)
