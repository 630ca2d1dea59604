"""How a lane stands with its viewer.

States::

    WAITING ──> CONNECTING ──> LIVE          planes are taken: queued, then sent
       │             │          │
       └─────────────┴──────────┴─> ABSENT   planes are dropped at once, and counted
                                      │
                                      └─> LIVE again when the viewer is back
"""

from __future__ import annotations

import enum

__all__ = ["LaneState"]


class LaneState(enum.Enum):
    """What a lane does with a plane."""

    WAITING = "waiting for the viewer"
    CONNECTING = "connecting"
    LIVE = "live"
    ABSENT = "absent"
