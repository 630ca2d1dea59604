"""What the tests of streams and viewers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coverslip.viewers import kinds
from tests.viewers.headless import HeadlessVisualizer


@pytest.fixture
def headless_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `connect` know the viewer without a window by its kind."""
    where = f"{HeadlessVisualizer.__module__}:{HeadlessVisualizer.__name__}"
    monkeypatch.setitem(kinds._OURS, HeadlessVisualizer.kind, where)


@pytest.fixture
def zarr_threads() -> Iterator[None]:
    """End the event loop and the pool that zarr keeps for the life of a process."""
    pytest.importorskip("zarr", reason="the extra zarr")
    pytest.importorskip("yaozarrs", reason="the extra zarr")
    yield
    from zarr.core.sync import cleanup_resources

    cleanup_resources()
