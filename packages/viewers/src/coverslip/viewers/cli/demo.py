"""``coverslip demo``: start a viewer, run the demo's pipeline into it, say what became of it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from coverslip.transport import Delivery
from coverslip.viewers import demo
from coverslip.viewers.cli import report
from coverslip.viewers.cli.window import (
    check_target,
    open_window,
    say_how_long_it_stays,
    take_picture,
)
from coverslip.viewers.cli.xvfb import VirtualDisplay
from coverslip.viewers.config import StreamingConfig
from coverslip.viewers.display import find_display, require_display

__all__ = ["run_demo"]

TITLE = "coverslip demo"


def run_demo(
    screenshot: Path | None,
    *,
    viewer: str = "napari",
    close: bool,
    rate: float,
    as_json: bool = False,
) -> bool:
    """Run the demo and return whether every plane was shown.

    Without a display it runs on one of its own, where it can only be looked at
    through its screenshot, and closes.
    """
    check_target(screenshot)
    demo.read_specimens()  # what is missing is told before a window opens
    title = TITLE
    with ExitStack() as stack:
        found, reason = find_display()
        if found is None:
            if not VirtualDisplay.available():
                require_display()
            report.note(f"{reason}: the demo runs on a virtual display (Xvfb)")
            stack.enter_context(VirtualDisplay())
            if screenshot is None:
                check_target(screenshot := _picture(viewer))
            close = True
            # A viewer of another display may bear the plain title, and is not to be closed.
            title = f"{TITLE} {os.getpid()}"
        # What is to be closed is a window of its own, whatever port the user has configured.
        own = StreamingConfig() if close else None
        view = open_window(viewer, title=title, persistent=not close, config=own)
        try:
            delivery, reasons = _watch(viewer, view.visualizer.port or 0, rate, as_json)
            taken = take_picture(view, screenshot)
        except KeyboardInterrupt:
            close = True
            report.note("interrupted: closing the demo's window …")
            raise
        finally:
            stack.callback(view.stop if close else view.close)
        if as_json:
            report.print_json(
                delivery._asdict()
                | {
                    "port": view.visualizer.port,
                    "reasons": reasons,
                    "screenshot": str(screenshot) if screenshot and taken else None,
                    "stays_open": not close,
                }
            )
        else:
            report.show_delivery(delivery, reasons)
        if not close:
            say_how_long_it_stays(
                view,
                ": scrub the sliders, switch channels on and off. "
                f"`coverslip stop {view.visualizer.port}` or closing it ends it.",
            )
    return delivery.shown == delivery.sent and taken


def _picture(viewer: str) -> Path:
    """Return where the picture of a demo that nobody sees goes."""
    return Path("coverslip-demo.png" if viewer == "napari" else f"coverslip-demo-{viewer}.png")


def _watch(viewer: str, port: int, rate: float, quiet: bool) -> tuple[Delivery, dict[str, int]]:
    """Draw a bar of the pipeline's progress; return its final counts and reasons."""
    delivery, reasons = Delivery(0, 0, 0, 0), {}
    with report.bar(demo.count(), quiet) as progress:
        (task,) = progress.task_ids
        for step in demo.run_pipeline(port, rate, viewer):
            description = f"waiting for {viewer}" if step.sent == demo.count() else "planes"
            progress.update(task, completed=step.sent, description=description)
            if step.delivery is not None:
                delivery, reasons = step.delivery, step.reasons
    return delivery, reasons
