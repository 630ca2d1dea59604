"""A process that takes planes from many pipelines and passes them on to viewers that come and go.

It has no window and looks into no pixel: it is made of the transport and of the payload's headers.
"""

from coverslip.viewers.relay.visualizer import RelayVisualizer

__all__ = ["RelayVisualizer"]
