"""Which LUT a name means, and which there are; no Java is started here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coverslip.viewers.fiji import luts
from coverslip.viewers.fiji.luts import BUILT_IN, best_name, lut_files, lut_names

FIJI = (*BUILT_IN, "16 colors", "Green Fire Blue", "mpl-viridis", "Cyan Hot")


@pytest.mark.parametrize(
    ("name", "lut"),
    [
        ("GRAYS", "Grays"),
        ("gray", "Grays"),
        ("Grey", "Grays"),
        ("fire", "Fire"),
        ("RED_GREEN", "Red/Green"),
        ("3_3_2_RGB", "3-3-2 RGB"),
        ("viridis", "mpl-viridis"),
        ("MPL_VIRIDIS", "mpl-viridis"),
        ("Green_Fire_Blue", "Green Fire Blue"),
        ("hsv", "Spectrum"),
        ("magma", None),
        ("bop blue", None),
        ("", None),
        ("...", None),
    ],
)
def test_a_name_means_one_lut(name: str, lut: str | None) -> None:
    assert best_name(name, FIJI) == lut


def test_a_folder_s_luts_are_called_as_in_the_menu(tmp_path: Path) -> None:
    folder = tmp_path / "luts"
    folder.mkdir()
    for file in ("mpl-viridis.lut", "Green_Fire_Blue.lut", "readme.txt"):
        (folder / file).touch()
    assert list(lut_files(folder)) == ["Green Fire Blue", "mpl-viridis"]
    assert lut_names(tmp_path) == (*BUILT_IN, "Green Fire Blue", "mpl-viridis")
    assert lut_names(tmp_path / "nowhere") == BUILT_IN


def test_the_viewer_s_own_folder_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "glasbey.lut").touch()
    (tmp_path / "ij.jar").touch()
    monkeypatch.setenv("COVERSLIP_FIJI", str(tmp_path))
    assert lut_names()[-1] == "glasbey"
    monkeypatch.setenv("COVERSLIP_FIJI", "net.imagej:ij:1.54p")
    assert lut_names() == BUILT_IN
    monkeypatch.setenv("COVERSLIP_FIJI", str(tmp_path / "nowhere"))
    assert lut_names() == BUILT_IN
    monkeypatch.delenv("COVERSLIP_FIJI")
    monkeypatch.setattr(luts, "installed_fiji", lambda: tmp_path)
    assert lut_names()[-1] == "glasbey"


def test_asking_loads_no_java() -> None:
    code = (
        "import sys, coverslip.viewers.fiji.luts as l; l.lut_names(); print('jpype' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
