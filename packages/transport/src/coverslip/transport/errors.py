"""What can go wrong in transport, as one tree.

::

    TransportError
    ├── AddressError      (ValueError) a coverslip:// line or a port that cannot be
    ├── PortTaken         another program holds the port
    ├── NoServer          nothing is there
    ├── RequestTimeout    (TimeoutError) no answer before the deadline
    ├── RequestRefused    the server answered, with a Failure
    ├── ProtocolError     bytes that are no message of this protocol version
    ├── Refused           a message that is well formed and no good
    ├── LaunchError       a process did not become a ready server
    ├── StopError         a server could not be stopped
    ├── QueueFull         the publisher's high-water mark is reached
    └── NotListening      the publisher has no subscription, yet or any more
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverslip.transport.messages import Failure

__all__ = [
    "AddressError",
    "LaunchError",
    "NoServer",
    "NotListening",
    "PortTaken",
    "ProtocolError",
    "QueueFull",
    "Refused",
    "RequestRefused",
    "RequestTimeout",
    "StopError",
    "TransportError",
]


class TransportError(Exception):
    """Root of every error that transport raises on purpose."""


class AddressError(TransportError, ValueError):
    """A coverslip:// line, a host, a key or a port that cannot be one."""


class PortTaken(TransportError):
    """The port that was asked for is held by another program.

    Parameters
    ----------
    message : str
        What was tried, what was found, what to do.
    port : int
        The data port that was asked for.
    holder : str or None
        Who holds it, as far as this user may know.
    """

    def __init__(self, message: str, *, port: int = 0, holder: str | None = None) -> None:
        super().__init__(message)
        self.port = port
        self.holder = holder


class NoServer(TransportError):
    """No connection file, or nobody at the address that it names."""


class RequestTimeout(TransportError, TimeoutError):
    """A server did not answer a request before its deadline."""


class RequestRefused(TransportError):
    """A server answered a request with a failure.

    Parameters
    ----------
    failure : Failure
        The server's own words.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message} [{failure.code}]")
        self.failure = failure


class ProtocolError(TransportError):
    """Bytes that are not a message of this protocol and version.

    Parameters
    ----------
    message : str
        What was found.
    code : str
        ``"malformed"``, ``"too-large"``, ``"protocol"`` (another version) or ``"unknown"`` (a
        type not known).
    """

    def __init__(self, message: str, *, code: str = "malformed") -> None:
        super().__init__(message)
        self.code = code


class Refused(TransportError):
    """A message that is well formed and cannot be accepted.

    A server's code raises it: the message is counted and the server goes on; a requester is
    answered with a `Failure` that carries the text.
    """


class LaunchError(TransportError):
    """A process did not start, or did not become a ready server. Carries its log's tail."""


class StopError(TransportError):
    """A server is still there after every rung of the stop ladder."""


class QueueFull(TransportError):
    """The viewer listens but does not keep up: the high-water mark is reached, nothing was sent."""


class NotListening(TransportError):
    """No viewer is subscribed, yet or any more: nothing was sent."""
