"""`RelayVisualizer`: a relay's process, seen from the pipeline."""

from __future__ import annotations

from coverslip.viewers.visualizer import StreamVisualizer

__all__ = ["RelayVisualizer"]


class RelayVisualizer(StreamVisualizer):
    """One relay in a process of its own; what is sent to it counts as shown once it is there.

    Parameters are `StreamVisualizer`'s.
    """

    kind = "relay"
    default_port = 5570
    module = "coverslip.viewers.relay"
    needs_display = False
