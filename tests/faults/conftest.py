"""What the faults have in common: a viewer to attack, and the record of each case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coverslip.viewers import View
from coverslip.viewers.stream import Stream
from tests.faults.case import LIMIT, Case
from tests.viewers.headless import HeadlessVisualizer


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """The record of this test, for the report; a test that counted nothing fails."""
    made = Case()
    yield made
    marker = request.node.get_closest_marker("fault")
    number, words = marker.args
    node: pytest.Function = request.node
    if hasattr(node, "callspec"):
        words = words.format(**node.callspec.params)
    node.user_properties += [
        ("fault", number),
        ("words", words),
        ("case", made.properties(marker.kwargs["holds"])),
    ]
    assert made.checked, "this case did not count"


@pytest.fixture
def viewer(runtime_folder: Path, free_port: Callable[[], int]) -> Iterator[HeadlessVisualizer]:
    """A viewer in a process of its own, all but the window."""
    made = HeadlessVisualizer(port=free_port(), persistent=False)
    made.start_viewer()
    yield made
    made.stop_viewer()


@pytest.fixture
def view(viewer: HeadlessVisualizer) -> Iterator[View]:
    """A pipeline's handle on the viewer, with a limit of `LIMIT` seconds."""
    made = View(viewer, Stream([viewer], limit=LIMIT))
    yield made
    made.close(0)
