"""The program: what each command is called and takes; what it does stands in its own module."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from coverslip.payload import PayloadError
from coverslip.transport import TransportError
from coverslip.viewers.cli.flags import Command, Group
from coverslip.viewers.cli.options import (
    FIJI_VARIABLE,
    Budget,
    Connection,
    DataPort,
    Fiji,
    Json,
    Level,
    MaxLayers,
    Memory,
    Modes,
    Names,
    OwnPort,
    Pattern,
    Port,
    Shot,
    ViewerKind,
    check_connection,
    modes_of,
)
from coverslip.viewers.cli.relay import audience, follow, relay
from coverslip.viewers.cli.words import in_one_line
from coverslip.viewers.errors import NotInstalled, PipelineFailed, ViewerError

__all__ = ["app", "main"]

FAILED = 1
"""Exit status: not every plane was shown, or not every viewer stopped."""

REFUSED = 2
"""Exit status: nothing was begun; one line on standard error says why."""

STATUS = (
    "Exit status: 0 success; 1 some plane was not shown, some viewer not stopped, or some check of "
    "the doctor's failed; 2 nothing was begun; 130 interrupted. Results go to standard output, "
    "everything else to standard error."
)

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Show microscope planes live in napari or Fiji, from a running pipeline or from files.",
    epilog=STATUS,
)


connections = typer.Typer(
    cls=Group, no_args_is_help=True, help="How pipelines on other machines reach a viewer."
)
app.add_typer(connections, name="connection")


def _prefer(fiji: str | None) -> None:
    """Hand the choice of an ImageJ on to the viewer that may be started."""
    if fiji:
        os.environ[FIJI_VARIABLE] = fiji


def _say_version(value: bool) -> None:
    if value:
        typer.echo(f"coverslip {version('coverslip-viewers')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    """Set up what all commands share."""
    logging.basicConfig(
        # What goes wrong, the commands say themselves, once and in one line.
        level=logging.DEBUG if verbose else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


@app.command(cls=Command, epilog=STATUS)
def demo(
    viewer: ViewerKind = "napari",
    fiji: Fiji = None,
    screenshot: Shot = None,
    close: Annotated[
        bool, typer.Option("--close", help="Close the window once all planes were shown.")
    ] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Planes a second, as from a microscope; 0: no pause.")
    ] = 40.0,
    json: Json = False,
) -> None:
    """Send a small plate of real images, through a two-step pipeline, to a viewer."""
    from coverslip.viewers.cli.demo import run_demo

    _prefer(fiji)
    done = run_demo(screenshot, viewer=viewer, close=close, rate=rate, as_json=json)
    raise typer.Exit(0 if done else FAILED)


@app.command(cls=Command, epilog=STATUS)
def view(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    parser: Names = "auto",
    pattern: Pattern = None,
    level: Level = None,
    port: Port = None,
    connection: Connection = None,
    viewer: ViewerKind = "napari",
    fiji: Fiji = None,
    mode: Modes = None,
    memory: Memory = None,
    max_layers: MaxLayers = None,
    budget: Budget = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="First remove what the viewer shows.")
    ] = False,
    screenshot: Shot = None,
    json: Json = False,
) -> None:
    """Show TIFF files and OME-Zarr in napari or Fiji, each plane at its own place.

    A plane's well, site, channel, … are read from a TIFF file's name, folders and metadata, and
    from an OME-Zarr's metadata.
    """
    from coverslip.viewers.cli.view import run_view

    check_connection(connection, port, memory, max_layers)
    _prefer(fiji)
    done = run_view(
        paths,
        parser,
        pattern,
        level=level,
        viewer=viewer,
        port=port,
        connection=connection,
        modes=modes_of(mode),
        memory=memory,
        max_layers=max_layers,
        budget=budget,
        clear=clear,
        screenshot=screenshot,
        as_json=json,
    )
    raise typer.Exit(0 if done else FAILED)


@app.command(cls=Command, epilog=STATUS)
def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the instrument writes.")],
    parser: Names = "auto",
    pattern: Pattern = None,
    port: Port = None,
    connection: Connection = None,
    viewer: ViewerKind = "napari",
    fiji: Fiji = None,
    mode: Modes = None,
    memory: Memory = None,
    max_layers: MaxLayers = None,
    budget: Budget = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--from-start", help="Leave out what an earlier run has shown, or show it all."
        ),
    ] = False,
    idle: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="End when nothing has come for this long."),
    ] = None,
    json: Json = False,
) -> None:
    """Show a folder's TIFF files as an instrument writes them: first those there, then new ones.

    Each is shown once it is complete, and again if it is rewritten. Ctrl-C ends it.
    """
    from coverslip.viewers.cli.watch import run_watch

    check_connection(connection, port, memory, max_layers)
    _prefer(fiji)
    done = run_watch(
        folder,
        parser,
        pattern,
        viewer=viewer,
        port=port,
        connection=connection,
        modes=modes_of(mode),
        memory=memory,
        max_layers=max_layers,
        budget=budget,
        resume=resume,
        idle=idle,
        as_json=json,
    )
    raise typer.Exit(0 if done else FAILED)


@app.command(cls=Command, epilog=STATUS)
def parse(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    parser: Names = "auto",
    pattern: Pattern = None,
    level: Level = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every file, not only the first 20.")
    ] = False,
    json: Json = False,
) -> None:
    """Print what `view` would send, without a viewer: each file's components, planes and shape."""
    from coverslip.viewers.cli.parse import run_parse

    done = run_parse(paths, parser, pattern, level=level, every=every, as_json=json)
    raise typer.Exit(0 if done else FAILED)


