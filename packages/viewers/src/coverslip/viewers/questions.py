"""What a view asks its viewers, and how one answer is made of several viewers' answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from coverslip.transport import Reply, Request, RequestRefused, TransportError, request
from coverslip.viewers.errors import ViewerGone, ViewerRefused
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["ANSWER_TIMEOUT", "ask", "side_by_side"]

R = TypeVar("R", bound=Reply)

ANSWER_TIMEOUT = 30.0
"""Seconds for a question that the GUI answers: it may be drawing, or hashing gigabytes."""


def ask(
    visualizer: StreamVisualizer,
    question: Request,
    answer: type[R],
    timeout: float = ANSWER_TIMEOUT,
    *,
    may_refuse: bool = False,
) -> R:
    """Return a viewer's answer.

    Raises
    ------
    coverslip.transport.RequestRefused
        It will not do it, where that is an answer (`may_refuse`); the message says why.
    ViewerRefused
        It answers that it will not do it, or does not know what is asked.
    ViewerGone
        It does not answer.
    TypeError
        The `timeout` is no number.
    """
    name = f"the {visualizer.kind} viewer on port {visualizer.port}"
    try:
        seconds = as_seconds("timeout", timeout)
        return request(visualizer.endpoint, question, answer, timeout=seconds)
    except RequestRefused as refused:
        if may_refuse:
            raise
        failure = refused.failure
        if failure.code == "unknown":
            asked = type(question).__name__
            raise ViewerRefused(f"{name} cannot do that: it knows no {asked!r}") from refused
        raise ViewerRefused(f"{name} has not done it: {failure.message}") from refused
    except TransportError as error:
        raise ViewerGone(f"{name} did not answer: {error}") from error


def side_by_side(pictures: Sequence[bytes]) -> bytes:
    """Return pictures as one, from left to right; PNG to PNG."""
    if len(pictures) == 1:
        return pictures[0]
    import imagecodecs

    windows = [imagecodecs.png_decode(picture)[..., :3] for picture in pictures]
    height = max(window.shape[0] for window in windows)
    filled = [np.pad(window, ((0, height - window.shape[0]), (0, 0), (0, 0))) for window in windows]
    return bytes(imagecodecs.png_encode(np.concatenate(filled, axis=1)))
