"""Errors as one line: no numbers, no breaks, and a viewer's own words out of its log."""

from __future__ import annotations

import errno
import os

import pytest

from coverslip.transport import LaunchError, NoServer
from coverslip.viewers.cli.words import in_one_line

HEAD = "pid 7 ended with exit status 1 before it was ready; the end of /run/napari-1.log:\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoServer("nobody is there"), "nobody is there"),
        (NoServer("two\n  lines"), "two lines"),
        (NoServer(), "NoServer"),
        (FileNotFoundError("x.tif does not exist"), "x.tif does not exist"),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "plate"),
            "plate: Permission denied",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (
            LaunchError(f"{HEAD}INFO it binds\ncoverslip napari viewer: port 5 is taken by\na.out"),
            "the viewer did not start: port 5 is taken by a.out",
        ),
        (
            LaunchError(f"{HEAD}INFO it binds\nSegmentation fault"),
            f"the viewer did not start: {HEAD.strip()} Segmentation fault",
        ),
    ],
)
def test_in_one_line(error: Exception, words: str) -> None:
    assert in_one_line(error) == words
