"""What is ours in a napari that goes on is let go of, with all that it held."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coverslip.transport import list_connections
from tests.waiting import eventually

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui

DEADLINE = 120


def is_gone(thing: weakref.ref[Any]) -> bool:
    from qtpy.QtCore import QCoreApplication, QEvent

    # What Qt deletes later, it deletes when its loop runs: that of a test's own does not.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()
    gc.collect()
    return thing() is None


def test_a_viewer_has_its_keys_back_and_the_scene_is_gone(window: LiveWindow) -> None:
    from coverslip.viewers.napari.window import LiveView

    before = dict(window.viewer.keymap)
    assert len(before) == 3, "the window's own scene has these"
    another = LiveView(window.viewer)
    assert set(window.viewer.keymap) == set(before)
    assert window.viewer.keymap != before
    scene = weakref.ref(another.scene)
    another.close()
    another.close()
    assert window.viewer.keymap == before
    del another
    eventually(lambda: is_gone(scene), "what was drawn in is gone")


def test_a_closed_napari_that_has_listened_holds_no_planes(
    qt_application: Any, runtime_folder: Path
) -> None:
    import napari

    from coverslip.viewers.napari.insides import main_window
    from coverslip.viewers.napari.listening import Listening

    viewer = napari.Viewer(title="mine", show_welcome_screen=False)
    listening = Listening.of(viewer)
    for _ in range(2):
        listening.start()
        (connection,) = list_connections()
        assert connection.guest
        listening.stop()
        assert list_connections() == []
    listening.start()
    assert Listening.of(viewer) is listening
    scene = weakref.ref(listening.live.scene)
    main_window(viewer).close()
    del listening, viewer
    eventually(lambda: is_gone(scene), "all that was listened for is gone")
    assert list_connections() == []


AT_A_CONSOLE = """
import napari
from coverslip.viewers.napari.listening import Listening

viewer = napari.Viewer(title="mine", show_welcome_screen=False)
Listening.of(viewer).start()
if {closed}:
    viewer.close()
"""


@pytest.mark.parametrize("closed", [True, False])
def test_a_console_that_ends_without_qts_loop_ends_well(
    display: str, napari_settings: Path, runtime_folder: Path, closed: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_A_CONSOLE.format(closed=closed)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list_connections() == []
