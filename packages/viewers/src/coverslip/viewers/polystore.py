"""polystore's `FileManager` as a caller, for which our viewers are two more places to save to.

polystore (0.6.3) has backends of its own, called ``napari_stream`` and ``fiji_stream``.
Importing this module puts ours in their place, in every registry that is made from then on::

    import coverslip.viewers.polystore
    from polystore.backend_registry import create_storage_registry

    manager = polystore.FileManager(create_storage_registry())
    manager.save_batch(images, paths, "napari_stream")

`use_in` does it for a manager that is there already. A manager that is pickled into a worker takes
them along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from polystore.base import DataSink, PicklableBackend
from polystore.fiji_stream import FijiStreamingBackend as _TheirFiji
from polystore.formats import PIXEL_PAYLOAD_EXTENSIONS
from polystore.napari_stream import NapariStreamingBackend as _TheirNapari

from coverslip.viewers.backends import StreamingBackend, get_backend

__all__ = ["FijiSink", "NapariSink", "use_in"]


class _Sink(DataSink, PicklableBackend):  # type: ignore[misc]  # polystore is not there to be seen
    """A polystore backend that hands over to one of ours; called from a manager's own thread."""

    _backend_type: ClassVar[str | None] = None
    supports_arbitrary_files = False
    requires_filesystem_validation = False

    @property
    def backend(self) -> StreamingBackend:
        """The backend that it stands for: this process's."""
        return get_backend(str(self._backend_type))

    def supports_file_path(self, path: str | Path) -> bool:
        """Tell whether what is saved there is an image."""
        return Path(path).name.lower().endswith(tuple(PIXEL_PAYLOAD_EXTENSIONS))

    def save(self, data: Any, identifier: str | Path, **kwargs: Any) -> None:
        """Send one image."""
        self.save_batch([data], [identifier], **kwargs)

    def save_batch(
        self, data_list: Sequence[Any], identifiers: Sequence[str | Path], **kwargs: Any
    ) -> None:
        """Send images as `coverslip.viewers.ViewerBackend.save_batch` does.

        Parameters
        ----------
        data_list : sequence of array_like
            Images.
        identifiers : sequence of path-like
            As many paths.
        **kwargs : object
            What ``save_batch`` of the backend takes; of a ``stream_request``, polystore's own way
            to say it, the viewer's address, the components and their modes.
        """
        request = kwargs.pop("stream_request", None)
        if request is not None:
            kwargs = _said(request, identifiers) | kwargs
        self.backend.save_batch(data_list, identifiers, **kwargs)

    def get_connection_params(self) -> dict[str, Any]:
        """Return what a worker needs: this class, whose module it imports to have it."""
        return {"sink": type(self)}

    def set_connection_params(self, params: Mapping[str, Any] | None) -> None:
        """Take nothing: the worker's own backend finds the viewer."""

    def cleanup_connections(self) -> None:
        """Let go of the viewers; their windows stay."""
        self.backend.close()

    cleanup = cleanup_connections


class NapariSink(_Sink):
    """polystore's ``napari_stream``."""

    _backend_type = "napari_stream"
    __replaces_registered__ = _TheirNapari


class FijiSink(_Sink):
    """polystore's ``fiji_stream``."""

    _backend_type = "fiji_stream"
    __replaces_registered__ = _TheirFiji


def use_in(manager: Any) -> None:
    """Let a `polystore.FileManager` that is there already send to our viewers."""
    for sink in (NapariSink, FijiSink):
        manager.register_backend(sink._backend_type, sink())


def _said(request: Any, identifiers: Sequence[str | Path]) -> dict[str, Any]:
    """Return what a ``polystore.streaming.ViewerStreamRequest`` says, in our words."""
    metadata = request.source.metadata
    return {
        "host": request.host,
        "port": request.port,
        "components": [
            {name: value for name, value in given.items() if value is not None}
            for given in (
                metadata.component_metadata_for_item(path, index)
                for index, path in enumerate(identifiers)
            )
        ],
        "modes": request.display_semantics.component_modes,
    }
