"""The scene of fault 11: a stream and a viewer whose clock jumps, and every wait that they have."""

from __future__ import annotations

import json
import time

import msgspec

from coverslip.viewers import View
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case, picture, settled_at
from tests.faults.processes import frozen
from tests.viewers.headless import HeadlessVisualizer
from tests.waiting import eventually


def main() -> None:
    """Show with a viewer that keeps up, with a frozen one, and with that one back."""
    case, jumps, day = Case(), 0, time.time()
    viewer = HeadlessVisualizer(persistent=False)
    viewer.start_viewer(timeout=60)
    view = View(viewer, Stream([viewer], limit=LIMIT, budget=50 * picture(0).nbytes))
    for number in range(200):
        case.show(view, picture(number), z_index=number)
        jumps += abs(time.time() - day) > 3600
        day = time.time()
        time.sleep(0.005)  # a pipeline that computes: the clock jumps meanwhile
    view.flush(30)
    with frozen(viewer.connection.pid):
        for number in range(200):
            case.show(view, picture(number), z_index=number)
        started = time.monotonic()
        view.show(picture(0))
        view.flush(LIMIT)
        flush = time.monotonic() - started
    eventually(lambda: view.statistics().state == ("live",), "it is back")
    view.flush(30)
    counts = settled_at(viewer.endpoint, view.stream.id)
    delivery = view.close()
    viewer.stop_viewer()
    print(
        json.dumps(
            {
                "jumps": jumps,
                "longest": case.longest,
                "total": case.total,
                "flush": flush,
                "delivery": delivery,
                "counts": msgspec.structs.asdict(counts),
            }
        )
    )


if __name__ == "__main__":
    main()
