"""Messages made wrong: bytes changed blindly, and fields changed with malice."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["EVIL", "mutated", "mutated_frames"]

EVIL: list[Any] = [
    -1,
    0,
    2**31,
    2**62,
    2**63 - 1,
    2**64 - 1,
    -(2**63),
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308,
    None,
    True,
    "",
    "x" * 1_000_000,
    "../../../../dev/shm/x",
    "/dev/shm/../../etc/passwd",
    "/coverslip-0123456789abcdef",
    "\x00",
    "𓀀" * 100,
    b"",
    b"\xff" * 4096,
    [],
    {},
    [[]] * 1000,
    {"type": "slot", "index": 0, "offset": 2**62, "length": 2**62, "generation": 1},
    {"type": "slot", "index": 2**31 - 1, "offset": 0, "length": 8192, "generation": 1},
    {"type": "inline", "frame": 65_536},
    {"type": "inline", "frame": 1, "frames": 65_536},
    {"type": "inline", "frame": 1, "codec": "blosc2"},
    {"type": "memfd", "pid": 1, "fd": 0},
    {"type": "posix", "name": "/../../etc/passwd"},
    (2**31 - 1, 2**31 - 1),
    (0, 0),
    (1, 1, 1),
    (3, 3, 3, 3),
    "|O8",
    "<u9",
    "<f8",
    "Shutdown?",
]
"""What a field may hold that it should not."""


def mutated(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return one frame made wrong, in one of many ways."""
    return rng.choice(_WAYS)(message, others, rng)


def mutated_frames(
    message: list[bytes], others: list[list[bytes]], rng: random.Random, **fixed: Any
) -> list[bytes]:
    """Return a data message made wrong: its header, its frames, or how many there are.

    Parameters
    ----------
    message : list of bytes
        Header and pixels.
    others : list of list of bytes
        Messages to take parts from.
    rng : random.Random
        Chooses.
    **fixed : Any
        Fields of the header that are set before anything else, so that what is wrong is not
        refused for an old epoch already.
    """
    header = _raw(message[0]) | fixed
    frames = [msgspec.msgpack.encode(header), *message[1:]]
    way = rng.randrange(6)
    if way == 0 and len(frames) > 1:
        del frames[rng.randrange(1, len(frames))]
    elif way == 1:
        frames.insert(rng.randrange(1, len(frames) + 1), rng.randbytes(rng.choice((0, 1, 8192))))
    elif way == 2 and len(frames) > 1:
        at = rng.randrange(1, len(frames))
        frames[at] = frames[at][: rng.randrange(len(frames[at]) + 1)]
    else:
        headers = [other[0] for other in others]
        frames[0] = mutated(frames[0], headers, rng)
    return frames


def _raw(message: bytes) -> dict[str, Any]:
    raw: dict[str, Any] = msgspec.msgpack.decode(message)
    return raw


def _flip(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    changed = bytearray(message)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    at, length = rng.randrange(len(message)), rng.randrange(1, 9)
    return message[:at] + rng.randbytes(length) + message[at + length :]


def _truncate(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return message[: rng.randrange(len(message))]


def _extend(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return message + rng.randbytes(rng.choice((1, 16, 4096)))


def _splice(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return message[: rng.randrange(len(message))] + other[rng.randrange(len(other)) :]


def _noise(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 7, 300)))


def _deep(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return rng.choice((b"\x91", b"\x81\xa1x")) * rng.choice((100, 10_000)) + b"\xc0"


def _field(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Change a field of the message, however deep, to something that it should not be."""
    raw: Any = _raw(message)
    where, key = _somewhere(raw, rng)
    way = rng.random()
    if way < 0.1 and isinstance(where, dict):
        del where[key]
    elif way < 0.2 and isinstance(where, dict):
        where["a field that nobody knows"] = rng.choice(EVIL)
    else:
        where[key] = rng.choice(EVIL)
    return msgspec.msgpack.encode(raw)


def _value(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Change a field to another value of its type, wrong only by what it means."""
    raw: Any = _raw(message)
    where, key = _somewhere(raw, rng)
    old = where[key]
    if type(old) is int:
        where[key] = rng.choice((old + 1, max(0, old - 1), 2 * old, rng.randrange(1 << 63)))
    else:
        where[key] = rng.choice([evil for evil in EVIL if type(evil) is type(old)] or [old])
    return msgspec.msgpack.encode(raw)


def _somewhere(raw: Any, rng: random.Random) -> tuple[Any, Any]:
    """Return a list or a mapping within the message, and a key of it."""
    where = raw
    while True:
        key = rng.choice(list(where) if isinstance(where, dict) else list(range(len(where))))
        inner = where[key]
        if not (isinstance(inner, dict | list) and inner and rng.random() < 0.8):
            return where, key
        where = inner


def _repeat(message: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Name more planes than there are, or than there may be."""
    raw = _raw(message)
    planes = raw.get("planes")
    if planes:
        raw["planes"] = list(planes) * rng.choice((2, 100, 10_000))
    return msgspec.msgpack.encode(raw)


_WAYS: list[Callable[[bytes, list[bytes], random.Random], bytes]] = [
    *[_field] * 6,
    *[_value] * 10,
    *[_flip] * 4,
    _overwrite,
    _truncate,
    _extend,
    _splice,
    _noise,
    _deep,
    _repeat,
]
