"""Another Python process for a test, with a deadline on every word it says."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

DEADLINE = 30.0

_PRELUDE = """
import json, os, sys
import numpy as np
from coverslip.payload import *

def say(value):
    print(json.dumps(value), flush=True)

def hear():
    return json.loads(sys.stdin.readline())
"""


class Child:
    """A process that runs `code`, told and heard in lines of JSON; gone when the block ends."""

    def __init__(self, code: str, *command: str) -> None:
        script = _PRELUDE + textwrap.dedent(code)
        self._process = subprocess.Popen(
            [*command, sys.executable, "-W", "error", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._buffer = b""

    def tell(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")

    def hear(self) -> Any:
        assert self._process.stdout is not None
        end = time.monotonic() + DEADLINE
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], end - time.monotonic())
            assert ready, f"the child said nothing within {DEADLINE} s"
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, f"the child ended with status {self._process.wait(DEADLINE)}"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def kill(self) -> None:
        """End the whole process group at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(DEADLINE)

    def wait(self) -> int:
        return self._process.wait(DEADLINE)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def hex_offer(offer: Any) -> str:
    """Return an offer as text that a child can be told."""
    from coverslip.payload import encode_offer

    return encode_offer(offer).hex()
