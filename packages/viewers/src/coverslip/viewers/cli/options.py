"""Options that several commands take, each with its words in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coverslip.payload import Mode, UnsupportedArray, as_components

__all__ = [
    "FIJI_VARIABLE",
    "Budget",
    "Connection",
    "DataPort",
    "Fiji",
    "Json",
    "Level",
    "MaxLayers",
    "Memory",
    "Modes",
    "Names",
    "OwnPort",
    "Pattern",
    "Port",
    "Shot",
    "ViewerKind",
    "check_connection",
    "modes_of",
    "size",
]


def size(text: str) -> int:
    """Return the bytes of a size such as 2GiB."""
    from coverslip.viewers.memory.budget import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def data_port(text: str) -> int:
    """Return a data port whose control port exists, too."""
    from coverslip.transport import AddressError, check_port

    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no number of a port")
    try:
        return check_port(int(text))
    except AddressError as error:
        raise typer.BadParameter(str(error)) from None


def modes_of(given: list[str] | None) -> dict[str, str]:
    """Return the modes of components that stand on the command line as well=stack."""
    modes = {}
    for text in given or ():
        name, _, mode = text.rpartition("=")
        try:
            as_components({name: ""})
            modes[name] = Mode(mode.casefold()).value
        except (UnsupportedArray, ValueError):
            known = ", ".join(one.value for one in Mode)
            raise typer.BadParameter(
                f"{text!r}: write COMPONENT=MODE, as in well=stack; a mode is one of {known}",
                param_hint="--mode",
            ) from None
    return modes


def check_connection(
    connection: str | None, port: int | None, memory: int | None, max_layers: int | None
) -> None:
    """Refuse what a viewer that is named by its line has decided by itself."""
    if connection is not None and port is not None:
        raise typer.BadParameter("--connection says the port: leave out --port")
    if connection is not None and (memory is not None or max_layers is not None):
        raise typer.BadParameter(
            "--connection names a viewer that runs: leave out --memory and --max-layers"
        )


FIJI_VARIABLE = "COVERSLIP_FIJI"
"""The environment variable that chooses an ImageJ."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Budget = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=size,
        help="What planes may take while they wait for the viewer, such as 2GiB; else 1 GiB, or an "
        "eighth of what is free.",
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=size,
        help="What a viewer that is started may take, such as 2GiB; by default 4 GiB, or half of "
        "what is free.",
    ),
]
MaxLayers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Most layers or windows that a viewer that is started makes; by default 100.",
    ),
]
Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        metavar="COMPONENT=MODE",
        help="How a component is laid out: stack, slice or separate, as in well=stack. Once for "
        "each component.",
    ),
]
OwnPort = Annotated[int, typer.Argument(metavar="PORT", help="Data port, as `list` shows it.")]
Shot = Annotated[
    Path | None,
    typer.Option(
        "--screenshot", metavar="FILE", dir_okay=False, help="Save a picture of the window (PNG)."
    ),
]
Names = Annotated[
    str,
    typer.Option(
        "--parser",
        metavar="NAME",
        help="How well, site, channel, … are read from names and folders: auto, imagexpress, "
        "metaxpress, opera_phenix, operetta, cv8000, ome, pattern, or a plugin's.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        # No longer: what does not fit into its column is cut.
        metavar="TEXT",
        help="Names as a format string: '{well}_s{site:d}.tif'.",
    ),
]
Level = Annotated[
    int | None,
    typer.Option(min=0, help="Resolution level of OME-Zarr; 0, the default, is the finest."),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        parser=data_port,
        help="The viewer's data port; one is started there if none runs.",
    ),
]
DataPort = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", parser=data_port, help="Data port; the control port is 1000 above."
    ),
]
Connection = Annotated[
    str | None,
    typer.Option(
        metavar="LINE_OR_FILE",
        envvar="COVERSLIP_CONNECTION",
        # From the environment it would be shown as the default: no key belongs into --help.
        show_default=False,
        help="A viewer that runs on another machine: the line that `coverslip connection show` "
        "prints there, or a file of mode 0600 that holds it. The file is safer: other users of "
        "this machine can see command lines.",
    ),
]
ViewerKind = Annotated[
    str,
    typer.Option(
        "--viewer", metavar="NAME", help="What shows the planes: napari, fiji, or a plugin's."
    ),
]
Fiji = Annotated[
    str | None,
    typer.Option(
        "--fiji",
        metavar="PATH_OR_ENDPOINT",
        envvar=FIJI_VARIABLE,
        help="With --viewer fiji: a Fiji or ImageJ folder, or a Maven endpoint.",
    ),
]
