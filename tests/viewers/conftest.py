"""What the tests of streams and viewers share."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from zmq.utils.garbage import gc

from coverslip.transport import Endpoint
from coverslip.viewers import kinds
from tests.viewers.headless import HeadlessVisualizer

_APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(scope="session", autouse=True)
def pyzmq_collects() -> Iterator[None]:
    """Start pyzmq's own thread before any test: one a process, from the first frame not copied."""
    zmq.Frame(bytes(1 << 17), copy=False)
    yield
    gc.stop()


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


@pytest.fixture
def contained(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[Endpoint]:
    """A viewer in another pid namespace, as in a container: it cannot reach the arena."""
    if shutil.which("unshare") is None or subprocess.run([*_APART, "true"], check=False).returncode:
        pytest.skip("a pid namespace needs Linux, util-linux and root")
    port = str(free_port())
    viewer = subprocess.Popen(
        [*_APART, sys.executable, "-m", "tests.viewers.headless", "--say", "--port", port],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert viewer.stdout is not None
    yield Endpoint.from_url(viewer.stdout.readline().strip())
    viewer.kill()
    viewer.wait(20)
    viewer.stdout.close()
