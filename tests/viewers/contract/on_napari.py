"""napari under the contract, touched through requests that the tests' own process adds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coverslip.transport import Done, TransportError, request
from coverslip.viewers import NapariStreamingBackend, NapariStreamVisualizer, View
from tests.viewers.contract.handed_napari import (
    AddPoints,
    CloseWindow,
    Look,
    Remove,
    Scrub,
    Seen,
    SetContrast,
)
from tests.viewers.contract.subject import Hands, Subject
from tests.waiting import DEADLINE

__all__ = ["Napari"]


class Requests(Hands):
    """A user whose hands are in the viewer's process."""

    def __init__(self, view: View) -> None:
        self._endpoint = view.visualizer.endpoint

    def _do(self, gesture: Scrub | SetContrast | Remove | AddPoints | CloseWindow) -> None:
        request(self._endpoint, gesture, Done, timeout=DEADLINE)

    def _look(self, y: int = 0, x: int = 0) -> Seen:
        return request(self._endpoint, Look(y=y, x=x), Seen, timeout=DEADLINE)

    def title(self) -> str:
        return self._look().title

    def scrub(self, axis: str, position: int) -> None:
        self._do(Scrub(axis=axis, position=position))

    def place(self) -> dict[str, str]:
        # In the picture's corner, as "well A02    z_index 5".
        words = [word.partition(" ") for word in self._look().words.split("    ")]
        return {axis: value for axis, _, value in words}

    def pixel(self, y: int, x: int) -> float:
        return self._look(y, x).pixel

    def set_contrast(self, low: float, high: float) -> None:
        self._do(SetContrast(low=low, high=high))

    def remove(self, name: str) -> None:
        self._do(Remove(layer=name))

    def leave_work_unsaved(self) -> None:
        self._do(AddPoints())

    def quit(self) -> None:
        try:
            self._do(CloseWindow())
        except TransportError as error:
            print(error)  # it went before it could answer


class _TouchableNapari(NapariStreamVisualizer):
    module = "tests.viewers.contract.handed_napari"


class Napari(Subject):
    """napari."""

    kind = "napari"
    visualizer = NapariStreamVisualizer
    touchable = _TouchableNapari
    backend = NapariStreamingBackend

    def environment(self, folder: Path) -> Mapping[str, str]:
        return {"NAPARI_CONFIG": str(folder / "settings.yaml")}

    def hands(self, view: View) -> Hands:
        return Requests(view)
