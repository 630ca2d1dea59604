"""What the tests of streams and viewers share."""

from __future__ import annotations

import importlib

import pytest

from tests.viewers.headless import HeadlessVisualizer


@pytest.fixture
def headless_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `connect` know the viewer without a window by its kind."""
    # By name: the package has a function of the module's name.
    kinds = importlib.import_module("coverslip.viewers.connect")._KINDS
    where = f"{HeadlessVisualizer.__module__}:{HeadlessVisualizer.__name__}"
    monkeypatch.setitem(kinds, HeadlessVisualizer.kind, where)
