"""Each viewer that the contract is run on, running: one for all tests, or one for a test alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.viewers import StreamVisualizer, View
from coverslip.viewers.messages import LayerInfo
from tests.conftest import free_pair
from tests.viewers.contract.process import ViewerProcess
from tests.viewers.contract.subject import BUILT_IN, START, Hands, Subject, load
from tests.waiting import DEADLINE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each viewer, one viewer after the other."""
    if "subject" in metafunc.fixturenames:
        names = metafunc.config.getoption("--viewer") or list(BUILT_IN)
        metafunc.parametrize("subject", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a viewer has not got: a window to touch, a backend, a place in commands."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        spec = getattr(item, "callspec", None)
        subject = load(spec.params["subject"]) if spec and "subject" in spec.params else None
        wanted = {mark.args[0] for mark in item.iter_markers("needs")}
        (kept if subject is None or wanted <= subject.has else left).append(item)
    if left:
        items[:] = kept
        config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    """The viewer, with the environment that its processes need."""
    chosen = load(request.param)
    with pytest.MonkeyPatch.context() as patch:
        if "window" in chosen.has:
            patch.setenv("DISPLAY", request.getfixturevalue("display"))
        for name, value in chosen.environment(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        yield chosen


@pytest.fixture(scope="session")
def running(subject: Subject, session_runtime_folder: Path) -> Iterator[StreamVisualizer]:
    """A viewer that all tests share which do not end it: each start costs seconds."""
    visualizer = subject.make(port=free_pair(), viewer_title="under test")
    visualizer.start_viewer(timeout=START)
    yield visualizer
    visualizer.stop_viewer()
    assert not visualizer.is_running


@pytest.fixture
def view(running: StreamVisualizer) -> Iterator[View]:
    """A view of the shared viewer, which is empty before and after."""
    with View(running) as made:
        made.clear()
        yield made
        made.clear()


@pytest.fixture
def hands(subject: Subject, view: View) -> Hands:
    """What touches the shared viewer."""
    return subject.hands(view)


@pytest.fixture
def own(
    subject: Subject, runtime_folder: Path, free_port: Callable[[], int]
) -> Iterator[StreamVisualizer]:
    """A running viewer of this test's own, to be killed and quit."""
    visualizer = subject.make(port=free_port())
    visualizer.start_viewer(timeout=START)
    yield visualizer
    visualizer.stop_viewer()
    assert not visualizer.is_running


@pytest.fixture
def process(
    subject: Subject, runtime_folder: Path, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[ViewerProcess]:
    """A viewer's process that is starting."""
    one = ViewerProcess(subject.visualizer.module, tmp_path, free_port())
    yield one
    one.end()


def settle(view: View) -> tuple[LayerInfo, ...]:
    """Wait until all that was sent is shown, and return the layers with checksums."""
    delivery = view.flush(2 * DEADLINE)
    assert delivery.shown == delivery.sent, (delivery, view.statistics().reasons)
    return view.layers(checksums=True)
