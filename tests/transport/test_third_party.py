"""A viewer written against coverslip-transport alone: run as its user runs it, shown as it is."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec

from coverslip.transport import (
    Attach,
    Attached,
    Flush,
    Publisher,
    PublisherState,
    Report,
    is_alive,
    list_connections,
    request,
    stop,
)
from tests.transport.echo_viewer import Echo, Echoed, Header
from tests.waiting import DEADLINE, eventually

SCRIPT = Path(__file__).parent / "echo_viewer.py"
DOCUMENT = Path(__file__).parents[2] / "docs" / "third-party-viewer.md"


def test_the_example_runs(launch_viewer):
    launched, connection = launch_viewer()
    endpoint = connection.endpoint
    assert connection.pid == launched.pid
    assert request(endpoint, Echo(text="é"), Echoed, timeout=DEADLINE).text == "é"

    publisher = Publisher.acquire(endpoint)
    eventually(lambda: publisher.poll() is PublisherState.LISTENING, "a subscription")
    attached = request(
        endpoint, Attach(stream="s", epoch=0, sequence=0), Attached, timeout=DEADLINE
    )
    assert attached.transfer == "inline"
    for number in range(5):
        header = msgspec.msgpack.encode(Header("s", 0, number))
        publisher.send([header, b"pixels"])
    report = request(endpoint, Flush(stream="s", sequence=5), Report, timeout=DEADLINE)
    publisher.release()

    assert report.streams["s"].shown == 5
    assert "s 4: 1 frames" in launched.log_tail()
    stop(connection)
    assert launched.wait(DEADLINE) == 0
    assert not is_alive(connection.identity)
    assert list_connections() == []


def test_the_example_is_short_and_needs_transport_alone():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) < 60
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    ours = [name for name in imported if name and name.startswith("coverslip")]
    assert ours == ["coverslip.transport"]


def test_the_document_shows_the_very_file():
    assert f"```python\n{SCRIPT.read_text()}```\n" in DOCUMENT.read_text()
