"""ImageJ under the contract, touched through its own macros."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coverslip.transport import TransportError
from coverslip.viewers import FijiStreamingBackend, FijiStreamVisualizer, View, ViewerGone
from tests.viewers.contract.subject import Hands, Subject
from tests.waiting import DEADLINE

__all__ = ["IMAGEJ", "Fiji"]

IMAGEJ = "net.imagej:ij:1.54p"

_SLIDERS = {"channel": 0, "z_index": 1, "timepoint": 2}
"""Which of ``Stack.setPosition``'s arguments is whose."""

_OWN_TYPES = frozenset({"|u1", "<u2", "<f4"})


class Macros(Hands):
    """A user who types macros."""

    def __init__(self, view: View) -> None:
        self._view = view

    def _run(self, text: str) -> str:
        return self._view.run_macro(text, timeout=DEADLINE)

    def title(self) -> str:
        described = self._run("return call('ij.IJ.getInstance')")  # AWT's words for the frame
        found = re.search(r"title=(.*?),(?:resizable|normal)", described)
        assert found is not None, described
        return found[1]

    def scrub(self, axis: str, position: int) -> None:
        where = ["c", "z", "t"]
        where[_SLIDERS[axis]] = str(position + 1)
        self._run(f"Stack.getPosition(c, z, t); Stack.setPosition({', '.join(where)})")

    def place(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\S+)", self._run("return getInfo('slice.label')")))

    def pixel(self, y: int, x: int) -> float:
        return float(self._run(f"return '' + getPixel({x}, {y})"))

    def set_contrast(self, low: float, high: float) -> None:
        self._run(f"setMinAndMax({low}, {high})")

    def remove(self, name: str) -> None:
        self._run(f"selectImage('{name}'); close()")

    def leave_work_unsaved(self) -> None:
        self._run("run('Add...', 'value=5'); newImage('own', '8-bit noise', 9, 9, 1)")

    def quit(self) -> None:
        try:
            self._view.run_macro("run('Quit')", timeout=5.0)
        except (TransportError, ViewerGone) as error:
            print(error)  # it went before the macro could answer


class Fiji(Subject):
    """ImageJ itself, from Maven Central."""

    kind = "fiji"
    visualizer = touchable = FijiStreamVisualizer
    backend = FijiStreamingBackend
    options: ClassVar[Mapping[str, Any]] = {"allow_macros": True}

    def environment(self, folder: Path) -> Mapping[str, str]:
        return {"COVERSLIP_FIJI": IMAGEJ, "JAVA_TOOL_OPTIONS": f"-Duser.home={folder}"}

    def hands(self, view: View) -> Hands:
        return Macros(view)

    def held(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if pixels.dtype == np.bool_:
            return pixels.astype(np.uint8) * np.uint8(255)  # as ImageJ has its masks
        as_sent = super().held(pixels)
        return as_sent if as_sent.dtype.str in _OWN_TYPES else as_sent.astype("<f4")
