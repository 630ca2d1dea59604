"""The control protocol: requests and replies as tagged structs in MessagePack.

Each message carries its type as a tag and the version of the protocol. A server adds its own by
subclassing `Request` and `Reply`; both sides then know them by being handed the classes. Nothing
is imported or evaluated: bytes become one of the known structs, or a `ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, cast

import msgspec

from coverslip.transport.errors import ProtocolError

__all__ = [
    "LARGEST_REQUEST",
    "PROTOCOL_VERSION",
    "Attach",
    "Attached",
    "Clear",
    "Counts",
    "Detach",
    "Done",
    "Enclosed",
    "Failure",
    "Flush",
    "Message",
    "Picture",
    "Ping",
    "Pong",
    "Reply",
    "Report",
    "Request",
    "Screenshot",
    "Shutdown",
    "State",
    "Status",
    "Transfer",
    "Usage",
    "decode_reply",
    "decode_request",
    "encode",
    "readable",
]

PROTOCOL_VERSION: Final = 1
"""Of the control messages; a message of another version is refused."""

LARGEST_REQUEST: Final = 16 << 20
"""Bytes of a request: a larger one is not sent, and is refused where it arrives."""

StreamName = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Secret = Annotated[bytes, msgspec.Meta(max_length=64)]
State = Literal["starting", "ready", "busy", "stopping"]
Transfer = Literal["shared_memory", "inline"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What every control message carries. The tag is the class's name."""

    protocol: int = PROTOCOL_VERSION


class Request(Message, frozen=True, kw_only=True):
    """Base of what a client asks."""


class Reply(Message, frozen=True, kw_only=True):
    """Base of what a server answers."""


class Enclosed(NamedTuple):
    """A reply and the frames that travel behind it, as they are: for who asks by a `Channel`."""

    reply: Reply
    frames: Sequence[bytes | memoryview]
    """Memory that nobody writes to any more: it is not copied."""


class Ping(Request, frozen=True, kw_only=True):
    """Who is there? Answered by `Pong`, always and at once."""


class Status(Request, frozen=True, kw_only=True):
    """What became of the planes of one stream, or of all (None)? Answered by `Report`."""

    stream: StreamName | None = None


class Attach(Request, frozen=True, kw_only=True):
    """A stream begins, or begins anew after the viewer was gone. Answered by `Attached`.

    Parameters
    ----------
    stream : str
        The stream's name, unique among its producers.
    epoch : int
        Grows with each attach of the stream; data of an older epoch is ignored.
    sequence : int
        Number of the next plane that will be sent.
    producer : str
        Who sends, for people to read.
    offer : bytes
        What the payload offers for the transfer (its arena, a nonce). Opaque here.
    secret : bytes
        Whoever attaches or detaches the stream again must know it.
    """

    stream: StreamName
    epoch: Number
    sequence: Number
    producer: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    offer: bytes = b""
    secret: Secret = b""


class Detach(Request, frozen=True, kw_only=True):
    """A stream ends: nothing more is sent. Answered by `Done`.

    Parameters
    ----------
    stream : str
        The stream's name.
    secret : bytes
        As it attached.
    sequence : int or None
        Number of the plane after the last. What is before it and has not ended is dropped now,
        so that the counts are final. None: what was received is still shown.
    """

    stream: StreamName
    secret: Secret = b""
    sequence: Number | None = None


class Flush(Request, frozen=True, kw_only=True):
    """Answered by `Report` once every plane before `sequence` is shown, dropped or failed."""

    stream: StreamName
    sequence: Number


class Clear(Request, frozen=True, kw_only=True):
    """Take all layers out. Answered by `Done`."""


class Screenshot(Request, frozen=True, kw_only=True):
    """Answered by `Picture`: what the viewer's window shows."""


