"""polystore 0.6.3 with zmqruntime 0.6.5: ``NapariStreamingBackend.save_batch`` to a viewer.

Mode: ``save_batch``, by its default transport. The receiver is zmqruntime's viewer server with a
REP socket, which is what the backend connects to; it copies each image by polystore's own function
and answers. It leaves out the acknowledgement of each image that follows on another socket, which
napari's server sends when it has drawn.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray
from polystore.napari_stream import NapariStreamingBackend
from polystore.streaming import StreamingSharedMemoryAuthority
from polystore.streaming.identity import FixedStreamProducerIdentityKind, StreamProducerIdentity
from polystore.streaming.viewer_transport import (
    IndexedViewerStreamSourceMetadata,
    ViewerDisplayConfigABC,
    ViewerFilenameParserABC,
    ViewerMetadataHandlerABC,
    ViewerMicroscopeHandlerABC,
    ViewerStreamProducer,
    ViewerStreamRequest,
    ViewerStreamSource,
    ViewerStreamSourceIdentity,
    ViewerTransportEndpoint,
)
from polystore.zmq_config import POLYSTORE_ZMQ_CONFIG
from zmqruntime.config import TransportMode
from zmqruntime.streaming.server import StreamingVisualizerServer
from zmqruntime.viewer_protocol import ViewerProtocolStatus

from benchmarks.peers import ends

_PATIENCE = 100
"""Milliseconds between two looks at whether it is over."""


class _Display(ViewerDisplayConfigABC):
    COMPONENT_ORDER = ("timepoint",)

    def component_modes(self) -> Mapping[Any, Any]:
        return {"timepoint": "stack"}

    def display_payload_extra(self) -> Mapping[Any, Any]:
        return {}


class _Names(ViewerFilenameParserABC, ViewerMetadataHandlerABC):
    """Knows nothing but what goes with each batch."""

    def parse_filename(self, filename: str) -> None:
        return None

    def get_component_values(self, plate_path: object, component_name: str) -> None:
        return None


class _Microscope(ViewerMicroscopeHandlerABC):
    parser = metadata_handler = _Names()


class Sender(ends.Sender):
    def open(self, address: str) -> None:
        self._backend = NapariStreamingBackend()
        self._viewer = ViewerTransportEndpoint("localhost", int(address), TransportMode.default())
        self._identity = ViewerStreamSourceIdentity(_Microscope(), "plate")
        kind = FixedStreamProducerIdentityKind.DIRECT
        self._producer = ViewerStreamProducer.from_identity(
            StreamProducerIdentity.fixed_output(kind, "image")
        )

    def send(self, planes: NDArray[np.uint16], first: int) -> None:
        numbers = range(first, first + len(planes))
        metadata = IndexedViewerStreamSourceMetadata([{"timepoint": n} for n in numbers])
        request = ViewerStreamRequest(
            viewer_transport=self._viewer,
            display_config=_Display(),
            source=ViewerStreamSource(self._identity, metadata),
            producer=self._producer,
        )
        paths = [f"plate/A01_{number}.tif" for number in numbers]
        self._backend.save_batch(list(planes), paths, stream_request=request)

    def close(self) -> None:
        self._backend.cleanup()


class _Viewer(StreamingVisualizerServer):
    _server_type = "napari"

    def handle_control_message(self, message: object) -> dict[str, Any]:
        return {}

    def display_image(self, image_data: object, metadata: object) -> None:
        raise NotImplementedError  # images are taken where their batch is received


class Receiver(ends.Receiver):
    def open(self) -> str:
        # An address of its transport is a file named for the port, and another's if that is there.
        port = random.Random(time.monotonic_ns()).randrange(20_000, 30_000)
        self._viewer = _Viewer(
            port, "napari", host="localhost", data_socket_type=zmq.REP, config=POLYSTORE_ZMQ_CONFIG
        )
        self._viewer.start()
        return str(port)

    def receive(self) -> None:
        data = self._viewer.data_socket
        while not self.done.is_set():
            if data.poll(_PATIENCE):
                images = data.recv_json()["images"]
                planes = [self._copy(image) for image in images]
                data.send_json({"status": ViewerProtocolStatus.SUCCESS.value})
                for plane in planes:
                    self.keep(plane)
        self._viewer.stop()

    def _copy(self, image: Mapping[str, Any]) -> NDArray[Any]:
        plane: NDArray[Any] = StreamingSharedMemoryAuthority.copy_sender_owned_array(
            name=image["shm_name"], shape=image["shape"], dtype=image["dtype"]
        )
        return plane


if __name__ == "__main__":
    ends.main(Sender, Receiver, sys.argv[1:])
