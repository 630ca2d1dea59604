"""Two machines and the link between them: network namespaces, a veth pair, and tc to shape it.

Nothing outside sees a byte: each namespace has a loopback and one end of the pair. They go with
`Link.close`, whatever became of a test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Self

HERE, THERE = "10.77.0.1", "10.77.0.2"
"""Addresses of the pipeline's machine and of the viewer's."""

_OWN_MEMORY = ("sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh")
"""Runs a command with a /dev/shm of its own, which goes with the last process that sees it: what a
killed one leaves there, such as the semaphores of multiprocessing, is nobody else's."""


def why_not() -> str | None:
    """Return why no namespaces can be made here, None where they can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    missing = [name for name in ("ip", "tc", "unshare") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} missing: apt-get install iproute2 util-linux"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "this kernel or container makes no namespaces"


class Link:
    """A pipeline's machine and a viewer's, and the one cable between them.

    Parameters
    ----------
    rate : str or None
        As `tc` reads it, ``"1gbit"``; None leaves the link as fast as it is.
    delay : float
        Milliseconds in each direction; needs `netem`.

    Attributes
    ----------
    delayed : bool
        Whether the kernel could delay.
    """

    def __init__(self, rate: str | None = "1gbit", delay: float = 0.0) -> None:
        self._here = f"coverslip-{os.getpid()}-p"
        self._there = f"coverslip-{os.getpid()}-v"
        self.delayed = False
        self._running: list[subprocess.Popen[str]] = []
        try:
            for space in (self._here, self._there):
                _do("ip", "netns", "add", space)
                _do("ip", "-n", space, "link", "set", "lo", "up")
            _do(
                *("ip", "-n", self._here, "link", "add", "cable", "type", "veth"),
                *("peer", "name", "cable", "netns", self._there),
            )
            for space, address in ((self._here, HERE), (self._there, THERE)):
                _do("ip", "-n", space, "address", "add", f"{address}/24", "dev", "cable")
                self._shape(space, rate, delay)
                _do("ip", "-n", space, "link", "set", "cable", "up")
        except BaseException:
            self.close()
            raise

    def _shape(self, space: str, rate: str | None, delay: float) -> None:
        parent: tuple[str, ...] = ("root",)
        if delay:
            command = ("tc", "-n", space, "qdisc", "add", "dev", "cable", "root", "handle", "1:")
            tried = subprocess.run(
                [*command, "netem", "delay", f"{delay}ms", "limit", "20000"],
                capture_output=True,
                check=False,
            )
            self.delayed = tried.returncode == 0
            if self.delayed:
                parent = ("parent", "1:1")
        if rate is not None:
            _do(
                *("tc", "-n", space, "qdisc", "add", "dev", "cable", *parent),
                *("tbf", "rate", rate, "burst", "256kb", "latency", "50ms"),
            )

    def cut(self) -> None:
        """Pull the cable out."""
        _do("ip", "-n", self._there, "link", "set", "cable", "down")

    def restore(self) -> None:
        """Plug it in again."""
        _do("ip", "-n", self._there, "link", "set", "cable", "up")

    def here(self, *command: str, **options: object) -> subprocess.Popen[str]:
        """Run a command on the pipeline's machine."""
        where = ("ip", "netns", "exec", self._here)
        return self._run((*where, *_OWN_MEMORY), command, options)

    def there(self, *command: str, **options: object) -> subprocess.Popen[str]:
        """Run a command on the viewer's machine, which sees none of the other's processes.

        Else it would find the pipeline's shared memory: it is one machine after all.
        """
        where = ("ip", "netns", "exec", self._there)
        apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        return self._run((*where, *apart, *_OWN_MEMORY), command, options)

    def _run(
        self, where: tuple[str, ...], command: tuple[str, ...], options: dict[str, object]
    ) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process: subprocess.Popen[str] = subprocess.Popen(
            [*where, *command],
            text=True,
            bufsize=1,
            **(pipes | options),  # type: ignore[call-overload]  # Popen's, passed on
        )
        self._running.append(process)
        return process

    def close(self) -> None:
        """End what runs there, and take both machines away."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._running.clear()
        for space in (self._here, self._there):
            # Not there when making it failed.
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