class Shutdown(Request, frozen=True, kw_only=True):
    """Stop. Answered by `Done`, then the server ends."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stream's planes; the rest of ``next - first`` is pending.

    Parameters
    ----------
    first, next : int
        Number of the first plane expected here, and of the next.
    shown, dropped, failed : int
        How many ended each way.
    reasons : dict of str to int
        Why planes were dropped or failed, and how many for each reason.
    """

    first: int
    next: int
    shown: int = 0
    dropped: int = 0
    failed: int = 0
    reasons: dict[str, int] = {}

    @property
    def pending(self) -> int:
        """Planes received (or still to come) whose end is open."""
        return self.next - self.first - self.shown - self.dropped - self.failed


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the planes that a server holds take, and where they are. Zeros where it keeps none.

    Parameters
    ----------
    budget : int
        Bytes of memory that the server may take.
    memory, disk : int
        Bytes that planes take in memory, annotations included, and on disk.
    in_memory, on_disk : int
        Planes in memory, and planes that are on disk alone.
    dropped : int
        Planes that were shown and that it let go of since, by policy or for want of room.
    """

    budget: int = 0
    memory: int = 0
    disk: int = 0
    in_memory: int = 0
    on_disk: int = 0
    dropped: int = 0


class Pong(Reply, frozen=True, kw_only=True):
    """Who the server is and how it is.

    Parameters
    ----------
    kind, title : str
        What it is and what its user calls it.
    state : str
        ``"starting"``, ``"ready"``, ``"busy"`` or ``"stopping"``.
    pid, start_time : int, float
        Its process, as `Identity` has it.
    host, port : str, int
        What its data socket is bound to.
    instance : str
        Differs for each start of a server, also on one port.
    versions : dict of str to str
        Versions of the packages that matter.
    capabilities : list of str
        What it can do besides, in its own words.
    uptime : float
        Seconds since its sockets were bound.
    refused : int
        Messages and peers turned away so far.
    last_error : str or None
        What went wrong last.
    usage : Usage
        What its planes take.
    """

    kind: str
    title: str
    state: State
    pid: int
    start_time: float
    host: str
    port: int
    instance: str
    versions: dict[str, str] = {}
    capabilities: list[str] = []
    uptime: float = 0.0
    refused: int = 0
    last_error: str | None = None
    usage: Usage = Usage()


class Report(Reply, frozen=True, kw_only=True):
    """Counts by stream, and what all planes take."""

    streams: dict[str, Counts]
    refused: int = 0
    last_error: str | None = None
    usage: Usage = Usage()


class Attached(Reply, frozen=True, kw_only=True):
    """The stream is known here.

    Parameters
    ----------
    instance : str
        The server's, so that a stream sees a restart.
    transfer : str
        ``"shared_memory"`` when the server proved that it reads the arena, else ``"inline"``.
    reason : str
        Why the transfer is inline.
    codecs : list of str
        What the server can undo of what may be done to inline pixels, in the payload's words.
    keeps : bool
        Inline pixels are kept, and sent on, as they come: what is made smaller once stays smaller.
    counts : Counts
        The account so far; what was sent before and never came is dropped in it.
    """

    instance: str
    transfer: Transfer
    reason: str = ""
    codecs: list[str] = []
    keeps: bool = False
    counts: Counts


class Done(Reply, frozen=True, kw_only=True):
    """It is done; there is nothing more to say."""


class Picture(Reply, frozen=True, kw_only=True):
    """An image of the viewer's window, as a PNG file's bytes."""

    png: bytes


class Failure(Reply, frozen=True, kw_only=True):
    """The request was not done. `code` is for programs, `message` for people."""

    code: str
    message: str


M = TypeVar("M", bound=Message)


class _Head(msgspec.Struct, frozen=True):
    """What any version of the protocol has in common."""

    type: str
    protocol: int


_head_decoder = msgspec.msgpack.Decoder(_Head)


def encode(message: Message) -> bytes:
    """Return a message as bytes of MessagePack.

    Raises
    ------
    UnicodeEncodeError
        When a text in it is no Unicode; see `readable`.
    ProtocolError
        When it is a request of more than `LARGEST_REQUEST` bytes.
    """
    data = msgspec.msgpack.encode(message)
    if isinstance(message, Request):
        _weigh(data, type(message).__name__)
    return data


def readable(text: str) -> str:
    """Return a text that travels: what is no Unicode, as in a file's odd name, is escaped."""
    return text.encode(errors="backslashreplace").decode()


def decode_request(data: bytes | memoryview, types: Iterable[type[Request]]) -> Request:
    """Return the request that the bytes are.

    Parameters
    ----------
    data : bytes-like
        One frame.
    types : iterable of type
        The requests to know.

    Raises
    ------
    ProtocolError
        When they are malformed, too many, of another version, or of a type not among `types`.
    """
    _weigh(data, "a request")
    return _decode(data, tuple(types))


def decode_reply(data: bytes | memoryview, types: Iterable[type[Reply]]) -> Reply:
    """Return the reply that the bytes are: one of `types`, or a `Failure`.

    Raises
    ------
    ProtocolError
        As for `decode_request`.
    """
    known: tuple[type[Reply], ...] = (*types, Failure)
    return _decode(data, known)


def _weigh(request: bytes | memoryview, what: str) -> None:
    if (size := len(request)) > LARGEST_REQUEST:
        text = f"{what} of {size} bytes, where {LARGEST_REQUEST} are the most: ask for less at once"
        raise ProtocolError(text, code="too-large")


@lru_cache(maxsize=256)
def _decoder(types: tuple[type[Message], ...]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(Union[types])  # noqa: UP007 - the union is only known now


def _decode(data: bytes | memoryview, types: tuple[type[M], ...]) -> M:
    try:
        head = _head_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not a control message: {error}") from None
    if head.protocol != PROTOCOL_VERSION:
        raise ProtocolError(
            f"{head.type[:80]!r} speaks protocol {head.protocol}, this side {PROTOCOL_VERSION}: "
            "install the same coverslip-transport on both",
            code="protocol",
        )
    known = {kind.__struct_config__.tag: kind for kind in types}
    if head.type not in known:
        names = ", ".join(sorted(str(tag) for tag in known))
        raise ProtocolError(f"{head.type[:80]!r} is not among {names}", code="unknown")
    try:
        return cast("M", _decoder(tuple(known.values())).decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{head.type}: {error}") from None
