"""Viewers of packages that are merely installed: what is said of those that cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from coverslip.viewers import UnknownViewer, viewer_kinds, visualizer_class

MODULE = """
from coverslip.transport import ZMQServer
from coverslip.viewers import StreamVisualizer

class Good(ZMQServer):
    kind, default_port = "stranger", 5999

class Nameless(ZMQServer):
    default_port = 5999

class Portless(StreamVisualizer):
    kind = "portless"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with viewers, good and bad."""
    (tmp_path / "stranger_viewers.py").write_text(MODULE)
    about = tmp_path / "stranger-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[coverslip.viewers]\n"
        "stranger = stranger_viewers:Good\n"
        "nameless = stranger_viewers:Nameless\n"
        "portless = stranger_viewers:Portless\n"
        "no_viewer = stranger_viewers:MODULE\n"
        "gone = stranger_viewers_that_were:Good\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_server_is_all_that_is_needed(package: None) -> None:
    assert "stranger" in viewer_kinds()
    found = visualizer_class("stranger")
    assert (found.kind, found.module, found.default_port) == ("stranger", "stranger_viewers", 5999)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("nameless", "class Nameless does not say its kind"),
        ("portless", "class Portless does not say its default_port"),
        ("no_viewer", "AttributeError"),
        ("gone", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_had_names_the_package_and_why(package: None, kind: str, why: str) -> None:
    with pytest.raises(UnknownViewer, match=f"the package stranger has a viewer '{kind}'.*{why}"):
        visualizer_class(kind)


def test_a_name_of_nobodys_lists_those_there_are(package: None) -> None:
    with pytest.raises(UnknownViewer, match=r"there are: .*napari.*stranger.*is 'fiji' meant"):
        visualizer_class("ImageJ")
