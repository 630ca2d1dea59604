"""A napari viewer whose window a signal closes, as a click on its cross does."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from coverslip.viewers import NapariStreamVisualizer
from coverslip.viewers.napari.__main__ import main


class ClosableVisualizer(NapariStreamVisualizer):
    """Starts a napari that closes its window at SIGUSR1."""

    module = "tests.faults.closable"


def close_windows(number: int, frame: FrameType | None) -> None:
    """Close the window; Qt does no more for a click on its cross."""
    from qtpy.QtWidgets import QApplication

    QApplication.closeAllWindows()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, close_windows)
    sys.exit(main())
