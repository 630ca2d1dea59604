"""What a napari window shows, as the tests read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coverslip.viewers.napari.insides import dims_widget

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from coverslip.viewers.napari.window import LiveWindow

__all__ = ["drawn", "follow_button", "follows", "slider_words", "values"]


def drawn(window: LiveWindow, name: str) -> Any:
    """Return the pixels that napari has sliced for a layer: it has no public way to all of them."""
    return window.viewer.layers[name]._slice.image.raw


def values(window: LiveWindow) -> dict[str, Any]:
    """Return what the sliders stand at, by axis."""
    grid = window.scene._sliders.grid
    steps = window.viewer.dims.current_step
    first = window.viewer.dims.ndim - len(grid.labels) - 2
    ours = enumerate(zip(grid.names, grid.values, strict=True))
    return {n: v[steps[first + i]] for i, (n, v) in ours}


def follows(window: LiveWindow) -> bool:
    """Return whether the sliders follow, and the button says the same."""
    assert follow_button(window).isChecked() == window.scene.following
    return window.scene.following


def follow_button(window: LiveWindow) -> QPushButton:
    from qtpy.QtWidgets import QPushButton

    buttons = window.scene.bar.findChildren(QPushButton)
    (button,) = [each for each in buttons if "follow" in each.text()]
    return button


def slider_words(window: LiveWindow) -> list[str]:
    """Return what stands beside each slider that is shown, bottom last."""
    from qtpy.QtWidgets import QLabel

    rows = dims_widget(window.viewer).slider_widgets
    return [
        f"{row.axis_label.text()} {row.findChild(QLabel, 'coverslip_value').text()}"
        for row in rows
        if not row.isHidden()
    ]
