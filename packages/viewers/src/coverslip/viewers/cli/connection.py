"""``coverslip launch`` and ``connection show``: a viewer here, for pipelines elsewhere."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import typer

from coverslip.transport import (
    AddressError,
    Connection,
    Endpoint,
    is_loopback,
    outward_addresses,
    ping,
)
from coverslip.viewers.cli import report
from coverslip.viewers.cli.servers import one_on
from coverslip.viewers.display import require_display
from coverslip.viewers.errors import ConfigError
from coverslip.viewers.kinds import visualizer_class

__all__ = ["run_launch", "run_show"]

PING_TIMEOUT = 2.0
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def run_launch(
    kind: str,
    *,
    bind: str | None,
    port: int | None,
    title: str | None,
    memory: int | None = None,
    max_layers: int | None = None,
    allow_macros: bool = False,
    as_json: bool = False,
) -> None:
    """Start a viewer that outlives the command, and say how it is reached.

    Raises
    ------
    coverslip.transport.TransportError
        It did not start, or the port is taken; the message says by whom.
    NoDisplay
        There is nowhere to open a window.
    ConfigError
        Macros were allowed to a viewer that runs none.
    """
    visualizer = visualizer_class(kind)(port=port, viewer_title=title, persistent=True)
    visualizer.bind, visualizer.memory, visualizer.max_layers = bind, memory, max_layers
    if allow_macros:
        if not hasattr(visualizer, "allow_macros"):
            raise ConfigError(f"--allow-macros: {kind} runs no macros; Fiji does (--viewer fiji)")
        visualizer.allow_macros = True
    if visualizer.needs_display:
        require_display()
    report.note(f"starting {kind} …")
    with report.waiting(f"starting {kind} …"):
        visualizer.start_viewer(reuse=False)
    report.say_where(visualizer.connection, as_json=as_json)


def run_show(
    port: int,
    *,
    at: str | None,
    file: Path | None,
    force: bool = False,
    as_json: bool = False,
) -> None:
    """Print the line of the viewer on a port, or write it to a file of mode 0600.

    Parameters
    ----------
    port
        The viewer's data port.
    at
        ``HOST`` or ``HOST:PORT`` at which others reach it; None for where it is bound.
    file
        Where to write the line; None prints it.
    force
        Whether one that is there already makes way: each start of a viewer has new keys.

    Raises
    ------
    coverslip.transport.TransportError
        There is no such viewer, it does not answer, or `at` is no address.
    PermissionError
        Others could read what standard output goes to.
    """
    connection = one_on(port)
    if file is None:
        _refuse_readable()
    endpoint, advice = _reached_at(connection, at)
    line = endpoint.to_url()
    if file is None and not as_json:
        typer.echo(line)
    elif file is not None:
        # Made with that mode, not given it afterwards; never into a file that is there, which
        # others may have open, or which is a link to elsewhere.
        if force:
            file.unlink(missing_ok=True)
        try:
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise FileExistsError(
                f"{file} is there already, and is not written over: --force, or name another"
            ) from None
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(f"{line}\n")
        report.note(f"written to {file}, which only you can read")
    if as_json:
        # With --file the line stands there and nowhere else.
        told = {"line": line} if file is None else {"file": str(file)}
        report.print_json({"port": port, **told, "advice": advice})
    report.warn(
        "keep it to yourself",
        f"it holds the keys of {connection}: whoever has it may show planes there, "
        "see what is shown, and close it. It is good until that viewer ends",
    )
    report.note(advice)


def _reached_at(connection: Connection, at: str | None) -> tuple[Endpoint, str]:
    """Return the endpoint as others see it, and what to say of that."""
    endpoint = connection.endpoint
    ports = f"ports {endpoint.port} and {endpoint.control_port}"
    if at is not None:
        host, port = _split(at, endpoint.port)
        return endpoint.reached_at(host, port), f"for pipelines that reach it at {host}, {port}"
    bound = ping(endpoint, PING_TIMEOUT).host
    if is_loopback(bound):
        return endpoint, (
            f"it listens on {bound} only: a pipeline elsewhere needs a tunnel for {ports}, or a "
            "viewer that was started with `coverslip launch --bind ADDRESS`"
        )
    if bound not in EVERY_ADDRESS:
        return endpoint, f"it listens on {bound}, {ports}"
    addresses = outward_addresses()
    if not addresses:
        return endpoint, f"it listens on every address of this machine, {ports}, which has none"
    others = f"; also at {', '.join(addresses[1:])} (--at)" if len(addresses) > 1 else ""
    return endpoint.reached_at(addresses[0]), f"it listens on every address, {ports}{others}"


def _split(at: str, port: int) -> tuple[str, int]:
    host, colon, number = at.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, number = at, str(port)
    if not number.isdigit():
        raise AddressError(f"--at {at}: give HOST or HOST:PORT")
    return host.strip("[]"), int(number)


def _refuse_readable() -> None:
    """Raise unless standard output is a terminal, or a file that only this user can read."""
    if sys.stdout.isatty():
        return
    with contextlib.suppress(OSError):  # what is no file at all has no descriptor
        mode = os.fstat(sys.stdout.fileno()).st_mode
        if stat.S_ISREG(mode) and not mode & OTHERS:
            return
    raise PermissionError(
        "the line holds keys and goes to a terminal, or to a file that only you can read: "
        "use --file FILE, which makes one"
    )
