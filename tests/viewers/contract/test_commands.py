"""``coverslip … --viewer NAME`` as users and scripts meet it: its streams and its exit status."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from coverslip.transport import list_connections
from coverslip.viewers.demo import count
from tests.system.program import NO_DISPLAY, coverslip
from tests.viewers.contract.subject import Subject

pytestmark = [pytest.mark.gui, pytest.mark.needs("commands")]


def write_plate(folder: Path) -> int:
    """Write 2 wells, 2 sites, 2 channels, 2 z planes, one thumbnail; return the planes."""
    random = np.random.default_rng(3)
    for well in ("A02", "A10"):
        for site in (1, 2):
            for channel in (1, 2):
                for z in (1, 2):
                    name = f"plate_{well}_s{site}_w{channel}1D01380B-E7DA-4C09-A343-EDA3D235D808"
                    path = folder / f"ZStep_{z}" / f"{name}.tif"
                    path.parent.mkdir(exist_ok=True)
                    tifffile.imwrite(path, random.integers(0, 4000, (64, 80)).astype("uint16"))
    (folder / "plate_A02_s1_w1_thumb1D01380B-E7DA-4C09-A343-EDA3D235D808.tif").touch()
    return 16


@pytest.fixture(scope="class")
def session(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the first `view` told, which started the viewer that the class's tests use."""
    folder = tmp_path_factory.mktemp("plate")
    planes = write_plate(folder)
    picture = folder / "picture.png"
    done = coverslip("view", folder, "--viewer", subject.kind, "--json", "--screenshot", picture)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    yield {"folder": folder, "planes": planes, "told": told, "picture": picture}
    stopped = coverslip("stop", told["port"])
    assert stopped.returncode == 0, stopped.stderr


class TestView:
    """`view` into a real viewer, which the first of them starts and which stays open."""

    def test_one_json_object_says_that_all_were_shown(self, session: dict[str, Any]) -> None:
        told, planes = session["told"], session["planes"]
        counts = [told[key] for key in ("sent", "shown", "dropped", "failed", "pending")]
        assert counts == [planes, planes, 0, 0, 0]
        assert (told["parser"], told["left_out"], told["unknown"]) == ("imagexpress", 1, [])
        assert session["picture"].read_bytes().startswith(b"\x89PNG")

    def test_the_viewer_stays_and_is_found_again(
        self, session: dict[str, Any], subject: Subject
    ) -> None:
        # No display is needed to send to a viewer that has one.
        port = session["told"]["port"]
        done = coverslip(
            *("view", session["folder"] / "ZStep_1", "--viewer", subject.kind, "--port", port),
            environment=NO_DISPLAY,
        )
        assert done.returncode == 0, done.stderr
        assert "sent" in done.stdout
        assert f"port {port}" in done.stderr
        rows = json.loads(coverslip("list", "--json").stdout)["viewers"]
        (row,) = [row for row in rows if row["port"] == port]
        assert (row["kind"], row["state"]) == (subject.kind, "ready")

    def test_a_pattern_may_name_components_as_it_likes(
        self, session: dict[str, Any], subject: Subject, tmp_path: Path
    ) -> None:
        stack = np.arange(2 * 30 * 40, dtype="uint16").reshape(2, 30, 40)
        tifffile.imwrite(tmp_path / "axes_7.tif", stack, imagej=True, metadata={"axes": "ZYX"})
        done = coverslip(
            *("view", tmp_path, "--pattern", "{name}_{origin:d}.tif", "--json"),
            *("--viewer", subject.kind, "--port", session["told"]["port"]),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["shown"] == 2


def assert_all_shown(done: subprocess.CompletedProcess[str], picture: Path) -> None:
    planes = str(count())
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if planes in line]
    assert [cell for cell in row.split() if cell.isdigit()] == [planes, planes, "0", "0"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in done.stderr
    assert list_connections() == []


@pytest.mark.usefixtures("runtime_folder")
def test_the_demo_on_a_display(subject: Subject, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    done = coverslip(
        *("demo", "--viewer", subject.kind, "--close", "--rate", "0", "--screenshot", picture)
    )
    assert_all_shown(done, picture)
    assert "Xvfb" not in done.stderr
