"""What the ends of a comparison are asked, and answer: a word a line, a JSON object a line.

The driver writes to an end's standard input; the end answers on its standard output:

========== ========= ==========================================================================
word       asked of  answer
========== ========= ==========================================================================
(started)  both      ``ready``: where a sender finds the receiver; nothing of a sender
usage      both      ``cpu``: seconds so far; ``peak``, ``now``: resident bytes, the most since
                     this was last asked, and those of now
warm       sender    sends the planes that are not counted
warm       receiver  ``warm``: how many of those it has, after a moment
go         sender    ``began``: when; ``held``: nanoseconds of each call; ``freed``: seconds until
                     the peer's own word that all is delivered, where it has one
settle     receiver  ``received``, ``wrong``: planes; ``last``: when the last came; waits until all
                     are there, or none has come for some seconds
stop       both      none: it closes what it has open, as its documentation says, and ends
========== ========= ==========================================================================

Times are of `time.monotonic_ns`, which the processes of one machine share.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.planes import WARM, Case, Ledger, make

__all__ = ["QUIET", "Receiver", "Sender", "free_port", "main", "usage"]

QUIET = 3.0
"""Seconds without a plane after which no more is waited for."""

_MOMENT = 0.2


def usage(pid: int | str = "self") -> dict[str, float]:
    """Return what a process has used so far, this one by default, and forget its peak.

    Read from ``/proc``, since one peer's receiver is no Python program.
    """
    folder = Path("/proc", str(pid))
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    peak, now = (int(status[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
    (folder / "clear_refs").write_text("5")
    if pid == "self":
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {"cpu": used.ru_utime + used.ru_stime, "peak": peak, "now": now}
    # The CPU-time clock of another process, as clock_getcpuclockid(3) makes it: to the
    # nanosecond, where /proc/<pid>/stat counts hundredths of a second.
    return {"cpu": time.clock_gettime(~int(pid) << 3 | 2), "peak": peak, "now": now}


def free_port() -> int:
    """Return a port that nobody has, for a peer that has to be told one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Sender(ABC):
    """A pipeline that has computed all of its planes and now sends them."""

    def __init__(self, mode: str, address: str, case: Case) -> None:
        self.mode = mode
        self.case = case
        self.open(address)

    @abstractmethod
    def open(self, address: str) -> None:
        """Connect to the receiver."""

    @abstractmethod
    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        """Send ``(batch, y, x)`` planes in one call, as the peer documents it.

        `first` is the number of the first.
        """

    def finish(self) -> None:  # noqa: B027 - most have no such word
        """Wait for the peer's own word that all is delivered, where it has one."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


class Receiver(ABC):
    """A viewer without a window: it keeps every plane, as a viewer does."""

    def __init__(self, mode: str, case: Case) -> None:
        self.mode = mode
        self.case = case
        self.ledger = Ledger(case)
        self.last = 0
        self.kept: list[NDArray[Any]] = []
        self.came = threading.Condition()
        self.done = threading.Event()

    @abstractmethod
    def open(self) -> str:
        """Return where it is reached."""

    @abstractmethod
    def receive(self) -> None:
        """Receive until `done` is set, in the main thread; close what is open."""

    def keep(self, plane: NDArray[Any]) -> None:
        """Enter a plane that has arrived."""
        self.ledger.enter(plane)
        self.kept.append(plane)
        with self.came:
            self.last = time.monotonic_ns()
            self.came.notify_all()

    def usage(self) -> dict[str, float]:
        """Return what the process that receives has used."""
        return usage()

    def warm(self) -> dict[str, float]:
        """Wait a moment for planes that warm up."""
        with self.came:
            self.came.wait_for(lambda: self.ledger.warm >= WARM, _MOMENT)
        return {"warm": self.ledger.warm}

    def settle(self) -> dict[str, float]:
        """Wait until all is there, or nothing more comes."""
        with self.came:
            before = -1
            while len(self.ledger.seen) < self.case.planes and self.last != before:
                before = self.last
                self.came.wait_for(self._is_complete, QUIET)
        return self.account()

    def account(self) -> dict[str, float]:
        """Return what has arrived, and when the last did."""
        return {
            "received": len(self.ledger.seen),
            "wrong": self.ledger.wrong,
            "last": self.last,
        }

    def _is_complete(self) -> bool:
        return len(self.ledger.seen) >= self.case.planes


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def _obey(words: dict[str, Callable[[], dict[str, Any]]]) -> None:
    """Answer each word until ``stop``, or until whoever asks is gone."""
    for line in sys.stdin:
        word = line.strip()
        if word == "stop":
            return
        _say(words[word]())


def _run_sender(sender: Sender) -> None:
    planes = make(sender.case)
    count, batch = sender.case.planes, sender.case.batch

    def warm() -> dict[str, Any]:
        for first in range(count, count + WARM, batch):
            sender.send(planes[first : first + batch], first)
        return {}

    def go() -> dict[str, Any]:
        held = []
        began = time.monotonic_ns()
        for first in range(0, count, batch):
            call = time.monotonic_ns()
            sender.send(planes[first : min(first + batch, count)], first)
            held.append(time.monotonic_ns() - call)
        sender.finish()
        return {"began": began, "held": held, "freed": (time.monotonic_ns() - began) / 1e9}

    _say({})
    _obey({"warm": warm, "go": go, "usage": usage})
    sender.close()


def _run_receiver(receiver: Receiver) -> None:
    def obey() -> None:
        try:
            _obey(
                {"warm": warm, "settle": receiver.settle, "usage": receiver.usage},
            )
        finally:
            receiver.done.set()

    def warm() -> dict[str, float]:
        found = receiver.warm()
        if found["warm"] >= WARM:
            # The clock is about to run, and what a virtual machine's host does not back costs
            # several copies at its next use: whoever came after somebody large would be served
            # better. Two seconds later the host has it back.
            np.ones(receiver.case.planes * receiver.case.nbytes * 2, np.uint8)
        return found

    _say({"ready": receiver.open()})
    asked = threading.Thread(target=obey)
    asked.start()
    receiver.receive()
    asked.join()


def main(sender: type[Sender], receiver: type[Receiver], arguments: list[str]) -> None:
    """Be one end: ``receiver MODE EDGE COUNT BATCH``, or ``sender`` with these and an address."""
    end, mode, *rest = arguments
    case = Case(*map(int, rest[:3]))
    if end == "receiver":
        _run_receiver(receiver(mode, case))
    else:
        _run_sender(sender(mode, rest[3], case))
