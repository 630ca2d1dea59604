"""Jobs of SLURM itself show in our viewer, by the words of docs/clusters.md."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docs.snippets import find_blocks

from tests.conftest import free_pair
from tests.system.slurm import OneNode, why_not
from tests.viewers.headless import HeadlessServer, driving
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 90.0
TASKS = 4

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

ENDLESS = """
from itertools import count
import numpy as np
from coverslip.viewers import current_stream
for number in count():
    current_stream().show(np.full((64, 64), number % 251, "u1"), z_index=number % 100)
"""


def words_of_the_page() -> tuple[str, str]:
    """Return the page's ``job.py``, and what its ssh has the cluster's shell do."""
    blocks = find_blocks(ROOT / "docs" / "clusters.md")
    (job,) = [block.code for block in blocks if block.saved_as == "job.py"]
    (line,) = [line for block in blocks for line in block.code.splitlines() if "sbatch" in line]
    program, host, *words = shlex.split(line)
    assert (program, host) == ("ssh", "cluster")
    # As ssh does: joined by spaces, and read once more, there.
    return job, " ".join(words)


@pytest.fixture(scope="module")
def slurm() -> Iterator[OneNode]:
    # A path of munge's socket has 107 characters at most.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as name,
        OneNode(Path(name), free_pair) as node,
    ):
        yield node


@pytest.fixture
def server(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessServer]:
    with driving(HeadlessServer(port=free_port())) as running:
        yield running


@pytest.fixture
def home(server: HeadlessServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cluster's home folder, with the viewer's line, and our Python on its path."""
    folder = tmp_path / "home"
    folder.mkdir()
    line = folder / "viewer.line"
    line.touch(0o600)
    line.write_text(server.connection.endpoint.to_url())
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(folder)
    return folder


def sums(server: HeadlessServer) -> list[tuple[int, int, int, int]]:
    """Return of each stream what it sent, and what was shown of it, dropped, failed."""
    counts = [ledger.counts() for ledger in server.ledgers.values()]
    return [(one.next - one.first, one.shown, one.dropped, one.failed) for one in counts]


def test_an_array_of_jobs_shows_by_the_words_of_the_page(
    slurm: OneNode, server: HeadlessServer, home: Path
) -> None:
    job, words = words_of_the_page()
    (home / "job.py").write_text(job)
    fewer, changed = re.subn(r"--array=1-\d+", f"--array=1-{TASKS}", words)
    assert changed == 1
    slurm.command("sh", "-c", fewer)
    eventually(lambda: not slurm.jobs, "all have ended", DEADLINE)
    said = sorted(path.read_text() for path in home.glob("slurm-*.out"))
    assert said == ["Delivery(sent=5, shown=5, dropped=0, failed=0) {}\n"] * TASKS
    assert sums(server) == [(5, 5, 0, 0)] * TASKS
    (layer,) = server.projection
    held = [dict(zip(layer.key.axes, key, strict=True)) for key, _ in layer.store.snapshot()]
    assert sorted((one["well"], one["z_index"]) for one in held) == [
        (f"A{task:02}", z) for task in range(1, TASKS + 1) for z in range(5)
    ]


def test_jobs_that_are_cancelled_in_mid_stream_are_counted(
    slurm: OneNode, server: HeadlessServer, home: Path
) -> None:
    (home / "endless.py").write_text(ENDLESS)
    options = ("--export=ALL,COVERSLIP_CONNECTION=viewer.line", "--wrap", "python endless.py")
    job = slurm.command("sbatch", "--parsable", "--array=1-2", *options).strip()
    eventually(
        lambda: len(found := sums(server)) == 2 and min(found)[1] > 100, "both show", DEADLINE
    )
    slurm.command("scancel", job)
    eventually(lambda: not slurm.jobs, "both have ended", DEADLINE)
    eventually(lambda: all(sent == sum(rest) for sent, *rest in sums(server)), "all is settled")
    assert [failed for *_, failed in sums(server)] == [0, 0]
