"""A user's own napari: opened with a stack of his, then doing what its standard input says.

Each line is a word, answered by a line of JSON. `tests/viewers/napari/test_listening.py` runs it.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QSocketNotifier, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QPushButton

from coverslip.viewers.napari.dock import ListenDock
from coverslip.viewers.napari.insides import main_window
from coverslip.viewers.napari.listening import DOCK


def main() -> None:
    viewer = napari.Viewer(title="at my desk", show_welcome_screen=False)
    stack = np.arange(5 * 32 * 40, dtype=np.uint16).reshape(5, 32, 40)
    viewer.add_image(stack, name="mine", colormap="magma", contrast_limits=(7, 70), opacity=0.5)
    viewer.canvas.overlays.text.visible = True
    viewer.canvas.overlays.text.text = "my own words"
    viewer.dims.set_current_step(0, 3)
    commands: dict[str, Callable[[], Any]] = {
        "listen": lambda: listen(viewer),
        "press": lambda: press(viewer, sys.stdin.readline().strip()),
        "step": lambda: viewer.dims.set_current_step(*map(int, sys.stdin.readline().split())),
        "look": lambda: look(viewer),
        "contrast": lambda: set_contrast(viewer, *sys.stdin.readline().split()),
        "dock": lambda: viewer.window.remove_dock_widget(dock(viewer)),
        "close": lambda: QTimer.singleShot(0, main_window(viewer).close),
    }

    def obey() -> None:
        answer = commands[sys.stdin.readline().strip()]()
        print(json.dumps(answer), flush=True)

    standard_input: Any = sys.stdin.fileno()  # PyQt's types know pointers only
    notifier = QSocketNotifier(standard_input, QSocketNotifier.Type.Read)
    notifier.activated.connect(obey)
    napari.run()
    print(json.dumps("ended"), flush=True)


def listen(viewer: Any) -> None:
    """Choose the plugin's entry from napari's own menu."""
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    (action,) = [each for each in menu.actions() if each.text() == DOCK]
    action.trigger()


def dock(viewer: Any) -> Any:
    (found,) = main_window(viewer).findChildren(ListenDock)
    return found


def press(viewer: Any, text: str) -> None:
    (button,) = [each for each in dock(viewer).findChildren(QPushButton) if each.text() == text]
    button.click()


def set_contrast(viewer: Any, name: str, low: str, high: str) -> None:
    """Set a layer's contrast, as by its slider."""
    viewer.layers[name].contrast_limits = (float(low), float(high))


def look(viewer: Any) -> dict[str, Any]:
    mine = viewer.layers["mine"]
    clipboard = QApplication.clipboard()
    docks = main_window(viewer).findChildren(ListenDock)
    return {
        "layers": [layer.name for layer in viewer.layers],
        "mine": {
            "pixels": zlib.crc32(mine.data.tobytes()),
            "contrast": [float(limit) for limit in mine.contrast_limits],
            "colormap": mine.colormap.name,
            "opacity": float(mine.opacity),
            "visible": bool(mine.visible),
            "scale": [float(each) for each in mine.scale],
        },
        "streamed": {
            layer.name: int(layer._slice.image.raw.max())
            for layer in viewer.layers
            if layer is not mine
        },
        "contrast": {
            layer.name: [float(limit) for limit in layer.contrast_limits] for layer in viewer.layers
        },
        "seen": zlib.crc32(mine._slice.image.raw.tobytes()),
        "words": viewer.canvas.overlays.text.text,
        "steps": [int(step) for step in viewer.dims.current_step[:-2]],
        "labels": list(viewer.dims.axis_labels[:-2]),
        "ranges": [int(each.stop) for each in viewer.dims.range[:-2]],
        "following": [
            each.isChecked()
            for one in docks
            for each in one.findChildren(QPushButton)
            if each.isCheckable()
        ],
        "dock": [each.text() for one in docks for each in one.findChildren(QLabel)],
        "clipboard": "" if clipboard is None else clipboard.text(),
    }


if __name__ == "__main__":
    main()
