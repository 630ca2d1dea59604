"""imagezmq: ``ImageSender`` and ``ImageHub``, over TCP and without keys, as its examples have them.

Modes: ``reqrep``, its default, answers each image; ``pubsub`` answers none, and drops what a hub
does not take in time. A batch is one array of three dimensions, which its messages carry as well.
"""

from __future__ import annotations

import sys

import imagezmq
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import ends

_PATIENCE = 100
"""Milliseconds between two looks at whether it is over."""


class Sender(ends.Sender):
    def open(self, address: str) -> None:
        self._sender = imagezmq.ImageSender(connect_to=address, REQ_REP=self.mode == "reqrep")

    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        self._sender.send_image(str(first), planes[0] if self.case.batch == 1 else planes)

    def close(self) -> None:
        self._sender.close()


class Receiver(ends.Receiver):
    def open(self) -> str:
        address = f"tcp://127.0.0.1:{ends.free_port()}"
        self._replies = self.mode == "reqrep"
        # Publishing, it is the sender that binds.
        self._hub = imagezmq.ImageHub(open_port=address, REQ_REP=self._replies)
        return address

    def receive(self) -> None:
        while not self.done.is_set():
            if self._hub.zmq_socket.poll(_PATIENCE):
                _, image = self._hub.recv_image()
                if self._replies:
                    self._hub.send_reply(b"OK")
                for plane in image.reshape(-1, *image.shape[-2:]):
                    self.keep(plane)
        self._hub.close()


if __name__ == "__main__":
    ends.main(Sender, Receiver, sys.argv[1:])
