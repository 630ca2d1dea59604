"""One message off a data socket, as memoryviews, copied only where that is cheaper."""

from __future__ import annotations

from typing import Final

import zmq

from coverslip.transport.sockets import Socket

__all__ = ["receive_message"]

_SMALL_FRAME: Final = 1 << 15
_MOST_FRAMES: Final = 1 << 16


def receive_message(socket: Socket, most: int = _MOST_FRAMES) -> list[memoryview] | None:
    """Return the next message's frames, or None when none is there.

    A large frame is ZeroMQ's own memory, alive as long as its view. A small one is copied: it may
    lie in a larger buffer of ZeroMQ's that it would keep alive. Of a message of more frames than
    any sender makes, the first `most` are returned.
    """
    frames: list[memoryview] = []
    try:
        while True:
            frame = socket.recv(zmq.NOBLOCK, copy=False)
            if len(frames) < most:
                small = len(frame) <= _SMALL_FRAME
                frames.append(memoryview(frame.bytes if small else frame.buffer).toreadonly())
            if not frame.more:
                return frames
    except zmq.Again:
        return None
