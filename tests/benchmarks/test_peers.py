"""The comparison with others: that it notices what it must, and that the page is made from it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.peers import page
from benchmarks.peers.found import read, usual
from benchmarks.peers.pair import SHARED_MEMORY, Peer, Run, kill, measure, why_not
from benchmarks.peers.planes import WARM, Case, Ledger, make

SMALL = Case(edge=64, planes=12, batch=4)


def peer(mode: str, module: str = "benchmarks.peers.with_ours", *, apart: bool = False) -> Peer:
    found = Peer(mode, module, mode, sys.executable, apart)
    reason = why_not(found)
    if reason:
        pytest.skip(reason)
    return found


def run(**changes: float) -> Run:
    usual = {"rate": 100.0, "held": 1e-3, "longest": 2e-3, "cpu": 2e-3, "added": 1e8}
    return Run(**{**usual, "lost": 0, "wrong": 0, "left": 0, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["shared", "inline"])
def test_ours_sends_all_planes(mode: str) -> None:
    found = measure(peer(mode, apart=mode == "inline"), SMALL)
    assert (found.lost, found.wrong, found.left) == (0, 0, 0)
    assert found.rate > 0
    assert 0 < found.held <= found.longest
    assert found.cpu > 0


@pytest.mark.parametrize(
    ("mode", "lost", "wrong", "left"),
    [("lost", 1, 0, 0), ("twice", 0, 1, 0), ("damaged", 1, 1, 0), ("left", 0, 0, 1000)],
)
def test_a_peer_that_is_careless_is_found_out(mode: str, lost: int, wrong: int, left: int) -> None:
    try:
        found = measure(peer(mode, "tests.benchmarks.careless"), SMALL)
    finally:
        for path in SHARED_MEMORY.glob("careless-*"):
            path.unlink()
    assert (found.lost, found.wrong, found.left) == (lost, wrong, left)


def test_ours_leaves_nothing_when_both_ends_are_killed() -> None:
    assert kill(peer("shared"), SMALL) == 0


def test_every_plane_is_known_by_its_pixels() -> None:
    case = Case(edge=100, planes=5, batch=1)
    planes = make(case)
    ledger = Ledger(case)
    for plane in planes[::-1]:
        ledger.enter(plane)
    assert (ledger.seen, ledger.warm, ledger.wrong) == (set(range(5)), WARM, 0)
    ledger.enter(np.zeros((100, 100), np.uint16))
    ledger.enter(planes[2][:50])
    assert ledger.wrong == 2


def test_what_must_not_be_is_shown_at_its_worst() -> None:
    found = usual([run(), run(rate=90.0, lost=3), run(rate=50.0, left=7)])
    assert (found.rate, found.lost, found.left) == (90.0, 3, 7)


def test_the_page_is_made_from_the_results(tmp_path: Path) -> None:
    found = read()
    before, _, rest = page.PAGE.read_text(encoding="utf-8").partition(page.BEGIN)
    written = tmp_path / "page.md"
    written.write_text(f"{before}{page.BEGIN}{rest}", encoding="utf-8")
    page.write(found, written, tmp_path)
    assert written.read_text(encoding="utf-8") == page.PAGE.read_text(encoding="utf-8")
    for name, picture in page.pictures(found).items():
        assert (page.IMAGES / name).read_text(encoding="utf-8") == picture


def test_the_page_says_where_a_peer_is_better() -> None:
    found = read()
    for case in found.cases:
        ours = case.of("ours")
        for one in case.peers:
            if not one.name.startswith("ours") and one.run.rate > 1.2 * ours.rate:
                line = f"{case.case}: more planes a second with "
                assert any(
                    one.name in part.partition("\n")[0]
                    for part in page.section(found).split(line)[1:]
                )
