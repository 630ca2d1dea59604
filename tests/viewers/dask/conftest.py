"""A cluster of processes, and a viewer in one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import pytest
from distributed import Client, LocalCluster

from coverslip.viewers import View
from coverslip.viewers.dask import ClusterStream, stream_to
from tests.conftest import free_pair
from tests.viewers.headless import HeadlessVisualizer


@pytest.fixture(scope="package")
def viewer(session_runtime_folder) -> Iterator[HeadlessVisualizer]:
    made = HeadlessVisualizer(port=free_pair(), persistent=False)
    made.start_viewer()
    yield made
    made.stop_viewer()


@pytest.fixture(scope="package")
def cluster(viewer, tmp_path_factory) -> Iterator[LocalCluster]:
    """Two workers of two threads each, which find no connection file."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    # Dask's own default lets no task start processes.
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            dashboard_address="localhost:0",
            local_directory=str(nowhere),
            env={"COVERSLIP_RUNTIME_DIR": str(nowhere)},
        ) as made,
    ):
        yield made


@pytest.fixture(scope="package")
def client(cluster) -> Iterator[Client]:
    with Client(cluster) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


@pytest.fixture
def view(viewer) -> Iterator[View]:
    made = View(viewer, modes={"well": "slice"})
    yield made
    made.clear()
    made.close(0)


@pytest.fixture
def streams(client, view) -> Iterator[ClusterStream]:
    with stream_to(client, view) as made:
        yield made
