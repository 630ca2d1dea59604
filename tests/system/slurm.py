"""A SLURM of one node, this machine, and of a test's own: daemons, keys and jobs in one folder."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.commands import run
from tests.waiting import eventually

__all__ = ["OneNode", "why_not"]

_START: Final = 60.0
_END: Final = 30.0

_CONFIG: Final = """
ClusterName=coverslip
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0
KillWait=5
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=4
PartitionName=all Nodes=node Default=YES MaxTime=5
"""


def why_not() -> str | None:
    """Return why there is no SLURM here, None where there is."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if _find(name) is None]
    return f"{', '.join(missing)} missing: apt-get install slurm-wlm munge" if missing else None


def _find(name: str) -> str | None:
    # Daemons lie where a user's PATH may not lead.
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class OneNode:
    """Runs jobs, up to four at a time, for as long as it is entered.

    Parameters
    ----------
    folder : Path
        For all that it writes; of a short name, since there is a socket in it.
    free_port : callable
        Gives ports.
    """

    def __init__(self, folder: Path, free_port: Callable[[], int]) -> None:
        self._folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        config = folder / "slurm.conf"
        config.write_text(
            _CONFIG.format(
                host=socket.gethostname().split(".")[0],
                user=getpass.getuser(),
                folder=folder,
                port=free_port(),
                node_port=free_port(),
            )
        )
        # It is asked for where nothing uses it: one that need not be mounted.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self.environment = {"SLURM_CONF": str(config)}

    def command(self, *words: object) -> str:
        """Return what one of SLURM's commands prints."""
        return run(*map(str, words), **self.environment)

    @property
    def jobs(self) -> list[str]:
        """The state of each job that has not ended."""
        return self.command("squeue", "--noheader", "--array", "--format=%T").split()

    def __enter__(self) -> Self:
        folder = self._folder
        for name in ("state", "spool"):
            (folder / name).mkdir(mode=0o700)
        key = folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
        config = self.environment["SLURM_CONF"]
        try:
            # Forced: the folder is its user's alone, and it would have others reach its socket.
            self._start("munged", "--foreground", "--force", *options)
            eventually((folder / "munge.socket").exists, "munge has its socket", _START)
            self._start("slurmctld", "-D", "-f", config)
            self._start("slurmd", "-D", "-N", "node", "-f", config)
            eventually(self._idle, "the node is there", _START)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _idle(self) -> bool:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == "idle"

    def _start(self, name: str, *options: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._daemons.append(
                subprocess.Popen([_find(name) or name, *options], stdout=log, stderr=log)
            )

    def _end(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(_END)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
