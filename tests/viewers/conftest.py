"""What the tests of streams and viewers share."""

from __future__ import annotations

import pytest

from coverslip.viewers import kinds
from tests.viewers.headless import HeadlessVisualizer


@pytest.fixture
def headless_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `connect` know the viewer without a window by its kind."""
    where = f"{HeadlessVisualizer.__module__}:{HeadlessVisualizer.__name__}"
    monkeypatch.setitem(kinds._OURS, HeadlessVisualizer.kind, where)