@app.command(cls=Command, epilog=STATUS)
def launch(
    viewer: ViewerKind = "napari",
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of this machine to listen on, so that pipelines on other machines reach "
            "the viewer: 192.168.1.5, or 0.0.0.0 for all. Without it only this machine's can.",
        ),
    ] = None,
    port: DataPort = None,
    title: Annotated[str | None, typer.Option(help="The window's title.")] = None,
    memory: Memory = None,
    max_layers: MaxLayers = None,
    fiji: Fiji = None,
    allow_macros: Annotated[
        bool,
        typer.Option(
            "--allow-macros",
            help="With --viewer fiji: run the macros that pipelines send, which can do whatever "
            "you can.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Start a viewer that waits for pipelines, here or elsewhere."""
    from coverslip.viewers.cli.connection import run_launch

    _prefer(fiji)
    run_launch(
        viewer,
        bind=bind,
        port=port,
        title=title,
        memory=memory,
        max_layers=max_layers,
        allow_macros=allow_macros,
        as_json=json,
    )


@connections.command(cls=Command, epilog=STATUS)
def show(
    port: OwnPort,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]", help="Where others reach it: another name, or a tunnel's end."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Write the line there, with mode 0600, instead of printing it."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the line that lets a pipeline on another machine show on a viewer here.

    The line holds the viewer's keys. It goes to a terminal, or to a file that only you can read.
    """
    from coverslip.viewers.cli.connection import run_show

    run_show(port, at=at, file=file, force=force, as_json=json)


@app.command("list", cls=Command, epilog=STATUS)
def list_viewers(json: Json = False) -> None:
    """List the viewers of this user on this machine."""
    from coverslip.viewers.cli.servers import run_list

    run_list(as_json=json)


@app.command("clear", cls=Command, epilog=STATUS)
def clear_viewer(port: OwnPort, json: Json = False) -> None:
    """Remove all streamed layers from a viewer; it stays open, with the user's own layers."""
    from coverslip.viewers.cli.servers import run_clear

    run_clear(port, as_json=json)


@app.command(cls=Command, epilog=STATUS)
def logs(
    port: OwnPort,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="N", help="Begin with the last N lines.")
    ] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as the log grows, until the viewer ends.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the end of a viewer's log."""
    from coverslip.viewers.cli.logs import run_logs

    if json and follow:
        raise typer.BadParameter("--json is one object, and --follow has no end: leave out one")
    run_logs(port, lines, follow=follow, as_json=json)


@app.command(cls=Command, epilog=STATUS)
def stop(
    port: Annotated[
        int | None, typer.Argument(metavar="[PORT]", help="Data port, as `list` shows it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every viewer of this user.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Kill at once, without asking.")] = False,
    json: Json = False,
) -> None:
    """Stop a viewer: ask it, then terminate, then kill it. Never anything but a viewer."""
    from coverslip.viewers.cli.servers import run_stop

    if (port is None) != every:
        raise typer.BadParameter("give a port, or --all")
    raise typer.Exit(0 if run_stop(port, force=force, as_json=json) else FAILED)


@app.command(cls=Command, epilog=STATUS)
def manager() -> None:
    """Open a window with all viewers, their state, counts and logs, to launch and stop them."""
    try:
        from coverslip.viewers.manager.app import run_manager
    except ImportError as error:
        raise NotInstalled(
            f"the manager needs {(error.name or 'Qt').partition('.')[0]}: "
            'pip install "coverslip-viewers[manager]"'
        ) from error
    raise typer.Exit(run_manager())


@app.command(cls=Command, epilog=STATUS)
def doctor(json: Json = False) -> None:
    """Check display, Qt, OpenGL, Java, ImageJ, shared memory, ports; say what to do about each."""
    from coverslip.viewers.cli.doctor import run_doctor

    raise typer.Exit(0 if run_doctor(as_json=json) else FAILED)


# Help lists commands as they are added: first what is needed first.
for _command in (relay, follow, audience):
    app.command(cls=Command, epilog=STATUS)(_command)


def main() -> None:
    """Run the command line; our own errors are one line, not a traceback."""
    try:
        app(prog_name="coverslip")
    except (ViewerError, TransportError, PayloadError, OSError) as error:
        typer.echo(f"coverslip: {in_one_line(error)}", err=True)
        sys.exit(FAILED if isinstance(error, PipelineFailed) else REFUSED)
