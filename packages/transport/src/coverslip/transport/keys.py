"""CURVE key pairs, and the ZAP that admits one client.

A CURVE server without a ZAP lets in whoever knows its *public* key (measured): so every server
answers ZAP itself, in its own context, and admits exactly one client key. Requests and replies
of ZAP 1.0 are those of ZeroMQ RFC 27, https://rfc.zeromq.org/spec/27/.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec
import zmq
from zmq.utils import z85

__all__ = ["Authenticator", "KeyPair", "public_key"]

logger = logging.getLogger(__name__)

_ADDRESS: Final = "inproc://zeromq.zap.01"
_VERSION: Final = b"1.0"
_FRAMES: Final = 7  # after the envelope: version, id, domain, address, identity, mechanism, key


class KeyPair(msgspec.Struct, frozen=True):
    """A CURVE key pair, both halves Z85. `repr` hides the secret."""

    public: str
    secret: str

    @classmethod
    def new(cls) -> KeyPair:
        """Make a pair from the operating system's randomness."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    def __repr__(self) -> str:
        return f"KeyPair({self.public!r})"


def public_key(secret: str) -> str:
    """Return the public half of a Z85 secret key."""
    return zmq.curve_public(secret.encode()).decode()


class Authenticator:
    """Answers the ZAP of one context: one client key is admitted, all else is refused.

    Not thread-safe: it belongs to the thread that runs the server's loop, which polls `socket`
    and calls `answer`; a peer that is not answered waits in its handshake. Its socket goes with
    the context.

    Parameters
    ----------
    context : zmq.Context
        The server's own: ZAP is one a context, and another library may own the global one's.
    client_public : str
        The key to admit, Z85.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], client_public: str) -> None:
        self._admitted = z85.decode(client_public)
        self.refused = 0
        # ROUTER, not REP: a bad request cannot wedge it, and handshakes come in parallel.
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(_ADDRESS)

    def answer(self) -> int:
        """Answer every waiting request without blocking, and return how many there were."""
        count = 0
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            count += 1
            self._answer_one(frames)

    def _answer_one(self, frames: list[bytes]) -> None:
        gap = frames.index(b"") if b"" in frames else len(frames)
        envelope, body = frames[: gap + 1], frames[gap + 1 :]
        request_id = body[1] if len(body) > 1 else b""
        admitted = (
            len(body) == _FRAMES
            and body[0] == _VERSION
            and body[5] == b"CURVE"
            and body[6] == self._admitted
        )
        if admitted:
            verdict = [b"200", b"OK", b"client", b""]
        else:
            self.refused += 1
            peer = body[3].decode(errors="replace") if len(body) == _FRAMES else "?"
            logger.debug("refused a peer at %s: not the key of this server's client", peer)
            verdict = [b"400", b"not the key of this server's client", b"", b""]
        try:
            self.socket.send_multipart([*envelope, _VERSION, request_id, *verdict], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            logger.debug("a peer left before its ZAP answer: %s", error)
