"""A pipeline that launches a viewer: run by test_process, which then kills it.

Arguments: ``detached`` or ``child``. Prints ``<pid> <start time> <port>`` once the viewer is ready
and waits for its standard input to end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from coverslip.transport import launch, new_launch_id, new_log, wait_ready
from tests.waiting import DEADLINE

launch_id = new_launch_id()
launched = launch(
    [sys.executable, str(Path(__file__).parent / "echo_viewer.py"), launch_id],
    detached=sys.argv[1] == "detached",
    log=new_log("echo", launch_id),
)
connection = wait_ready(launched, launch_id, DEADLINE)
print(connection.pid, connection.start_time, connection.endpoint.port, flush=True)
sys.stdin.read()
