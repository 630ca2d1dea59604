"""Colormap names: cheap until something is asked that only the library knows."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys

import pytest

from coverslip.viewers.config import FijiLUT, NapariColormap

pytestmark = pytest.mark.extra

CHEAP = """
import sys
from coverslip.viewers.config import *
NapariStreamingConfig(colormap="viridis"), FijiStreamingConfig(lut=FijiLUT.FIRE)
LazyNapariStreamingConfig(colormap="something").resolve()
assert NapariColormap("gray") is NapariColormap.GRAY is NapariColormap["GRAY"]
assert "gray" in NapariColormap
import pickle
assert pickle.loads(pickle.dumps(NapariColormap.GRAY)) is NapariColormap.GRAY
assert not {"napari", "jpype", "scyjava", "imagej"} & set(sys.modules)
"""

ABSENT = """
import sys
sys.modules["napari"] = None
from coverslip.viewers.config import NapariColormap
assert NapariColormap.GRAY in list(NapariColormap)
try:
    NapariColormap.PIYG
except AttributeError as error:
    assert "PIYG" in str(error)
else:
    raise AssertionError
try:
    NapariColormap("PiYG")
except ValueError:
    pass
else:
    raise AssertionError
"""


@pytest.mark.parametrize("code", [CHEAP, ABSENT], ids=["nothing is imported", "without napari"])
def test_in_a_process_of_its_own(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("napari") is None, reason="the environment without extras"
)
def test_every_colormap_of_naparis_is_a_member() -> None:
    values = {member.value for member in NapariColormap}
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    # What stands in the source is there in this napari, too.
    assert values == set(AVAILABLE_COLORMAPS)
    member = NapariColormap("PiYG")
    assert member is NapariColormap.PIYG is NapariColormap["PIYG"]
    assert (member.name, member.value, str(member)) == ("PIYG", "PiYG", "PiYG")
    assert member == "PiYG"
    assert isinstance(member, NapariColormap)
    assert pickle.loads(pickle.dumps(member)) is member
    assert len(NapariColormap) == len(NapariColormap.__members__) == len(values)


def test_imagejs_own_are_there_without_a_fiji() -> None:
    assert {"Grays", "Fire", "3-3-2 RGB", "Red/Green"} <= {member.value for member in FijiLUT}
    assert FijiLUT("Red/Green") is FijiLUT.RED_GREEN
    assert FijiLUT("3-3-2 RGB") is FijiLUT.LUT_3_3_2_RGB
    with pytest.raises(ValueError, match="no such LUT"):
        FijiLUT("no such LUT")
