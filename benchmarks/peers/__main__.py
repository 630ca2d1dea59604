"""``hatch run bench:peers``: ours beside others on the same planes, and the page made from it."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys

from rich.console import Console

from benchmarks.peers import page, pair
from benchmarks.peers.found import CaseFound, Found, PeerFound, read, usual, write
from benchmarks.peers.pair import Peer
from benchmarks.peers.planes import Case

console = Console(width=120)

CASES = (
    Case(edge=2048, planes=64, batch=8),
    Case(edge=2048, planes=64, batch=1),
    Case(edge=256, planes=1000, batch=1),
)
QUICK = (Case(edge=1024, planes=16, batch=8), Case(edge=256, planes=32, batch=1))

ENVIRONMENTS = ("imagezmq", "rerun", "polystore")
"""Peers that have an environment of their own, ``bench-<peer>`` of ``hatch.toml``."""

_VERSIONS = """
import importlib.metadata as m, sys
print(*(f"{name} {m.version(name)}" for name in sys.argv[1:]), sep=", ")
"""
_DISTRIBUTIONS = {
    "imagezmq": ("imagezmq", "pyzmq"),
    "rerun": ("rerun-sdk",),
    "polystore": ("polystore", "zmqruntime"),
}


def main(arguments: list[str]) -> int:
    """Run all peers on all cases, or only make the page anew."""
    parser = argparse.ArgumentParser(prog="hatch run bench:peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    parser.add_argument("--quick", action="store_true", help="a few small planes; writes nothing")
    parser.add_argument("--page", action="store_true", help="the page alone, from the last results")
    parser.add_argument("--only", nargs="*", help="peers to run, by module: ours, imagezmq, …")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PEER=PATH",
        help="a peer's interpreter, instead of that of its hatch environment",
    )
    options = parser.parse_args(arguments)
    if not options.page:
        given = dict(one.split("=", 1) for one in options.python)
        found = run(options.rounds, given, QUICK if options.quick else CASES, options.only)
        if options.quick or options.only:
            return 0
        write(found)
    page.write(read())
    return 0


def run(
    rounds: int,
    given: dict[str, str],
    cases: tuple[Case, ...] = CASES,
    only: list[str] | None = None,
) -> Found:
    """Run every peer that can be run here; rounds are interleaved, so that drift is shared."""
    named = [name for name in ENVIRONMENTS if not only or name in only]
    pythons = {name: given.get(name) or _python(name) for name in named}
    peers = [one for one in _peers(pythons) if not only or one.module.rsplit("_")[-1] in only]
    skipped = {one.name: reason for one in peers if (reason := pair.why_not(one))}
    for name, reason in skipped.items():
        console.print(f"{name}: skipped, {reason}")
    peers = [one for one in peers if one.name not in skipped]
    found = []
    for case in cases:
        runs: dict[str, list[pair.Run]] = {one.name: [] for one in peers}
        for _ in range(rounds):
            for one in peers:
                runs[one.name].append(pair.measure(one, case))
        result = CaseFound(case, [PeerFound(name, usual(each)) for name, each in runs.items()])
        console.print(page.as_table(result), markup=False)
        found.append(result)
    killed = {one.name: pair.kill(one, cases[0]) for one in peers}
    console.print("left of both ends, killed:", killed)
    return Found(
        system=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        cores=len(os.sched_getaffinity(0)),
        rounds=rounds,
        versions={name: _versions(python, name) for name, python in pythons.items()},
        cases=found,
        killed=killed,
        skipped=skipped,
    )


def _peers(pythons: dict[str, str]) -> list[Peer]:
    ways = [
        ("ours", "ours", "shared", False),
        ("ours, inline", "ours", "inline", True),
        ("imagezmq REQ/REP", "imagezmq", "reqrep", False),
        ("imagezmq PUB/SUB", "imagezmq", "pubsub", False),
        ("rerun", "rerun", "grpc", False),
        ("polystore", "polystore", "save_batch", False),
    ]
    pythons = {"ours": sys.executable, **pythons}
    return [
        Peer(name, f"benchmarks.peers.with_{peer}", mode, pythons[peer], apart)
        for name, peer, mode, apart in ways
        if peer in pythons
    ]


def _python(peer: str) -> str:
    """Return the interpreter of a peer's environment, which hatch makes where there is none."""
    words = ["hatch", "run", f"bench-{peer}:python", "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(words, cwd=pair.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()[-1]


def _versions(python: str, peer: str) -> str:
    words = [python, "-c", _VERSIONS, *_DISTRIBUTIONS[peer]]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
