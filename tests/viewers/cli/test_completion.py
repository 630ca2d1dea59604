"""The shell completes the program's commands."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_shell_is_told_how_a_command_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coverslip.viewers"],
        env=os.environ
        | {
            "_COVERSLIP_COMPLETE": "complete_bash",
            "COMP_WORDS": "coverslip pa",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["parse"]
