"""``coverslip demo``: start napari, run the demo's pipeline into it, say what became of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from coverslip import viewers
from coverslip.transport import Delivery
from coverslip.viewers import demo
from coverslip.viewers.cli import report
from coverslip.viewers.cli.xvfb import VirtualDisplay
from coverslip.viewers.display import find_display, require_display

__all__ = ["run_demo"]

WITHOUT_DISPLAY = Path("coverslip-demo.png")


def run_demo(screenshot: Path | None, *, close: bool, rate: float) -> bool:
    """Run the demo and return whether every plane was shown.

    Without a display it runs on one of its own, where it can only be looked at
    through its screenshot, and closes.
    """
    # What is missing is told before a window opens.
    next(demo.plate())
    with ExitStack() as stack:
        found, reason = find_display()
        if found is None:
            if not VirtualDisplay.available():
                require_display()
            screenshot = screenshot or WITHOUT_DISPLAY
            close = True
            report.note(f"{reason}: the demo runs on a virtual display (Xvfb)")
            stack.enter_context(VirtualDisplay())
        report.note("starting napari …")
        view = viewers.connect("napari", title="coverslip demo", persistent=not close)
        stack.callback(view.stop if close else view.close)
        delivery, reasons = _watch(view.visualizer.port or 0, rate)
        if screenshot is not None:
            view.screenshot(screenshot)
            report.note(f"screenshot: {screenshot.resolve()}")
        report.show_delivery(delivery, reasons)
        if not close:
            report.note(
                f"The window stays open: scrub the sliders, toggle layers. "
                f"`coverslip stop {view.visualizer.port}` or closing it ends it."
            )
    return delivery.shown == delivery.sent


def _watch(port: int, rate: float) -> tuple[Delivery, dict[str, int]]:
    """Draw a bar of the pipeline's progress; return its final counts and reasons."""
    delivery, reasons = Delivery(0, 0, 0, 0), {}
    with report.bar(demo.count()) as progress:
        (task,) = progress.task_ids
        for step in demo.run_pipeline(port, rate):
            description = "waiting for napari" if step.sent == demo.count() else "planes"
            progress.update(task, completed=step.sent, description=description)
            if step.delivery is not None:
                delivery, reasons = step.delivery, step.reasons
    return delivery, reasons
