"""What commands print: bars and tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from coverslip.transport import Connection, Delivery

__all__ = [
    "bar",
    "note",
    "print_advice",
    "print_json",
    "print_line",
    "print_state",
    "print_table",
    "say_where",
    "show_delivery",
    "waiting",
    "warn",
]

EVERY = 5.0
"""Seconds between two lines about long work where no bar can be drawn."""

WIDEST = 10_000
"""Characters of the longest row of a table that no terminal shows."""

_out = Console()
_err = Console(stderr=True)


@contextmanager
def bar(total: int, quiet: bool = False) -> Iterator[Progress]:
    """Show a progress bar on standard error; the progress has one task, of `total` steps.

    Where standard error is no terminal it is a line every few seconds; `quiet` is neither.
    """
    drawn = not quiet and _err.is_terminal
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=_err,
        disable=not drawn,
    )
    with progress:
        progress.add_task("", total=total)
        if drawn or quiet:
            yield progress
        else:
            with _lines(lambda: _as_line(progress.tasks[0]), to_the_end=True):
                yield progress


def _as_line(task: Task) -> str:
    total = "?" if task.total is None else f"{task.total:.0f}"
    return f"{task.completed:.0f}/{total} {task.description}"


@contextmanager
def _lines(say: Callable[[], str], *, to_the_end: bool = False) -> Iterator[None]:
    """Say how things stand every few seconds, if they have changed; `to_the_end`, how they ended.

    From a thread, since the work may be in a single long call; it ends with the block.
    """
    done = threading.Event()

    def talk() -> None:
        said = ""
        while not done.wait(EVERY):
            if (line := say()) != said:
                note(line)
                said = line
        if to_the_end and said and (line := say()) != said:
            note(line)

    talker = threading.Thread(target=talk, name="coverslip progress", daemon=True)
    talker.start()
    try:
        yield
    finally:
        done.set()
        talker.join()


def note(text: str) -> None:
    """Say something to the user, beside what is the command's result."""
    _err.print(text, markup=False, highlight=False, soft_wrap=True)


def print_line(text: str) -> None:
    """Print a line of the result on standard output, as long as it is."""
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(what: str, why: str) -> None:
    """Say that something went wrong that the command can go on after."""
    _err.print(Text.assemble((f"{what}: ", "yellow"), why), highlight=False, soft_wrap=True)


@contextmanager
def waiting(text: str, quiet: bool = False) -> Iterator[None]:
    """Turn a spinner on standard error; where that is no terminal, a line every few seconds."""
    began = time.monotonic()
    if quiet:
        yield
    elif _err.is_terminal:
        with _err.status(Text(text)):
            yield
    else:
        with _lines(lambda: f"{text} ({time.monotonic() - began:.0f} s)"):
            yield


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(msgspec.to_builtins(value), indent=2))


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a table on standard output."""
    # Folded, not cut: names of files differ at their ends.
    table = Table(
        *(Column(head, overflow="fold") for head in columns),
        title=title or None,
        title_justify="left",
    )
    for row in rows:
        # Text, not str: a title may hold square brackets, which rich reads as markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    out = _out
    if not out.is_terminal and "COLUMNS" not in os.environ:
        # Into a file or a pipe a row is one line: nobody has said how wide it may be.
        endless = out.options.update(max_width=WIDEST)
        out = Console(width=max(out.width, out.measure(table, options=endless).maximum))
    out.print(table)


def print_state(state: str, color: str, name: str, found: str) -> None:
    """Print on standard output how one thing stands: by a word, which has a colour too."""
    _out.print(Text.assemble((f"{state:<5}", color), (f"{name}: ", "bold"), found), soft_wrap=True)


def print_advice(text: str) -> None:
    """Print on standard output what to do about the thing that was printed last."""
    _out.print(Text(f"     → {text}"), soft_wrap=True)


def say_where(connection: Connection, *, as_json: bool) -> None:
    """Say where a server is that can be reached now."""
    endpoint = connection.endpoint
    if as_json:
        print_json(
            {
                "kind": endpoint.kind,
                "port": endpoint.port,
                "control_port": endpoint.control_port,
                "title": connection.title,
                "pid": connection.pid,
                "log": str(connection.log) if connection.log else None,
            }
        )
    else:
        note(
            f"{endpoint.kind} on port {endpoint.port} is ready; `coverslip connection show "
            f"{endpoint.port}` prints how a pipeline elsewhere reaches it"
        )


def show_delivery(delivery: Delivery, reasons: Mapping[str, int]) -> None:
    """Print what became of the planes, and why some were not shown."""
    print_table(
        "planes",
        ("sent", "shown", "dropped", "failed"),
        [(delivery.sent, delivery.shown, delivery.dropped, delivery.failed)],
    )
    for reason, planes in reasons.items():
        warn(f"{planes} not shown", reason)
