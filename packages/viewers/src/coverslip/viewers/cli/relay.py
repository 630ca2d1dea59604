"""``coverslip relay``, ``follow`` and ``audience``: a relay, its viewers here, all its viewers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from coverslip.viewers.cli.options import DataPort, Json, Port, ViewerKind, size

if TYPE_CHECKING:
    from coverslip.transport import Endpoint

__all__ = ["audience", "follow", "relay"]

PING_TIMEOUT = 5.0

Which = Annotated[
    str,
    typer.Argument(
        metavar="LINE_OR_FILE_OR_PORT",
        help="The relay's: the line that `coverslip connection show` prints where it runs, a file "
        "of mode 0600 that holds it, or the port of one on this machine.",
    ),
]


def _endpoint(which: str) -> Endpoint:
    from coverslip.viewers.cli.servers import one_on
    from coverslip.viewers.remote import read_line

    return one_on(int(which), "relay").endpoint if which.isdecimal() else read_line(which)


def relay(
    port: DataPort = None,
    bind: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address of this machine to listen on; 0.0.0.0 for all."
        ),
    ] = "127.0.0.1",
    title: Annotated[str | None, typer.Option(help="Its name in lists.")] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE",
            parser=size,
            help="What planes may take in memory, such as 2GiB; the rest go to disk.",
        ),
    ] = None,
    disk: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE",
            parser=size,
            help="What planes may take on disk, such as 100GiB; then the oldest are dropped.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run a relay until Ctrl-C: pipelines show on it, viewers that come and go fetch from it."""
    from coverslip.viewers.cli import report
    from coverslip.viewers.relay.process import run_relay

    run_relay(
        port=port,
        host=bind,
        title=title,
        memory=memory,
        disk=disk,
        serving=partial(report.say_where, as_json=json),
    )


def follow(
    which: Which,
    viewer: ViewerKind = "napari",
    port: Port = None,
    newest: Annotated[
        bool,
        typer.Option(
            "--newest-first", help="Show what the relay has already from the newest to the oldest."
        ),
    ] = False,
    end: Annotated[
        bool, typer.Option("--end", help="Stop following; what was shown stays.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a viewer here show what a relay has, and what comes to it, until the viewer ends."""
    from coverslip.transport import Done, Request, ping, request
    from coverslip.viewers.cli import report
    from coverslip.viewers.errors import ConfigError, ViewerGone
    from coverslip.viewers.kinds import visualizer_class
    from coverslip.viewers.messages import Follow, Unfollow

    endpoint = _endpoint(which)
    visualizer = visualizer_class(viewer)(port=port, persistent=True)
    message: Request
    if end:
        # Also from one that is gone.
        if not visualizer.find_viewer():
            raise ViewerGone(f"no {viewer} viewer runs that could follow")
        message = Unfollow(line=endpoint.to_url())
    else:
        pong = ping(endpoint, PING_TIMEOUT)
        if "relay" not in pong.capabilities:
            raise ConfigError(f"a {pong.kind} viewer answers there: name a relay's line or port")
        report.note(f"finding or starting {viewer} …")
        visualizer.start_viewer()
        message = Follow(line=endpoint.to_url(), newest=newest)
    request(visualizer.endpoint, message, Done, timeout=PING_TIMEOUT)
    words = "follows no more" if end else "follows"
    report.note(f"{viewer} on port {visualizer.port} {words} the relay on {endpoint.host}")
    if json:
        relay = {"host": endpoint.host, "port": endpoint.port}
        report.print_json(
            {"viewer": viewer, "port": visualizer.port, "relay": relay, "follows": not end}
        )


def audience(which: Which, json: Json = False) -> None:
    """List the viewers that a relay serves: what each was sent, has shown, and has still to get."""
    import msgspec

    from coverslip.transport import request
    from coverslip.viewers.cli import report
    from coverslip.viewers.relay.messages import Audience, ListAudience

    found = request(_endpoint(which), ListAudience(), Audience, timeout=PING_TIMEOUT).viewers
    if json:
        report.print_json({"viewers": [msgspec.to_builtins(one) for one in found]})
    elif found:
        columns = ("viewer", "here", "sent", "shown", "waiting", "replaced", "missed")
        rows = [
            (
                one.title,
                "yes" if one.here else "no",
                one.sent,
                None if one.counts is None else one.counts.shown,
                one.waiting,
                one.replaced,
                one.missed,
            )
            for one in found
        ]
        report.print_table("viewers", columns, rows)
    else:
        report.note("no viewer has come; `coverslip follow` has one here do so")
