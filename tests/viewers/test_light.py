"""Importing the package costs a pipeline no GUI, no command line and no file reader."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Where it is not installed, nothing comes along anyway.
pytestmark = pytest.mark.extra

HEAVY = (
    *("napari", "vispy", "qtpy", "PyQt6", "superqt", "magicgui"),
    *("imagej", "scyjava", "jpype"),
    *("typer", "rich", "tifffile", "scipy", "dask", "distributed", "zarr"),
)


@pytest.mark.parametrize(
    "module",
    ["coverslip.viewers", "coverslip.viewers.napari", "coverslip.viewers.parsers"],
)
def test_nothing_heavy_comes_along(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert module in done.stdout.split()
    assert not set(HEAVY) & set(done.stdout.split())


def test_an_extra_that_is_not_installed_is_named() -> None:
    code = "import sys; sys.modules['distributed'] = None; import coverslip.viewers.dask"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "NotInstalled" in done.stderr
    assert "pip install 'coverslip-viewers[dask]'" in done.stderr
