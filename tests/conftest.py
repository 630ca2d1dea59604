"""What every test stands on: a runtime folder of its own, nothing left behind, a display, plates.

Imports nothing but pytest and the standard library at the top, since the environments that hold
one package alone load it too.
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.leaks import SESSION_VARIABLE, footprint, left_behind

RUNTIME_VARIABLE = "COVERSLIP_RUNTIME_DIR"
ROOT = Path(__file__).resolve().parent.parent
PLATES = ROOT.parent / "shared" / "data"

TESTS = ROOT / "tests"
PACKAGES = tuple(TESTS / name for name in ("transport", "payload", "viewers"))
"""Each is tested in an environment of its own first, see hatch.toml."""
WITH_VIEWERS = tuple(
    TESTS / "viewers" / name for name in ("contract", "dask", "fiji", "manager", "napari")
)
"""What needs an extra, such as napari's: it cannot even be imported without."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose the viewers that the contract of tests/viewers/contract is run on."""
    parser.addoption(
        "--viewer",
        action="append",
        metavar="NAME",
        help="run the contract on this viewer: napari, fiji, headless (default: each of them), or "
        "MODULE:CLASS of a tests.viewers.contract.subject.Subject",
    )
    parser.addoption(
        "--installed",
        choices=["package", "all"],
        help="package: leave out what needs more than a package without its extras; all: leave out "
        "what was tested so, unless it is marked `extra` (default: leave out nothing)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Look into no folder that needs what is not installed."""
    alone = config.getoption("--installed") == "package"
    return True if alone and collection_path in WITH_VIEWERS else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Test nothing twice, and what imports JAX at the end: threads, and a warning at each fork."""
    if config.getoption("--installed") == "all":
        config.hook.pytest_deselected(items=[item for item in items if _tested_alone(item)])
        items[:] = [item for item in items if not _tested_alone(item)]
    items.sort(key=lambda item: item.path.name == "test_foreign_arrays.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped for want of an extra and would not be run where there is one."""
    report = yield
    alone = item.config.getoption("--installed") == "package"
    skipped = report.skipped and isinstance(report.longrepr, tuple)
    if alone and skipped and item.get_closest_marker("extra") is None:
        _, _, reason = cast("tuple[str, int, str]", report.longrepr)
        if "extra" in reason or "could not import" in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}: mark it `extra`, or nothing will ever run it"
    return report


def _tested_alone(item: pytest.Item) -> bool:
    folders = item.path.parents
    ran = any(folder in PACKAGES for folder in folders)
    needs_more = any(folder in WITH_VIEWERS for folder in folders)
    return ran and not needs_more and item.get_closest_marker("extra") is None


@pytest.fixture(scope="session", autouse=True)
def session_runtime_folder() -> Iterator[Path]:
    """Keep every connection file of this session out of the user's own runtime folder."""
    before = os.environ.get(RUNTIME_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="coverslip-tests-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o700)
        os.environ[RUNTIME_VARIABLE] = name
        os.environ[SESSION_VARIABLE] = folder.name
        yield folder
        if before is None:
            del os.environ[RUNTIME_VARIABLE]
        else:
            os.environ[RUNTIME_VARIABLE] = before
        del os.environ[SESSION_VARIABLE]


@pytest.fixture
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder for this test alone."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv(RUNTIME_VARIABLE, str(folder))
    return folder


@pytest.fixture(autouse=True)
def leaves_nothing_behind(
    request: pytest.FixtureRequest, session_runtime_folder: Path
) -> Iterator[None]:
    """Fail a test that leaves a thread, file, process, segment or top-level widget."""
    marker = request.node.get_closest_marker("allow_leak")
    allowed = frozenset(marker.args if marker else ())
    if marker and not marker.kwargs.get("reason"):
        pytest.fail("allow_leak needs reason='…'")
    before = footprint()
    yield
    found = left_behind(before, allowed)
    things = [f"{kind}: {thing}" for kind, several in found.items() for thing in several]
    request.node.user_properties.append(("left behind", "; ".join(things)))
    if things:
        pytest.fail("\n  ".join(["left behind:", *things]), pytrace=False)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A display to open windows on: the user's, or an Xvfb of this session's own."""
    from coverslip.viewers.cli.xvfb import VirtualDisplay
    from coverslip.viewers.display import find_display

    found, _ = find_display()
    if found is not None:
        yield found
        return
    if not VirtualDisplay.available():
        pytest.fail("no display and no Xvfb: apt-get install xvfb (Debian, Ubuntu)", pytrace=False)
    with VirtualDisplay() as virtual:
        yield virtual.name


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give ports whose pair (port, port + 1000) nothing holds at this moment."""
    return free_pair


def free_pair() -> int:
    """Return such a port, for fixtures that outlive a test."""
    # Below the ports that systems hand out for outgoing connections (32768 and up on Linux): one
    # of those may take a port between this look and the test's bind, or the one beside it.
    candidates = random.Random()
    for _ in range(200):
        port = candidates.randrange(10_240, 31_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1000))
            except OSError:
                continue
            return port
    pytest.fail("no free pair of ports on 127.0.0.1 in 200 tries", pytrace=False)


@pytest.fixture(scope="session")
def plates() -> Path:
    """The folder of the two real plates; a test that asks is skipped, with words, without it."""
    if not PLATES.is_dir():
        pytest.skip(f"the real plates are not at {PLATES} (see README, 'Tests')")
    return PLATES
