"""A user's session on the viewer's machine, with a cluster that reaches to another machine.

``python -m tests.viewers.dask.session HOST``: a viewer, a scheduler and one worker here. Says where
the scheduler is, waits for a worker from elsewhere, and says what came of it: JSON, a line each.
"""

from __future__ import annotations

import json
import sys
import warnings
import zlib

from distributed import Client, LocalCluster

from coverslip.viewers import View, ViewerGone
from coverslip.viewers.dask import ClusterStream, stream_to
from tests.viewers.dask import tasks
from tests.viewers.headless import HeadlessServer, HeadlessVisualizer, driving

DEADLINE = 60.0
PLANES = 20


def view_on(port: int) -> View:
    """Return the view of the viewer that runs here."""
    visualizer = HeadlessVisualizer(port=port)
    assert visualizer.find_viewer()
    return View(visualizer)


def warned(client: Client, view: View) -> tuple[ClusterStream, dict[str, str]]:
    """Return the streams, and what the user was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        streams = stream_to(client, view)
    return streams, {type(one.message).__name__: str(one.message) for one in caught}


def main(host: str) -> None:
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, host=host, dashboard_address="localhost:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        (near,) = client.nthreads()
        print(json.dumps({"scheduler": cluster.scheduler_address}), flush=True)
        client.wait_for_workers(2, timeout=DEADLINE)
        (far,) = set(client.nthreads()) - {near}
        with driving(HeadlessServer(port=5555)):
            view = view_on(5555)
            streams, said = warned(client, view)
            streams.close()
            cluster.scale(0)
            client.wait_for_workers(1)
            try:
                stream_to(client, view)
            except ViewerGone as error:
                said["ViewerGone"] = str(error)
            print(json.dumps(said), flush=True)
            view.close(0)
        cluster.scale(1)
        client.wait_for_workers(2, timeout=DEADLINE)
        (near,) = set(client.nthreads()) - {far}
        with driving(HeadlessServer(host="0.0.0.0", port=5557)):
            view = view_on(5557)
            streams, said = warned(client, view)
            for well, worker in (("N01", near), ("F01", far)):
                client.submit(tasks.show, well, PLANES, workers=[worker], pure=False).result(
                    DEADLINE
                )
            delivery = streams.flush(DEADLINE)
            found = streams.workers()
            held = {
                (plane.components["well"], plane.components["z_index"]): plane.crc32
                for layer in view.layers(checksums=True)
                for plane in layer.planes
            }
            told = {
                "warned": said,
                "delivery": delivery,
                "near": found[near].statistics.transfer,
                "far": found[far].statistics.transfer,
                "right": held
                == {
                    (well, number): zlib.crc32(tasks.picture(number).tobytes())
                    for well in ("N01", "F01")
                    for number in range(PLANES)
                },
            }
            streams.close()
            view.close(0)
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
