"""Fault 11: a clock that jumps moves no deadline."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeGuard

import pytest

from coverslip.transport import Counts, Delivery
from tests.conftest import ROOT
from tests.faults.case import LIMIT, SLACK, Case

HERE = Path(__file__).parent

TIME_OF_DAY = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "ctime"}


@pytest.fixture(scope="session")
def jumping_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that, preloaded, makes the time of day jump by two days ten times a second."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or no way to preload what it makes")
    library = tmp_path_factory.mktemp("clock") / "jumping_clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "jumping_clock.c", "-ldl"],
        check=True,
        timeout=60,
    )
    return library


@pytest.mark.fault("11", "a clock that jumps by two days, ten times a second", holds=(1, 2, 5))
def test_no_deadline_moves(jumping_clock: Path, runtime_folder: Path, case: Case) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.clockwork"],
        env={**os.environ, "LD_PRELOAD": str(jumping_clock)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    took = time.monotonic() - started
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["jumps"] > 3, "the clock did jump"
    case.longest, case.total = found["longest"], found["total"]
    case.check(Delivery(*found["delivery"]), Counts(**found["counts"]))
    assert found["delivery"][1] >= 200, "with a viewer that keeps up all are shown"
    case.check_held()
    # Each of these has a deadline of its own, which was neither over at once nor never.
    assert LIMIT <= found["flush"] < LIMIT + SLACK + 2
    assert took < 60


FILES_OWN_CLOCK = {"packages/viewers/src/coverslip/viewers/plates/incoming.py"}
"""Asks how long ago a file was written, which only the clock that wrote it tells; no deadline."""


def test_nobody_asks_for_the_time_of_day() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(ROOT.glob("packages/*/src/**/*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if _asks(node)
    ]
    asked = [line for line in asked if line.rpartition(":")[0] not in FILES_OWN_CLOCK]
    assert not asked, "deadlines and rates are time.monotonic()'s"


def _asks(node: ast.AST) -> TypeGuard[ast.Attribute | ast.ImportFrom]:
    """Whether a piece of code has to do with the time of day: by its name, or by importing it."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(name.name in TIME_OF_DAY for name in node.names)
    if not isinstance(node, ast.Attribute) or node.attr not in TIME_OF_DAY:
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name in ("time", "datetime", "date")
