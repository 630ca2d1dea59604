"""Workers on the viewer's machine and on another one: who gets pixels how, and who gets none.

Each machine is a network namespace, the viewer's a pid namespace besides.
"""

from __future__ import annotations

import json
import os
import sys

from tests.network.conftest import _readline as readline
from tests.network.conftest import link, namespaces
from tests.network.links import THERE, Link

__all__ = ["link", "namespaces"]

START = 90.0


def test_workers_elsewhere_stream_over_the_network(link: Link, tmp_path) -> None:
    folders = {name: tmp_path / name for name in ("user", "node")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    user, node = (os.environ | {"COVERSLIP_RUNTIME_DIR": str(one)} for one in folders.values())
    session = link.there(sys.executable, "-m", "tests.viewers.dask.session", THERE, env=user)
    scheduler = json.loads(readline(session, START))["scheduler"]
    link.here(sys.executable, "-m", "tests.viewers.dask.many", scheduler, "1", env=node)

    said = json.loads(readline(session, START))
    assert "1 worker cannot reach the headless viewer (tcp://10.77.0.1:" in said["OutOfReach"]
    assert "coverslip launch --viewer headless --bind ADDRESS" in said["OutOfReach"]
    assert "--bind" in said["ViewerGone"]

    said = json.loads(readline(session, START))
    assert said["delivery"] == [40, 40, 0, 0]
    assert said["right"]
    assert (said["near"], said["far"]) == (["shared_memory"], ["inline"])
    assert list(said["warned"]) == ["KeysInTheClear"]
    assert f"tcp://{THERE}" in said["warned"]["KeysInTheClear"]
    # The keys came with the plugin: the other machine has no file of the viewer's.
    assert list(folders["node"].iterdir()) == []
