"""`FijiStreamVisualizer`: an ImageJ process, seen from the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["FijiStreamVisualizer"]


class FijiStreamVisualizer(StreamVisualizer):
    """One ImageJ in a process of its own.

    Parameters
    ----------
    filemanager, visualizer_config, viewer_title, persistent, replace_layers, memory
        See `StreamVisualizer`.
    fiji_port, fiji_host
        Data port and host; `StreamVisualizer`'s ``port`` and ``host``.
    fiji
        A Fiji or ImageJ folder, or the Maven endpoint of one, for a viewer that is started; None
        leaves it to the environment variable ``COVERSLIP_FIJI`` and to what is found.
    allow_macros
        A viewer that is started runs the macros that whoever holds its key sends.
    """

    kind = "fiji"
    default_port = 5556
    module = "coverslip.viewers.fiji"

    def __init__(
        self,
        filemanager: Any = None,
        visualizer_config: Any = None,
        viewer_title: str | None = None,
        persistent: bool | None = None,
        fiji_port: int | None = None,
        replace_layers: bool | None = None,
        *,
        fiji_host: str | None = None,
        fiji: str | None = None,
        allow_macros: bool = False,
        port: int | None = None,
        host: str | None = None,
        memory: str | int | None = None,
    ) -> None:
        super().__init__(
            filemanager,
            visualizer_config,
            viewer_title=viewer_title,
            persistent=persistent,
            port=fiji_port if port is None else port,
            host=fiji_host if host is None else host,
            replace_layers=replace_layers,
            memory=memory,
        )
        self.fiji = fiji
        self.allow_macros = allow_macros

    def _command(self, launch_id: str, log: Path, port: int | None) -> list[str]:
        command = super()._command(launch_id, log, port)
        if self.fiji is not None:
            command += ["--fiji", self.fiji]
        if self.allow_macros:
            command.append("--allow-macros")
        return command
