"""A viewer of coverslip streams: matplotlib draws a picture a channel, a slider leafs through."""

import argparse
import io
import signal
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import msgspec
import numpy as np

from coverslip import payload, transport


class MatplotlibViewer(transport.ZMQServer):
    kind = "matplotlib"
    default_port = 5560

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # From the server's thread to the one that draws: planes, and who wants a picture.
        self.arrived, self.wanted = SimpleQueue[Any](), SimpleQueue[Future[Any]]()
        self._readers: dict[str, payload.ArenaReader] = {}

    def handlers(self) -> dict[Any, Any]:
        return {**super().handlers(), transport.Screenshot: self._screenshot}

    def _screenshot(self, _: transport.Screenshot) -> Future[Any]:
        self.wanted.put(answer := Future[Any]())
        return answer

    def attach(self, request: transport.Attach) -> transport.Attached:
        attached = super().attach(request)
        try:
            offer = payload.decode_offer(request.offer)
            self._readers[request.stream] = payload.ArenaReader.open(offer)
        except payload.PayloadError as error:  # another machine, say: pixels come with the message
            return msgspec.structs.replace(attached, reason=str(error))
        return msgspec.structs.replace(attached, transfer="shared_memory", reason="")

    def detach(self, request: transport.Detach) -> None:
        self._readers.pop(request.stream, None)

    def handle_data(self, frames: list[memoryview]) -> None:
        try:
            batch = payload.decode(frames)
        except payload.InvalidMessage as error:
            raise transport.Refused(str(error)) from None
        ledger = self.ledger(batch.stream)
        if not ledger.receive(batch.epoch, batch.sequence, len(batch.planes)):
            return
        for number, plane in enumerate(batch.planes, start=batch.sequence):
            try:
                if plane.kind != "image":
                    raise payload.InvalidMessage(f"a matplotlib viewer shows no {plane.kind}")
                if isinstance(plane.pixels, payload.Slot):
                    pixels = self._readers[batch.stream].copy(plane)
                else:
                    pixels = np.frombuffer(payload.pixels_of(plane, frames), plane.dtype)
                self.arrived.put((plane, pixels.reshape(plane.shape), ledger, number))
            except (payload.PayloadError, KeyError) as error:
                ledger.failed(number, str(error))


def show(server: MatplotlibViewer) -> None:
    from matplotlib import pyplot as plt
    from matplotlib.widgets import Slider

    figure = plt.figure(server.title or "coverslip", figsize=(9, 5))
    slider = Slider(figure.add_axes((0.15, 0.03, 0.7, 0.04)), "plane", 0, 1, valinit=0, valstep=1)
    channels: dict[Any, list[Any]] = {}

    def draw(number: float) -> None:
        for axes in figure.axes[1:]:
            axes.remove()
        for place, planes in enumerate(channels.values(), start=1):
            plane, pixels = planes[min(int(number), len(planes) - 1)]
            axes = figure.add_subplot(1, len(channels), place)
            axes.imshow(pixels, "gray", clim=np.nanpercentile(pixels.astype(float), (0.5, 99.8)))
            title = (f"{name} {value!s:.24}" for name, value in plane.components.items())
            axes.set_title("\n".join(title), fontsize="small")
            axes.set_axis_off()
        figure.canvas.draw_idle()

    def look() -> None:
        came = [server.arrived.get() for _ in range(server.arrived.qsize())]
        for plane, pixels, ledger, number in came:
            channels.setdefault(plane.components.get("channel"), []).append((plane, pixels))
            ledger.shown(number)
        if came:
            slider.valmax = max(1, *(len(planes) - 1 for planes in channels.values()))
            slider.ax.set_xlim(0, slider.valmax)
            slider.set_val(slider.valmax)
        for _ in range(server.wanted.qsize()):
            figure.savefig(picture := io.BytesIO(), format="png")
            server.wanted.get().set_result(transport.Picture(png=picture.getvalue()))
        if server.stopped.is_set():
            plt.close(figure)

    slider.on_changed(draw)
    timer = figure.canvas.new_timer(interval=50)
    timer.add_callback(look)
    timer.start()
    server.set_state("ready")
    plt.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m coverslip_matplotlib")
    parser.add_argument("--port", type=int)
    for option in ("--title", "--launch-id", "--log"):
        parser.add_argument(option, default="")
    with MatplotlibViewer(**vars(parser.parse_args()), starting=True) as server:
        if parent := transport.launching_parent():
            transport.die_with_parent(parent, server.request_stop)
        signal.signal(signal.SIGTERM, lambda *_: server.request_stop())
        server.start()
        show(server)
