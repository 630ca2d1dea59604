"""One run of two ends: started in their environment, warmed up, measured, and what they left."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.planes import WARM, Case

__all__ = ["APART", "Peer", "Run", "kill", "measure", "why_not"]

ROOT = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A process that sees none of the others, and so none of their memory."""

_DEADLINE = 300.0
_END_DEADLINE = 20.0
_TRIES = 100


class Peer(NamedTuple):
    """One way to send planes, and the interpreter that has it."""

    name: str
    module: str
    """That is both its ends, see `benchmarks.peers.ends`."""
    mode: str
    python: str
    apart: bool = False
    """Whether the receiver sees none of the sender's memory."""


class Run(NamedTuple):
    """What one run gave."""

    rate: float
    """Planes a second that arrived, from the first call to the last plane in the other process."""
    held: float
    """Seconds a plane, median over the calls: how long the call held the caller."""
    longest: float
    """Seconds of the longest call."""
    cpu: float
    """CPU seconds of both processes, for each plane."""
    added: float
    """Bytes that both processes grew by at most, each plane kept by the receiver among them."""
    lost: int
    """Planes that did not arrive."""
    wrong: int
    """Planes that arrived twice or were not what was sent."""
    left: int
    """Bytes of shared memory with a name that were there when both had ended, and not before."""


def why_not(peer: Peer) -> str | None:
    """Return why a peer cannot be run here, None where it can."""
    if sys.platform != "linux":
        return "memory and what is left of it are read from Linux's /proc and /dev/shm"
    if peer.apart and (
        shutil.which("unshare") is None or subprocess.run([*APART, "true"], check=False).returncode
    ):
        return "a pid namespace needs util-linux and root"
    return None


class _End:
    """A process that answers words; killed where it does not in time."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._timer = threading.Timer(_DEADLINE, self.process.kill)
        self._timer.start()
        self.first = self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self.process.args))}: it ended in mid-sentence")  # type: ignore[arg-type]  # a list, as it was given
        found: dict[str, Any] = json.loads(line)
        return found

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")

    def ask(self, word: str) -> dict[str, Any]:
        self.tell(word)
        return self.answer()

    def stop(self) -> None:
        self.tell("stop")
        self.process.wait(_END_DEADLINE)

    def close(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def _both(peer: Peer, case: Case) -> Iterator[tuple[_End, _End]]:
    """Run both ends in a home of their own, and see that planes pass between them."""
    with tempfile.TemporaryDirectory(prefix="peers-", dir=SHARED_MEMORY) as home:
        environment = os.environ | {
            "HOME": home,
            "XDG_CACHE_HOME": f"{home}/cache",
            "COVERSLIP_RUNTIME_DIR": f"{home}/run",
        }
        command = [peer.python, "-m", peer.module]
        words = [peer.mode, *map(str, case)]
        before = APART if peer.apart else ()
        receiver = _End([*before, *command, "receiver", *words], environment)
        try:
            sender = _End([*command, "sender", *words, receiver.first["ready"]], environment)
            try:
                for _ in range(_TRIES):
                    sender.ask("warm")
                    if receiver.ask("warm")["warm"] >= WARM:
                        break
                else:
                    raise RuntimeError(f"{peer.name}: nothing of {_TRIES} times {WARM} planes came")
                yield sender, receiver
            finally:
                sender.close()
        finally:
            receiver.close()


def measure(peer: Peer, case: Case) -> Run:
    """Send all planes as fast as it goes."""
    there = _shared_memory()
    with _both(peer, case) as (sender, receiver):
        ends = (sender, receiver)
        before = [end.ask("usage") for end in ends]
        sent = sender.ask("go")
        came = receiver.ask("settle")
        after = [end.ask("usage") for end in ends]
        for end in ends:
            end.stop()
    left = _left_since(there)
    received = int(came["received"])
    took = (came["last"] - sent["began"]) / 1e9
    each = [seconds / 1e9 / case.batch for seconds in sent["held"]]
    return Run(
        rate=received / took if received else 0.0,
        held=statistics.median(each),
        longest=max(sent["held"]) / 1e9,
        cpu=sum(end["cpu"] for end in after) / case.planes
        - sum(end["cpu"] for end in before) / case.planes,
        added=math.fsum(
            end["peak"] - start["now"] for end, start in zip(after, before, strict=True)
        ),
        lost=case.planes - received,
        wrong=int(came["wrong"]),
        left=left,
    )


def kill(peer: Peer, case: Case) -> int:
    """Kill both ends in mid-stream; return the bytes of shared memory that are left of them."""
    there = _shared_memory()
    with _both(peer, case) as (sender, receiver):
        sender.tell("go")
        # No condition tells when a foreign library is in the midst of a call.
        time.sleep(0.05)
        sender.process.kill()
        receiver.process.kill()
    return _left_since(there)


def _shared_memory() -> set[str]:
    """Return the segments that have a name; semaphores, which lie beside them, are none."""
    return {path.name for path in SHARED_MEMORY.iterdir() if not path.name.startswith("sem.")}


def _left_since(there: set[str]) -> int:
    """Return the bytes of what is new, once Python's own sweepers have had the time to sweep."""
    end = time.monotonic() + 3
    while True:
        nbytes = 0
        for name in _shared_memory() - there:
            with contextlib.suppress(FileNotFoundError):
                nbytes += (SHARED_MEMORY / name).stat().st_size
        if not nbytes or time.monotonic() > end:
            return nbytes
        time.sleep(0.1)  # swept by processes that are nobody's children any more
