"""Which viewers there are, by name: ours, and those of packages that are merely installed.

A package joins by an entry point of the group ``coverslip.viewers``, which names either a
`StreamVisualizer`, or just its `ZMQServer`. Of a server all that is needed is its ``kind``, its
``default_port``, and that ``python -m`` of the module that the entry point names runs it, with the
options ``--port``, ``--title``, ``--launch-id`` and ``--log``. Three more are sent only where a
user asks for them, and need not be taken: ``--memory BYTES`` (``connect(memory=…)``), ``--host
ADDRESS`` and ``--max-layers N`` (``coverslip launch``).
Nothing is imported until its name is asked for.
"""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from coverslip.transport import ZMQServer
from coverslip.viewers.errors import UnknownViewer
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["viewer_kinds", "visualizer_class"]

GROUP = "coverslip.viewers"

_OURS = {
    "napari": "coverslip.viewers.napari:NapariStreamVisualizer",
    "fiji": "coverslip.viewers.fiji:FijiStreamVisualizer",
    "relay": "coverslip.viewers.relay:RelayVisualizer",
}


def viewer_kinds() -> tuple[str, ...]:
    """Return the names that `connect` takes."""
    return tuple(sorted({*_OURS, *(entry.name for entry in entry_points(group=GROUP))}))


def visualizer_class(kind: str) -> type[StreamVisualizer]:
    """Return the visualizer of a viewer kind.

    Parameters
    ----------
    kind : str
        One of `viewer_kinds`.

    Raises
    ------
    UnknownViewer
        No kind goes by that name; the message lists those that there are. Or a package declares
        one that cannot be used.
    """
    if kind in _OURS:
        module, name = _OURS[kind].split(":")
        ours: type[StreamVisualizer] = getattr(importlib.import_module(module), name)
        return ours
    for entry in entry_points(group=GROUP, name=kind):
        return _theirs(entry)
    given = {"imagej": "fiji"}.get(kind.casefold(), kind.casefold())
    hint = "".join(f"; is {one!r} meant?" for one in get_close_matches(given, viewer_kinds(), 1))
    known = ", ".join(viewer_kinds())
    raise UnknownViewer(f"there is no viewer {kind!r}; there are: {known}{hint}")


def _theirs(entry: EntryPoint) -> type[StreamVisualizer]:
    package = entry.dist.name if entry.dist is not None else entry.module
    try:
        found = entry.load()
    except Exception as error:
        raise UnknownViewer(
            f"the package {package} has a viewer {entry.name!r} that cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    if isinstance(found, type) and issubclass(found, (StreamVisualizer, ZMQServer)):
        for said in ("kind", "default_port"):
            if not hasattr(found, said):
                raise UnknownViewer(
                    f"the package {package} has a viewer {entry.name!r} whose class "
                    f"{found.__name__} does not say its {said}"
                )
    if isinstance(found, type) and issubclass(found, StreamVisualizer):
        return found
    if isinstance(found, type) and issubclass(found, ZMQServer):
        fields = {
            "__doc__": f"The viewer {entry.name!r} of the package {package}.",
            "kind": found.kind,
            "module": entry.module,
            "default_port": found.default_port,
            "needs_display": getattr(found, "needs_display", True),
        }
        return type(f"{found.__name__}Visualizer", (StreamVisualizer,), fields)
    raise UnknownViewer(
        f"the package {package} names {entry.value!r} as its viewer {entry.name!r}, which is "
        f"neither a ZMQServer nor a StreamVisualizer"
    )
