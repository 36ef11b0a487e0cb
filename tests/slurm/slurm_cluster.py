"""A Slurm cluster of two nodes on this machine, in a folder of its own, without a system service.

Each node is a slurmd under its own name. It pretends to have more cores and memory than the machine, and one
GPU. There is no accounting database. Needs Debian's packages slurm-wlm and munge, and root.
"""

import ctypes
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

NODES = ("one", "two")
CORES, MEMORY_MB = 8, 64000
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
# of squeue, with widths; the fields of ``Job``
COLUMNS = {
    **{"JobID": 20, "State": 20, "NodeList": 40, "MinMemory": 20},
    **{"tres-per-job": 40, "OverSubscribe": 20, "Comment": 300},
}
START_S, STOP_S = 60, 20
SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)

CONFIG = """\
ClusterName=cutpoint
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
# nothing that needs cgroups or systemd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName={nodes} NodeHostname=localhost NodeAddr=127.0.0.1 Port={node_ports} \
CPUs={cores} RealMemory={memory} Gres=gpu:1
PartitionName=all Nodes={nodes} Default=YES MaxTime=INFINITE State=UP
"""
GPUS = "NodeName={nodes} Name=gpu File=/dev/null\n"
CGROUPS = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"
# Snakemake's plugin drops every variable of Slurm before it calls srun, this one too.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'


class Job(NamedTuple):
    """What Slurm tells of a job. ``rule`` is the comment of Snakemake's plugin."""

    number: str
    state: str
    node: str
    memory: str
    gpus: str
    shared: str
    rule: str


def missing_programs() -> list[str]:
    """What is not installed here."""
    return [name for name in PROGRAMS if find_program(name) is None]


def find_program(name: str) -> str | None:
    """Debian keeps the servers where only root looks."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Cluster:
    """A running cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
        }

    def jobs(self) -> list[Job]:
        """All jobs of the last minutes."""
        asked = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
        text = self.call("squeue", "--noheader", "--states=all", f"--Format={asked}")
        ends = list(itertools.accumulate(COLUMNS.values()))
        cuts = [slice(end - width, end) for end, width in zip(ends, COLUMNS.values(), strict=True)]
        return [Job(*(line[cut].strip() for cut in cuts)) for line in text.splitlines() if line]

    def node_state(self, node: str) -> str:
        """As Slurm names it, in lower case."""
        return self.call("sinfo", "--noheader", "--nodes", node, "--format=%T").strip()

    def set_node(self, node: str, state: str) -> None:
        """Drain or resume a node."""
        self.call("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def call(self, *command: str) -> str:
        """The output of a command of Slurm."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout


@contextmanager
def start_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster in an empty folder; at the end its jobs and servers are stopped.

    Raises:
        TimeoutError: the nodes do not come up.
    """
    _write_files(folder)
    cluster = Cluster(folder)
    munge, config = folder / "munge", folder / "slurm.conf"
    files = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
    with ExitStack() as stack:
        stack.enter_context(
            _server(cluster, "munged", "--force", "--foreground", *files, f"--socket={munge}/socket")
        )
        _wait(lambda: (munge / "socket").exists(), "munged")
        stack.enter_context(_server(cluster, "slurmctld", "-D", "-f", config))
        for node in NODES:
            stack.enter_context(_server(cluster, "slurmd", "-D", "-N", node, "-f", config))
        _wait(lambda: all(cluster.node_state(node) == "idle" for node in NODES), "the nodes")
        stack.callback(_cancel_all, cluster)
        yield cluster


def _write_files(folder: Path) -> None:
    for name in ("state", "munge", "bin", *NODES):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge/key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    ports, nodes = _free_ports(1 + len(NODES)), ",".join(NODES)
    config = CONFIG.format(
        folder=folder,
        ports=ports,
        nodes=nodes,
        node_ports=",".join(map(str, ports[1:])),
        cores=CORES,
        memory=MEMORY_MB,
    )
    (folder / "slurm.conf").write_text(config)
    (folder / "gres.conf").write_text(GPUS.format(nodes=nodes))
    (folder / "cgroup.conf").write_text(CGROUPS)
    srun = folder / "bin/srun"
    srun.write_text(SRUN.format(folder=folder, srun=find_program("srun")))
    srun.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


@contextmanager
def _server(cluster: Cluster, name: str, *arguments: str | Path) -> Iterator[None]:
    """A server that ends with the block, and with this process if that is killed.

    Ctrl-C does not reach it: jobs are cancelled first.
    """
    libc = ctypes.CDLL(None)
    program = find_program(name)
    assert program
    with (cluster.folder / f"{name}{len(list(cluster.folder.glob(f'{name}*.out')))}.out").open("wb") as out:
        process = subprocess.Popen(
            [program, *arguments],
            env=cluster.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM),
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cancel_all(cluster: Cluster) -> None:
    going = [job.number for job in cluster.jobs() if job.state in ("PENDING", "RUNNING", "COMPLETING")]
    if going:
        cluster.call("scancel", *going)
    _wait(
        lambda: all(j.state not in ("PENDING", "RUNNING", "COMPLETING") for j in cluster.jobs()),
        "the end of jobs",
    )


def _wait(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            if ready():
                return
        except subprocess.CalledProcessError:
            pass  # the server does not answer yet
        time.sleep(0.5)
    raise TimeoutError(f"waited {START_S} s for {what}")
