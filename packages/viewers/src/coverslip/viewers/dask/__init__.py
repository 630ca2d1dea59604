"""Every worker of a Dask cluster streams to the user's viewer (extra ``dask``).

::

    from coverslip.viewers import connect
    from coverslip.viewers.dask import current_stream, stream_to

    streams = stream_to(client, connect("napari"))


    def segment(well):
        current_stream().show(image, well=well)


    streams.progress(client.map(segment, wells))

`stream_to` registers a plugin, which gives each worker a stream of its own, those too that are
restarted or come later, until the client is closed. Importing this package imports distributed.
"""

from __future__ import annotations

from coverslip.viewers.errors import NotInstalled

try:
    import distributed  # noqa: F401 (what it says when it is missing is the point)
except ImportError as error:
    raise NotInstalled(
        "coverslip.viewers.dask needs distributed: pip install 'coverslip-viewers[dask]'"
    ) from error

from coverslip.viewers.dask.cautions import KeysInTheClear, OutOfReach
from coverslip.viewers.dask.cluster import ClusterStream, stream_to
from coverslip.viewers.dask.plugin import WorkerStream
from coverslip.viewers.dask.progress import Progress
from coverslip.viewers.given import current_stream

__all__ = [
    "ClusterStream",
    "KeysInTheClear",
    "OutOfReach",
    "Progress",
    "WorkerStream",
    "current_stream",
    "stream_to",
]
