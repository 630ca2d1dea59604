"""A viewer from a package of its own: installed, found by name, started, sent the real plate."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.commands import DEADLINE, run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "matplotlib_viewer"
MOST_LINES = 120

STREAM = """
import json, subprocess, sys
from coverslip.viewers import connect, viewer_kinds
from coverslip.viewers.parsers import list_planes
from pathlib import Path
import tifffile
listing = list_planes([Path(sys.argv[1])])
assert "matplotlib" in viewer_kinds()
view = connect("matplotlib", title="the real plate", persistent=False, timeout=120)
for file in listing.planes:
    view.show(tifffile.imread(file.path), **file.components)
delivery = view.flush(60)
view.screenshot(sys.argv[2])
program = [sys.executable, "-m", "coverslip.viewers", "list", "--json"]
(row,) = json.loads(subprocess.check_output(program))["viewers"]
assert (row["kind"], row["title"], row["state"]) == ("matplotlib", "the real plate", "ready"), row
view.stop()
print(json.dumps([len(listing.planes), delivery._asdict()]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with transport, payload and the example, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("third") / "environment"
    run("uv", "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    packages = [ROOT / "packages" / name for name in ("transport", "payload")]
    run("uv", "pip", "install", "--quiet", "--python", python, *packages, EXAMPLE)
    return python


def test_the_example_is_short() -> None:
    lines = (EXAMPLE / "coverslip_matplotlib.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < MOST_LINES


def test_it_stands_on_transport_and_payload_alone(python: Path) -> None:
    found = run(
        python,
        "-c",
        "import importlib.util as u, coverslip_matplotlib as m;"
        "print(m.MatplotlibViewer.kind, u.find_spec('coverslip.viewers'))",
    )
    assert found.split() == ["matplotlib", "None"]


@pytest.mark.gui
@pytest.mark.plates
@pytest.mark.timeout(DEADLINE)
def test_pipelines_reach_it_by_its_name(
    python: Path, plates: Path, display: str, runtime_folder: Path, tmp_path: Path
) -> None:
    run("uv", "pip", "install", "--quiet", "--python", python, ROOT / "packages" / "viewers")
    plate = next(path for path in sorted(plates.iterdir()) if path.is_dir())
    shot = tmp_path / "shot.png"
    said = run(python, "-W", "error", "-c", STREAM, plate, shot)
    planes, delivery = json.loads(said.splitlines()[-1])
    assert planes > 0
    assert delivery == {"sent": planes, "shown": planes, "dropped": 0, "failed": 0}
    assert shot.read_bytes().startswith(b"\x89PNG")
