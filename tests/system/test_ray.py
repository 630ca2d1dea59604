"""The example for Ray, run by Ray itself, in an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.snippets import find_blocks

from tests.commands import run
from tests.viewers.headless import HeadlessServer, driving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "ray_pipeline.py"
DEADLINE = 120

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the test ends Ray by its process group")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has Ray and ours."""
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    packages = [ROOT / "packages" / name for name in ("transport", "payload", "viewers")]
    run("uv", "venv", "--quiet", "--python", sys.executable, venv)
    run("uv", "pip", "install", "--quiet", "--python", python, "ray", *packages)
    return python


@pytest.fixture
def session() -> Iterator[str]:
    """A folder for Ray's sockets: a path of theirs has 107 characters at most."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as name:
        yield name


@pytest.fixture
def server(runtime_folder, free_port) -> Iterator[HeadlessServer]:
    with driving(HeadlessServer(port=free_port())) as running:
        yield running


def test_the_page_quotes_the_example() -> None:
    blocks = find_blocks(ROOT / "docs" / "clusters.md")
    (quoted,) = [block.code for block in blocks if "@ray.remote" in block.code]
    assert quoted in EXAMPLE.read_text(encoding="utf-8")


@pytest.mark.timeout(600)
def test_tasks_of_ray_show_in_our_viewer(
    python: Path, server, session: str, tmp_path: Path
) -> None:
    line = tmp_path / "viewer.line"
    line.touch(0o600)
    line.write_text(server.connection.endpoint.to_url())
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir(mode=0o700)
    process = subprocess.Popen(
        [python, EXAMPLE, line],
        env=os.environ
        | {
            "COVERSLIP_RUNTIME_DIR": str(nowhere),
            "HOME": str(tmp_path),  # where it keeps a token
            "RAY_TMPDIR": session,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning about a default to come
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, said = process.communicate(timeout=DEADLINE)
    finally:
        # What Ray leaves behind when it is cut off, and its raylets that take their time.
        end(process.pid)
    assert process.returncode == 0, said
    assert "4 of 4 wells shown" in out
    (layer,) = server.projection
    held = sorted(
        dict(zip(layer.key.axes, key, strict=True)).items() for key, _ in layer.store.snapshot()
    )
    assert len(held) == 20


def end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
