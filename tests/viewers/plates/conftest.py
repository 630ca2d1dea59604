"""OME-Zarr written here, and zarr's threads ended with each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def zarr_threads() -> Iterator[None]:
    """End the event loop and the pool that zarr keeps for the life of a process."""
    pytest.importorskip("zarr", reason="the extra zarr")
    pytest.importorskip("yaozarrs", reason="the extra zarr")
    yield
    from zarr.core.sync import cleanup_resources

    cleanup_resources()
