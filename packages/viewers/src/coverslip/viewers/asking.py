"""What a view asks its viewers: what they hold, what they look like, to be emptied, to run a macro.

A question goes to all of them, one after another, unless ``viewer="fiji"`` names one.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from coverslip.transport import Clear, Done, Picture, RequestTimeout, Screenshot
from coverslip.viewers.errors import ViewerGone
from coverslip.viewers.messages import (
    AbortMacro,
    DescribeLayers,
    LayerInfo,
    Layers,
    MacroResult,
    RunMacro,
)
from coverslip.viewers.notebook import Png
from coverslip.viewers.questions import ANSWER_TIMEOUT, ask, side_by_side
from coverslip.viewers.stream import Stream
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["Asking"]

logger = logging.getLogger(__name__)


class Asking:
    """Asks a view's viewers, from any thread. The view gives it a stream and viewers."""

    visualizers: tuple[StreamVisualizer, ...]
    _stream: Stream

    @property
    def visualizer(self) -> StreamVisualizer:
        """The viewer; the first of several.

        Raises
        ------
        ViewerGone
            There is none, since the configuration is not enabled.
        """
        if not self.visualizers:
            raise ViewerGone("this view has no viewer: its configuration says enabled=False")
        return self.visualizers[0]

    def layers(
        self,
        checksums: bool = False,
        *,
        viewer: str | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> tuple[LayerInfo, ...]:
        """Return what the viewer holds, as it holds it; of several, one after another.

        Parameters
        ----------
        checksums : bool, default False
            Also the CRC-32 of each plane's pixels.
        viewer : str, optional
            The kind of the one to ask, of several.
        timeout : float, default 30.0
            Seconds that each viewer has to answer; one that draws, or takes checksums of gigabytes,
            needs some.

        Raises
        ------
        ViewerGone
            No viewer answers.
        ViewerRefused
            It answers that it cannot do that.
        """
        question = DescribeLayers(checksums=checksums)
        return tuple(
            layer
            for visualizer in self._chosen(viewer)
            for layer in ask(visualizer, question, Layers, timeout).layers
        )

    def screenshot(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        viewer: str | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Png:
        """Return the viewer's window as PNG, and write it to `path` if given.

        The bytes of the file, which a notebook shows as the picture that they are.

        Parameters
        ----------
        path : path-like, optional
            The file.
        viewer : str, optional
            The kind of the one to ask, of several; None puts their windows side by side.
        timeout : float, default 30.0
            Seconds that each viewer has to answer.

        Raises
        ------
        ViewerGone
            No viewer answers.
        ViewerRefused
            It answers that it has no window, such as a relay, or that it cannot.
        ValueError
            The file's name ends in something else than ``.png``.
        """
        if path is not None and Path(path).suffix.lower() not in {"", ".png"}:
            raise ValueError(f"{os.fspath(path)!r}: a screenshot is written as PNG, name it .png")
        windows = [ask(one, Screenshot(), Picture, timeout).png for one in self._chosen(viewer)]
        png = Png(side_by_side(windows))
        if path is not None:
            Path(path).write_bytes(png)
        return png

    def clear(self, *, viewer: str | None = None, timeout: float = ANSWER_TIMEOUT) -> None:
        """Take away every layer that came through coverslip, from all viewers or from one.

        What this view has sent before goes away, too: it is waited for.

        Parameters
        ----------
        viewer : str, optional
            The kind of the one to clear, of several.
        timeout : float, default 30.0
            Seconds for what is under way to arrive at most, and then for each viewer to answer.

        Raises
        ------
        ViewerGone
            No viewer answers.
        ViewerRefused
            It answers that it cannot do that.
        """
        chosen = self._chosen(viewer)
        # A question overtakes the planes that are under way: they would be shown once it is over.
        if self._stream.delivery().pending:
            left = self._stream.flush(timeout).pending
            if left:
                logger.warning("%d planes under way will be shown after the clear", left)
        for visualizer in chosen:
            ask(visualizer, Clear(), Done, timeout)

    def run_macro(self, text: str, argument: str = "", timeout: float = ANSWER_TIMEOUT) -> str:
        """Run a macro in the viewer's ImageJ, and return what it returns.

        Parameters
        ----------
        text
            Of the macro, in ImageJ's macro language.
        argument
            What its ``getArgument()`` returns.
        timeout
            Seconds to wait; the macro goes on when they are over, until `abort_macro`.

        Raises
        ------
        coverslip.transport.RequestRefused
            The viewer is no ImageJ or was not started with ``--allow-macros`` (of ``coverslip
            launch``); another macro runs; or this one failed. The message says which.
        ViewerGone
            No viewer answers, or the macro has not ended in time.
        """
        question = RunMacro(text=text, argument=argument)
        try:
            return ask(self._imagej, question, MacroResult, timeout, may_refuse=True).text
        except ViewerGone as gone:
            if not isinstance(gone.__cause__, RequestTimeout):
                raise
            raise ViewerGone(
                f"the macro has not answered within {timeout:g} s: it goes on, and abort_macro() "
                "ends it, unless the viewer itself is frozen or out of reach"
            ) from gone.__cause__

    def abort_macro(self) -> None:
        """End the macro that runs in the viewer's ImageJ, whoever sent it, as Esc does there.

        What it has opened and waits for is closed. Nothing is done if none runs.

        Raises
        ------
        coverslip.transport.RequestRefused
            The viewer runs no macros, or the macro's command cannot be ended.
        ViewerGone
            No viewer answers.
        """
        ask(self._imagej, AbortMacro(), Done, may_refuse=True)

    @property
    def _imagej(self) -> StreamVisualizer:
        """Where macros go; one of another kind, if there is no other, refuses them with words."""
        return next((one for one in self.visualizers if one.kind == "fiji"), self.visualizer)

    def _chosen(self, viewer: str | None) -> tuple[StreamVisualizer, ...]:
        if viewer is None:
            return self.visualizers or (self.visualizer,)
        found = tuple(one for one in self.visualizers if one.kind == viewer)
        if not found:
            kinds = ", ".join(one.kind for one in self.visualizers)
            raise ViewerGone(f"this view has no {viewer!r} viewer; it has: {kinds or 'none'}")
        return found
