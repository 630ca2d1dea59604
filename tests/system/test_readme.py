"""The README's examples, as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coverslip.viewers import NapariStreamVisualizer

README = Path(__file__).resolve().parents[2] / "README.md"
DEADLINE = 150


@pytest.mark.gui
def test_the_readmes_python_runs_as_it_stands(
    display: str, runtime_folder: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    first, second = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    promised = re.search(r"# (Delivery\(.*\))", first)
    assert promised is not None
    script = tmp_path / "readme.py"
    script.write_text(f"{first}\n{second}\nprint([layer.name for layer in view.layers()])\n")
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", script],
            env=os.environ | {"DISPLAY": display},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        told, layers = done.stdout.splitlines()
        assert told == promised[1]
        assert "Channel_DAPI" in layers
    finally:
        # It started a viewer that outlives it, as it should.
        visualizer = NapariStreamVisualizer()
        if visualizer.find_viewer():
            visualizer.stop_viewer()
