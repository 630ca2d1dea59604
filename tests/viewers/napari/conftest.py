"""A real napari window for each test, with settings of its own, and planes to put into it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.payload import Display, Kind, Mode, Placement, Source, place
from coverslip.viewers.contrast import limits_of
from coverslip.viewers.little import in_little
from coverslip.viewers.napari.tiles import EDGE, spot_of
from tests.qt import fill_thread_pools

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

OWN_LAYER = frozenset({Mode.SLICE, Mode.SEPARATE})


@pytest.fixture(scope="session")
def napari_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings that are nobody's, so that a user's own neither help nor suffer."""
    folder = tmp_path_factory.mktemp("napari")
    patch = pytest.MonkeyPatch()
    patch.setenv("NAPARI_CONFIG", str(folder / "settings.yaml"))
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def qt_application(display: str, napari_settings: Path) -> Any:
    """The process's Qt application, with all that napari makes once."""
    from coverslip.viewers.napari.window import LiveWindow, application

    app = application()
    fill_thread_pools()
    # The first window makes what napari keeps for good: its plugins, its status thread's pool.
    LiveWindow("first").close()
    app.processEvents()
    # What napari has imported stays: a collection that looks at all of it takes 200 ms.
    gc.collect()
    gc.freeze()
    return app


@pytest.fixture
def window(qt_application: Any) -> Iterator[LiveWindow]:
    """An open window."""
    from coverslip.viewers.napari.window import LiveWindow

    live = LiveWindow("test")
    yield live
    live.close()
    qt_application.processEvents()


class Show:
    """Puts planes into a window's scene as the server does, and paints."""

    def __init__(self, window: LiveWindow, process_events: Callable[[], None]) -> None:
        self.window = window
        self.process_events = process_events

    def __call__(
        self,
        pixels: Any = 1,
        *,
        name: str | None = None,
        step: tuple[int, str] | None = None,
        origin: str = "",
        paint: bool = True,
        modes: dict[str, str] | None = None,
        kind: Kind = "image",
        along: tuple[str, ...] = (),
        display: Display | None = None,
        replace: str = "",
        **components: Any,
    ) -> Placement:
        """Show a plane; a number stands for a plane of that value with one corner of 0."""
        array = plane(pixels) if isinstance(pixels, int) else np.asarray(pixels)
        source = Source(
            name=name,
            step_name=step[1] if step else None,
            step_index=step[0] if step else None,
            modes=modes or {},
            display=display or Display(),
            replace=replace,
        )
        placement = place(
            source,
            components,
            shape=array.shape,
            dtype=array.dtype,
            rgb=array.ndim == 3,
            defaults={"channel": Mode.SLICE},
            own_layer=OWN_LAYER,
            kind=kind,
            along=along,
            pads=True,
        )
        measured = kind == "image" and array.ndim == 2
        limits = limits_of(array, exact=True) if measured else None
        tile = None if spot_of(placement) is None else in_little(array, EDGE)
        self.window.scene.insert(placement, array, origin, limits, tile)
        if paint:
            self.paint()
        return placement

    def paint(self) -> None:
        """Draw, and let Qt do what follows."""
        self.window.paint()
        self.process_events()


@pytest.fixture
def show(window: LiveWindow, qt_application: Any) -> Show:
    """Show planes in the window."""
    return Show(window, qt_application.processEvents)


def plane(value: float, dtype: Any = np.uint16, shape: tuple[int, int] = (16, 24)) -> Any:
    """Return a plane of one value with a corner of 0, so that its value can be read back."""
    pixels = np.full(shape, value, dtype)
    pixels[0, 0] = 0
    return pixels


THIRD_PARTY = (
    # napari 0.9's and npe2's models use what pydantic 2 has deprecated, while they are imported.
    "ignore::DeprecationWarning:pydantic",
    "ignore::DeprecationWarning:npe2",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let napari's own imports warn of what is not ours."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for line in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(line))
