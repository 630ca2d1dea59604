"""A whole viewer in one file: it prints what arrives and answers an Echo."""

import signal
import sys
from collections.abc import Mapping

import msgspec

from coverslip.transport import (
    Answer,
    Refused,
    Reply,
    Request,
    ZMQServer,
    die_with_parent,
    launching_parent,
)


class Header(msgspec.Struct, frozen=True):  # the first frame of a data message
    stream: str
    epoch: int
    sequence: int


class Echo(Request, frozen=True, kw_only=True):  # a request of this viewer's own
    text: str


class Echoed(Reply, frozen=True, kw_only=True):
    text: str


class EchoViewer(ZMQServer):
    kind = "echo"
    default_port = 5600

    def handle_data(self, frames: list[memoryview]) -> None:
        try:
            header = msgspec.msgpack.decode(frames[0], type=Header)
        except msgspec.DecodeError as error:
            raise Refused(f"not a header: {error}") from None
        ledger = self.ledger(header.stream)
        if ledger.receive(header.epoch, header.sequence):
            print(f"{header.stream} {header.sequence}: {len(frames) - 1} frames", flush=True)
            ledger.shown(header.sequence)  # a real viewer says so once it is drawn

    def handlers(self) -> Mapping[type[Request], Answer]:
        return {**super().handlers(), Echo: lambda request: Echoed(text=request.text)}


if __name__ == "__main__":
    viewer = EchoViewer(launch_id=sys.argv[1] if len(sys.argv) > 1 else "", title="echo")
    signal.signal(signal.SIGTERM, lambda *_: viewer.request_stop())
    die_with_parent(launching_parent(), viewer.request_stop)
    viewer.serve_forever()
