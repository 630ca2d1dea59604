"""A viewer that will not go: it fails at Shutdown and ignores SIGTERM."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

from coverslip.transport import Answer, Done, Request, Shutdown
from tests.transport.echo_viewer import EchoViewer


class StubbornViewer(EchoViewer):
    def handlers(self) -> Mapping[type[Request], Answer]:
        return {**super().handlers(), Shutdown: self._refuse}

    def _refuse(self, request: Shutdown) -> Done:
        raise RuntimeError("no")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    StubbornViewer(launch_id=sys.argv[1]).serve_forever()
