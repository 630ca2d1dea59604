"""The notebook of the docs, run in a kernel of its own, with a real napari."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.gui

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
PATIENCE = 150


@pytest.fixture
def notebook() -> Any:
    """The notebook as it lies in the repository."""
    return pytest.importorskip("nbformat", reason="hatch's default environment").read(NOTEBOOK, 4)


def test_it_is_kept_without_outputs(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_it_runs_and_shows_what_it_says(
    notebook: Any,
    display: str,
    runtime_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client = NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3")
    asyncio.run(client.async_execute())  # its `execute` leaves an event loop open
    shown = [
        output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    delivery, card, picture = shown
    assert delivery["text/plain"] == "Delivery(sent=32, shown=32, dropped=0, failed=0)"
    assert "<b>32</b> shown" in card["text/html"]
    assert "data:image/png;base64," in card["text/html"]
    assert picture["image/png"].startswith("iVBOR")
