"""`NapariStreamVisualizer`: a napari process, seen from the pipeline."""

from __future__ import annotations

from typing import Any

from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["NapariStreamVisualizer"]


class NapariStreamVisualizer(StreamVisualizer):
    """One napari window in a process of its own.

    Parameters
    ----------
    filemanager, visualizer_config, viewer_title, persistent, replace_layers, memory : optional
        See `StreamVisualizer`.
    napari_port, napari_host : int, str, optional
        Data port and host; `StreamVisualizer`'s ``port`` and ``host``.
    """

    kind = "napari"
    default_port = 5555
    module = "coverslip.viewers.napari"

    def __init__(
        self,
        filemanager: Any = None,
        visualizer_config: Any = None,
        viewer_title: str | None = None,
        persistent: bool | None = None,
        napari_port: int | None = None,
        replace_layers: bool | None = None,
        *,
        napari_host: str | None = None,
        port: int | None = None,
        host: str | None = None,
        memory: str | int | None = None,
    ) -> None:
        super().__init__(
            filemanager,
            visualizer_config,
            viewer_title=viewer_title,
            persistent=persistent,
            port=napari_port if port is None else port,
            host=napari_host if host is None else host,
            replace_layers=replace_layers,
            memory=memory,
        )
