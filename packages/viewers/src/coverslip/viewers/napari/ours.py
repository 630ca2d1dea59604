"""The layers of ours in one viewer: which there are, and what stands behind them.

GUI thread only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from coverslip.payload import TABLES, Layer, LayerKey
from coverslip.viewers.napari.backdrop import backdrop
from coverslip.viewers.napari.live import LiveLayer
from coverslip.viewers.napari.planes import Grid

if TYPE_CHECKING:
    import napari

__all__ = ["Ours"]


class Ours:
    """Knows each of our layers by its key; iterates over them, oldest first. GUI thread only.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer that draws them.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._live: dict[LayerKey, LiveLayer] = {}
        self._backdrop: LiveLayer | None = None

    def __iter__(self) -> Iterator[LiveLayer]:
        return iter(tuple(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, drawn: object) -> bool:
        """Whether a napari layer is one of ours."""
        return any(live.drawn is drawn for live in self.every())

    def get(self, key: LayerKey) -> LiveLayer | None:
        """Return the layer of that key, None where there is none."""
        return self._live.get(key)

    def add(self, live: LiveLayer) -> None:
        """Take in a new one."""
        self._live[live.layer.key] = live

    def discard(self, key: LayerKey) -> LiveLayer | None:
        """Let go of one that napari draws no more, and return it; None where there is none."""
        live = self._live.pop(key, None)
        if live is not None:
            live.close()
        return live

    def every(self) -> list[LiveLayer]:
        """Return all and what stands behind them; one that has every axis is the last."""
        found = [*self._live.values(), *([] if self._backdrop is None else [self._backdrop])]
        return sorted(found, key=lambda live: live.layer.key.kind not in TABLES)

    def bottom_first(self) -> list[LiveLayer]:
        """Return them in the order that napari draws them in."""
        drawn = {live.drawn: live for live in self}
        return [drawn[layer] for layer in self._viewer.layers if layer in drawn]

    def images(self) -> list[LiveLayer]:
        """Return those that draw images."""
        return [live for live in self if live.layer.key.kind == "image"]

    def axes_shown(self) -> dict[str, str]:
        """Return the axes that layers in the picture have; of all layers, if none is shown.

        With each the channel that alone has it, where there are images of others; else "".
        """
        live = list(self)
        live = [one for one in live if one.drawn.visible] or live
        having: dict[str, list[LiveLayer]] = {}
        for one in live:
            for name in (*one.layer.key.axes, *one.layer.key.along):
                having.setdefault(name, []).append(one)
        several = len({one.channel for one in live if one.layer.key.kind == "image"}) > 1
        return {
            name: f"channel {those[0].channel}"
            if several and len(those) == 1 and those[0].channel is not None
            else ""
            for name, those in having.items()
        }

    def like(self) -> LiveLayer | None:
        """Return one that a new layer lies over, plane by plane: one with all the axes."""
        return next((live for live in self if live.layer.key.kind not in TABLES), None)

    def need_backdrop(self, layer: Layer, grid: Grid) -> None:
        """Have something that all the sliders belong to, where only annotations have come."""
        if self._backdrop is None and self.like() is None:
            self._backdrop = backdrop(layer, grid)
            self._viewer.layers.insert(0, self._backdrop.drawn)

    def drop_backdrop(self) -> None:
        """Take that away again."""
        dropped, self._backdrop = self._backdrop, None
        if dropped is not None:
            dropped.close()
            if dropped.drawn in self._viewer.layers:
                self._viewer.layers.remove(dropped.drawn)

    def removed(self, drawn: Any) -> LiveLayer | None:
        """Let go of what napari has removed; return it, if it was one of ours."""
        if self._backdrop is not None and self._backdrop.drawn is drawn:
            self.drop_backdrop()
        found = next((live for live in self if live.drawn is drawn), None)
        return None if found is None else self.discard(found.layer.key)

    def close(self) -> None:
        """Let go of napari's layers, which stay."""
        for live in self:
            self.discard(live.layer.key)
