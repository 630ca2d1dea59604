"""``coverslip list``, ``clear`` and ``stop``: this user's viewers on this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import NamedTuple

from coverslip.transport import (
    Clear,
    Connection,
    Done,
    NoServer,
    StopError,
    TransportError,
    list_connections,
    ping,
)
from coverslip.transport import stop as stop_server
from coverslip.viewers.cli import report
from coverslip.viewers.cli.words import in_one_line
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.questions import ask
from coverslip.viewers.remote import RemoteVisualizer
from coverslip.viewers.roster import Health, Roster, ViewerState
from coverslip.viewers.words import format_duration

__all__ = ["run_clear", "run_list", "run_stop"]

PING_TIMEOUT = 2.0
STOP_TIMEOUT = 5.0
"""Seconds for each rung: asked, terminated, killed."""

TITLE_WIDTH = 30
"""Characters that a table shows of a title; JSON has it whole."""


class Row(NamedTuple):
    """What is known of one viewer; None where it did not answer."""

    kind: str
    port: int
    title: str
    state: str
    pid: int
    uptime: float | None
    last_error: str | None


def run_list(*, as_json: bool) -> None:
    """Print each viewer's kind, port, title, state, process, age and last error."""
    with closing(Roster(PING_TIMEOUT)) as roster:
        rows = sorted(map(_row, roster.look()), key=lambda row: row.port)
    if as_json:
        report.print_json({"viewers": [row._asdict() for row in rows]})
    elif rows:
        cells = [_cells(row) for row in rows]
        columns = ("kind", "port", "title", "state", "pid", "up", "last error")
        report.print_table("viewers", columns, cells)
    else:
        report.note("no viewer runs; `coverslip view PATH` or `connect()` starts one")


def run_stop(port: int | None, *, force: bool, as_json: bool = False) -> bool:
    """Stop the viewer on a port, or every one; return whether all have ended.

    Raises
    ------
    NoServer
        No viewer of this user is on that port.
    """
    connections = list_connections() if port is None else _on(port)
    if not connections and not as_json:
        report.note("no viewer runs")
    names = ", ".join(map(_where, connections))
    with report.waiting(f"stopping {names} …", quiet=as_json), _pool(connections) as pool:
        reasons = list(pool.map(partial(_stop, force=force), connections))
    left = [(one, why) for one, why in zip(connections, reasons, strict=True) if why]
    if as_json:
        ended = [one for one, why in zip(connections, reasons, strict=True) if not why]
        report.print_json(
            {
                "stopped": [_named(one) for one in ended],
                "not_stopped": [_named(one) | {"reason": why} for one, why in left],
            }
        )
    else:
        for one, why in left:
            report.warn(f"{_where(one)} did not stop", why)
    return not left


def run_clear(port: int, *, as_json: bool = False) -> None:
    """Take away what the viewer on a port shows of ours.

    Raises
    ------
    coverslip.transport.TransportError
        No viewer of this user is on that port.
    ViewerGone
        It does not answer.
    ViewerRefused
        It answers that it cannot do that.
    """
    connections = _on(port)
    for connection in connections:
        _require_answer(connection)
        ask(RemoteVisualizer(connection.endpoint), Clear(), Done)
        report.note(f"cleared {_where(connection)}")
    if as_json:
        report.print_json({"cleared": [_named(one) for one in connections]})


def one_on(port: int, kind: str | None = None) -> Connection:
    """Return the viewer on a port, of a `kind` if one is named; NoServer where there is none."""
    return _on(port, kind)[0]


def _on(port: int, kind: str | None = None) -> list[Connection]:
    found = [one for one in list_connections(kind) if one.endpoint.port == port]
    if not found:
        raise NoServer(
            f"no {kind or 'viewer'} of yours is on port {port}; `coverslip list` shows those "
            "there are"
        )
    return found


def _require_answer(connection: Connection) -> None:
    """Raise where a viewer is frozen: a request with the patience for a busy one takes long."""
    try:
        ping(connection.endpoint, PING_TIMEOUT)
    except TransportError as error:
        raise ViewerGone(
            f"{_where(connection)} (pid {connection.pid}) does not answer: wait, or end it with "
            f"`coverslip stop {connection.endpoint.port}`"
        ) from error


def _pool(connections: list[Connection]) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, min(16, len(connections))))


def _where(connection: Connection) -> str:
    return f"{connection.endpoint.kind} on port {connection.endpoint.port}"


def _named(connection: Connection) -> dict[str, object]:
    endpoint = connection.endpoint
    return {"kind": endpoint.kind, "port": endpoint.port, "pid": connection.pid}


def _stop(connection: Connection, *, force: bool) -> str:
    """Stop a viewer; return why it is still there, or nothing."""
    try:
        stop_server(connection, timeout=STOP_TIMEOUT, force=force)
    except StopError as error:
        return in_one_line(error)
    report.note(f"stopped {_where(connection)}")
    return ""


def _row(state: ViewerState) -> Row:
    # The file of a viewer on this machine says which process it is.
    assert state.connection is not None
    return Row(
        state.kind,
        state.port,
        state.title,
        state.health.value,
        state.connection.pid,
        None if state.health is Health.SILENT else state.uptime,
        state.last_error or None,
    )


def _cells(row: Row) -> tuple[object, ...]:
    title = row.title if len(row.title) <= TITLE_WIDTH else f"{row.title[: TITLE_WIDTH - 1]}…"
    up = None if row.uptime is None else format_duration(row.uptime)
    return row.kind, row.port, title, row.state, row.pid, up, row.last_error
