"""What the doctor says of Qt and OpenGL: asked in a process of its own, which Qt may abort.

``python -m coverslip.viewers.napari.health`` is that process: it makes a window that is never
shown, and prints what its OpenGL says of itself.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from coverslip.viewers.display import find_display
from coverslip.viewers.doctor.finding import Finding, State

__all__ = ["check_opengl", "check_qt"]

_REMEDY: Final = 'pip install "coverslip-viewers[napari]"'
_PATIENCE = 60.0
_SMALL = 4096
"""Pixels: napari shows a plane that is wider than a texture at a lower resolution."""

_BY_PROCESSOR: Final = ("llvmpipe", "softpipe", "swiftshader", "swrast", "gdi generic")
"""What OpenGL calls itself where no graphics card draws."""


def check_qt() -> Iterator[Finding]:
    """Look for napari and a Qt, without loading either."""
    if importlib.util.find_spec("napari") is None:
        yield Finding("Qt", State.WARN, "napari is not installed", _REMEDY)
        return
    bindings = [name for name in ("PyQt6", "PySide6", "PyQt5") if importlib.util.find_spec(name)]
    if not bindings:
        yield Finding("Qt", State.FAIL, "napari is there, and no Qt", _REMEDY)
        return
    words = ", ".join(f"{name} {version(name)}" for name in bindings)
    if len(bindings) > 1:
        yield Finding(
            "Qt",
            State.WARN,
            f"several: {words}",
            "keep one: two of them in one process crash it; QT_API names the one to take",
        )
    else:
        yield Finding("Qt", State.OK, f"{words}, napari {version('napari')}")


def check_opengl() -> Iterator[Finding]:
    """Ask the OpenGL that napari would draw with."""
    if importlib.util.find_spec("napari") is None:
        yield Finding("OpenGL", State.WARN, "not looked at: napari is not installed", _REMEDY)
        return
    display, reason = find_display()
    if display is None:
        yield Finding("OpenGL", State.WARN, f"not looked at: {reason}", "see display")
        return
    try:
        said = subprocess.run(
            [sys.executable, "-m", "coverslip.viewers.napari.health"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding("OpenGL", State.FAIL, f"no answer within {_PATIENCE:.0f} s", _ADVICE)
        return
    if said.returncode != 0:
        last = (said.stderr.strip().splitlines() or [f"ended with status {said.returncode}"])[-1]
        yield Finding("OpenGL", State.FAIL, last, _ADVICE)
        return
    yield _judge(json.loads(said.stdout.splitlines()[-1]))


_ADVICE: Final = (
    "install the graphics driver, or Mesa's software one (Debian, Ubuntu: apt-get install libgl1 "
    "libegl1 libopengl0 libxcb-cursor0); LIBGL_ALWAYS_SOFTWARE=1 goes past a broken driver"
)


def _judge(told: dict[str, Any]) -> Finding:
    renderer, texture = str(told["renderer"]), int(told["texture"])
    what = f"OpenGL {told['version']}, {renderer}, textures up to {texture} pixels"
    if any(name in renderer.casefold() for name in _BY_PROCESSOR):
        return Finding(
            "OpenGL",
            State.WARN,
            f"{what}: drawn by the processor",
            "nothing, if this machine has no graphics card; else install its driver",
        )
    if texture < _SMALL:
        return Finding("OpenGL", State.WARN, what, "larger planes are shown at a lower resolution")
    return Finding("OpenGL", State.OK, what)


def _tell() -> None:
    """Print what OpenGL says of itself, as JSON."""
    from qtpy.QtWidgets import QApplication
    from vispy.app import Canvas, use_app
    from vispy.gloo import gl

    application = QApplication.instance() or QApplication([])
    use_app(application.__class__.__module__.partition(".")[0].lower())
    canvas = Canvas(show=False)
    canvas.set_current()
    told = {
        "version": gl.glGetParameter(gl.GL_VERSION),
        "renderer": gl.glGetParameter(gl.GL_RENDERER),
        "texture": gl.glGetParameter(gl.GL_MAX_TEXTURE_SIZE),
    }
    canvas.close()
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    _tell()
