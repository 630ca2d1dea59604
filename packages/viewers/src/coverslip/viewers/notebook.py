"""A view in a notebook: shown as a card, its screenshots inline, awaited without a thread.

Nothing here needs Jupyter: IPython asks an object for ``_repr_html_`` and ``_repr_png_``.
"""

from __future__ import annotations

import asyncio
import base64
import html
import logging
import struct
import time
from typing import Final

import numpy as np

from coverslip.transport import Delivery, Picture, Screenshot
from coverslip.viewers.errors import ViewerGone, ViewerRefused
from coverslip.viewers.questions import ask
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.stream import Stream
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["Card", "Png"]

logger = logging.getLogger(__name__)

_PATIENCE: Final = 1.0
"""Seconds that a cell waits for each viewer's picture: it may be drawing, or frozen."""

_WIDTH: Final = 360
"""Pixels of a thumbnail, at most."""

_LOOK_AGAIN: Final = 0.02

_HEADER: Final = 24
"""Bytes until after width and height."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class Png(bytes):
    """The bytes of a PNG file, which a notebook shows as the picture that they are."""

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        if not self.startswith(_SIGNATURE) or len(self) < _HEADER:
            return super().__repr__()
        # The chunk with the size always comes first.
        width, height = struct.unpack(">II", self[16:_HEADER])
        return f"<PNG, {width} x {height}>"

    def __str__(self) -> str:
        # That of bytes is all of them, and an error under `python -bb`.
        return repr(self)


class Card:
    """What a view has for notebooks. The view gives it a stream and viewers."""

    visualizers: tuple[StreamVisualizer, ...]
    _stream: Stream

    async def flush_async(self, timeout: float = 10.0) -> Delivery:
        """Wait as `flush` does, and let the event loop go on meanwhile.

        No thread waits for it, so a cancelled one leaves nothing behind; planes go on to be shown.

        Parameters
        ----------
        timeout : float, default 10.0
            Seconds to wait at most.

        Returns
        -------
        Delivery
            As `flush`.
        """
        deadline = time.monotonic() + as_seconds("timeout", timeout)
        while (delivery := self._stream.delivery()).pending and time.monotonic() < deadline:
            # The counts come by a thread of the stream's, which knows no event loop: looked at.
            await asyncio.sleep(_LOOK_AGAIN)
        return delivery

    def _repr_html_(self) -> str:
        counts = self._stream.statistics()
        rows = (
            ("sent", counts.sent),
            ("shown", counts.shown),
            ("dropped", counts.dropped),
            ("failed", counts.failed),
        )
        cells = "".join(
            f'<td style="text-align:left"><b>{number:,}</b> {name}</td>' for name, number in rows
        )
        reasons = "".join(
            f"<div>{number:,}: {html.escape(reason)}</div>"
            for reason, number in counts.reasons.items()
        )
        viewers = "".join(map(self._viewer_html, self.visualizers)) or "<div>no viewer</div>"
        state = html.escape(", ".join(counts.state))
        return (
            f'<div style="display:inline-block">{viewers}'
            f"<table><tr><td>{state}</td>{cells}</tr></table>{reasons}</div>"
        )

    def _viewer_html(self, visualizer: StreamVisualizer) -> str:
        name = f"{visualizer.kind} on port {visualizer.port}"
        try:
            picture = thumbnail(ask(visualizer, Screenshot(), Picture, _PATIENCE).png)
        except ViewerGone:
            return f"<div>{html.escape(name)}: no picture, it does not answer</div>"
        except ViewerRefused:
            return f"<div>{html.escape(name)}: no picture, it gives none</div>"
        except Exception:
            # A cell that shows a view must not fail for want of its picture.
            logger.exception("the picture of %s", name)
            return f"<div>{html.escape(name)}: no picture</div>"
        data = base64.b64encode(picture).decode("ascii")
        return (
            f"<div>{html.escape(name)}</div>"
            f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
        )


def thumbnail(png: bytes, width: int = _WIDTH) -> bytes:
    """Return a picture in little: PNG to PNG, each pixel the mean of a square."""
    import imagecodecs

    picture = imagecodecs.png_decode(png)[..., :3]
    step = -(-picture.shape[1] // width)
    rows, columns = (extent // step for extent in picture.shape[:2])
    if not (rows and columns):
        return png
    squares = picture[: rows * step, : columns * step].reshape(rows, step, columns, step, -1)
    return bytes(imagecodecs.png_encode(np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)))
