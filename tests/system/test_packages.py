"""The three distributions: one version, honest dependencies, wheels that stand alone."""

from __future__ import annotations

import os
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coverslip.viewers.doctor.packages import check_packages
from tests.commands import run

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("transport", "payload", "viewers")


def project(name: str) -> dict[str, Any]:
    with (ROOT / "packages" / name / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def test_the_three_have_one_version_and_viewers_asks_for_it() -> None:
    (version,) = {project(name)["version"] for name in NAMES}
    needs = project("viewers")["dependencies"]
    assert f"coverslip-transport=={version}" in needs
    assert f"coverslip-payload[compression]=={version}" in needs


def test_the_doctor_looks_at_each_extra() -> None:
    extras = project("viewers")["optional-dependencies"].keys() - {"all"}
    assert {finding.name for finding in check_packages()} == {
        "packages",
        *(f"extra {extra}" for extra in extras),
    }


def test_no_package_owns_the_namespace() -> None:
    assert not list(ROOT.glob("packages/*/src/coverslip/__init__.py"))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels as they would be released."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in NAMES:
        run("uv", "build", "--quiet", "--out-dir", folder, ROOT / "packages" / name)
    found = {name: next(folder.glob(f"coverslip_{name}-*.whl")) for name in NAMES}
    assert len(list(folder.glob("*.tar.gz"))) == len(NAMES)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_holds_its_package_typed_and_licensed_and_nothing_else(
    wheels: dict[str, Path], name: str
) -> None:
    with zipfile.ZipFile(wheels[name]) as wheel:
        files = wheel.namelist()
    assert f"coverslip/{name}/py.typed" in files
    assert "coverslip/__init__.py" not in files
    assert any(file.endswith("licenses/LICENSE") for file in files)
    inside = {file.split("/")[1] for file in files if file.startswith("coverslip/")}
    assert inside == {name}


SMOKE = {
    "transport": """
import coverslip.transport as transport, sys
assert "numpy" not in sys.modules
class Echo(transport.ZMQServer):
    kind, default_port = "smoke", 5700
    def handle_data(self, frames): ...
with Echo() as server:
    server.start()
    pong = transport.ping(server.connection.endpoint, 10)
    assert pong.state == "ready", pong
""",
    "payload": """
import numpy
from coverslip.payload import Arena, ArenaReader, Plane
pixels = numpy.arange(12, dtype="<u2").reshape(3, 4)
with Arena(1 << 20) as arena:
    with ArenaReader.open(arena.offer(0)) as reader:
        region = arena.reserve(pixels.nbytes)
        region.array(pixels.shape, pixels.dtype)[...] = pixels
        plane = Plane(shape=(3, 4), dtype="<u2", pixels=arena.publish(region, [0]))
        assert (reader.copy(plane) == pixels).all()
""",
    "viewers": """
import sys
import coverslip.viewers as viewers
heavy = {"napari", "qtpy", "PyQt6", "typer", "scipy", "tifffile"} & set(sys.modules)
assert not heavy, heavy
view = viewers.connect("napari", start=False)
view.show([[1, 2], [3, 4]], well="A01")
assert view.close() == (1, 0, 1, 0)
""",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_works_in_an_environment_of_its_own(
    wheels: dict[str, Path], name: str, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    run("uv", "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    folder = wheels[name].parent
    run("uv", "pip", "install", "--quiet", "--python", python, "--find-links", folder, wheels[name])
    installed = run("uv", "pip", "list", "--quiet", "--python", python)
    assert ("numpy" in installed) == (name != "transport")
    assert ("pyzmq" in installed) == (name != "payload")
    assert "napari" not in installed
    run(python, "-W", "error", "-c", SMOKE[name], COVERSLIP_RUNTIME_DIR=str(tmp_path))
    if name == "viewers":
        script = python.parent / "coverslip"
        assert project(name)["version"] in run(script, "--version")
        assert "demo" in run(python, "-m", "coverslip.viewers", "--help")
