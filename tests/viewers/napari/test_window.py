"""What stands beside the picture, what follows the planes, and which choices of the user's stay."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coverslip.payload import UnsupportedArray, as_points
from coverslip.viewers.errors import TooManyLayers
from coverslip.viewers.napari.insides import main_window
from tests.viewers.napari.conftest import Show, plane
from tests.viewers.napari.looking import drawn, follow_button, follows, slider_words, values

if TYPE_CHECKING:
    from coverslip.viewers.napari.window import LiveWindow

pytestmark = pytest.mark.gui


# ---- what the user sees beside the picture --------------------------------------------


def test_sliders_say_the_component_s_value(window: LiveWindow, show: Show) -> None:
    for well, dose in (("A01", 0.5), ("A02", 2), ("A03", 10)):
        show(1, well=well, dose=dose)
    assert slider_words(window) == ["dose <b>10</b> &nbsp;3/3", "well <b>A03</b> &nbsp;3/3"]
    overlay = window.viewer.canvas.overlays.text
    assert overlay.text == "dose 10    well A03"
    window.viewer.dims.set_current_step(1, 1)
    assert slider_words(window)[1] == "well <b>A02</b> &nbsp;2/3"
    assert overlay.text == "dose 10    well A02"
    show(1, well="A01b", dose=2)
    assert slider_words(window)[1] == "well <b>A02</b> &nbsp;3/4"
    show(1, well="A01", dose=2, z_index=5)
    assert overlay.text == "dose 10    well A02    z_index 5"
    window.scene.follow()
    show(1, well="<i>", dose=10)
    assert any(words.startswith("well <b>&lt;i&gt;</b> ") for words in slider_words(window))


def test_what_is_shown_has_no_place_on_an_axis_of_hidden_layers(
    window: LiveWindow, show: Show
) -> None:
    show(1, channel=1, well="A2")
    for z in (1, 10):
        show(1, channel=1, well="A2", z_index=z)
    projection, stack = window.viewer.layers
    overlay = window.viewer.canvas.overlays.text
    assert projection.visible
    assert overlay.text == "well A2    no z_index"
    assert slider_words(window) == ['z_index <span style="color:gray">hidden &nbsp;1/2</span>']
    window.viewer.dims.set_current_step(1, 1)
    assert overlay.text == "well A2    no z_index"
    stack.visible = True
    assert overlay.text == "well A2    z_index 10"
    assert slider_words(window) == ["z_index <b>10</b> &nbsp;2/2"]
    stack.visible = False
    show(as_points([[10, 3, 4]], along=1), kind="points", well="A2", along=("z_index",))
    assert overlay.text == "well A2    z_index 10", "the points move with the slider"
    window.viewer.layers["Points"].visible = False
    assert overlay.text == "well A2    no z_index"
    projection.visible = False
    assert overlay.text == "well A2    z_index 10", "nothing is shown: where the sliders are"


def test_the_one_channel_that_an_axis_is_of_is_named(window: LiveWindow, show: Show) -> None:
    show(1, channel=1, well="A2")
    show(1, channel=2, well="A2")
    overlay = window.viewer.canvas.overlays.text
    assert overlay.text == "well A2"
    show(1, channel=4, well="A2", z_index=3)
    assert overlay.text == "well A2    z_index 3 (channel 4 alone)"
    show(1, channel=5, well="A2", z_index=3)
    assert overlay.text == "well A2    z_index 3"


def test_a_napari_without_its_rows_of_sliders_still_says_where_one_is(
    qt_application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coverslip.viewers.napari import values as module
    from coverslip.viewers.napari.window import LiveWindow

    monkeypatch.setattr(module, "dims_widget", lambda viewer: None)
    other = LiveWindow("another napari")
    try:
        Show(other, qt_application.processEvents)(1, well="A2", z_index=5)
        assert other.viewer.canvas.overlays.text.text == "well A2    z_index 5"
    finally:
        other.close()


def test_waiting_is_said(window: LiveWindow) -> None:
    assert window.viewer.canvas.overlays.text.text == "waiting for the first plane"


def test_the_picture_stays_in_frame_until_the_user_moves_the_camera(
    window: LiveWindow, show: Show, qt_application: Any
) -> None:
    show(1, well="A1", z_index=1)
    whole = window.viewer.scene.camera.zoom
    main_window(window.viewer).resize(900, 600)
    qt_application.processEvents()
    show.paint()
    assert window.viewer.scene.camera.zoom < whole
    window.viewer.scene.camera.zoom = 3.0
    main_window(window.viewer).resize(1200, 800)
    qt_application.processEvents()
    show.paint()
    assert window.viewer.scene.camera.zoom == 3.0


def test_a_screenshot_is_the_whole_window(window: LiveWindow, show: Show) -> None:
    from qtpy.QtGui import QImage

    show(1, well="A1")
    image = QImage.fromData(window.screenshot(), "PNG")
    assert (image.width(), image.height()) == (
        main_window(window.viewer).width(),
        main_window(window.viewer).height(),
    )


def test_an_error_takes_one_line_of_the_dock_and_a_picture_has_its_counts_as_of_now(
    window: LiveWindow, show: Show, qt_application: Any
) -> None:
    from qtpy.QtWidgets import QLabel

    from coverslip.viewers.napari.dock import ListenDock
    from coverslip.viewers.napari.listening import Listening

    error = "the relay: nobody listens: tried <relay>\n" + "at an address of many words " * 9
    listening = Listening.of(window.viewer)
    dock = ListenDock(window.viewer)
    window.viewer.window.add_dock_widget(dock, name="dock", area="left")
    try:
        listening.live.screenshot()
        listening.error = error
        for number in range(3):
            pixels = plane(1)
            placement = show(1, well=f"A{number}", paint=False)
            listening.live.scene.insert(placement, pixels, "", None)
        listening.live.screenshot()
        (line,) = [one for one in dock.findChildren(QLabel) if one.text().startswith("the relay")]
        assert line.text() == " ".join(error.split())
        assert "&lt;relay&gt;" in line.toolTip()
        assert any(one.text().startswith("3, ") for one in dock.findChildren(QLabel))
        assert line.height() < 2 * line.fontMetrics().height()
        for label in dock.findChildren(QLabel):
            assert label.isHidden() or label.height() >= label.fontMetrics().height(), label.text()
    finally:
        window.viewer.window.remove_dock_widget(dock)
        listening.end()
        qt_application.processEvents()


# ---- follow ---------------------------------------------------------------------------


def test_sliders_follow_until_the_user_scrubs_and_again_when_asked(
    window: LiveWindow, show: Show
) -> None:
    for z in (1, 3, 2):
        show(z, z_index=z)
        assert values(window) == {"z_index": z}
    assert follows(window)
    window.viewer.dims.set_current_step(0, 0)  # as the mouse, the keys and the animation do
    assert not follows(window)
    show(4, z_index=4)
    assert values(window) == {"z_index": 1}
    follow_button(window).click()
    assert follows(window)
    show(5, z_index=5)
    assert values(window) == {"z_index": 5}


def test_neither_growth_nor_3d_nor_the_user_s_own_layer_is_a_scrub(
    window: LiveWindow, show: Show
) -> None:
    show(1, z_index=5)
    show(1, z_index=1)
    show(1, z_index=3, timepoint=2)
    window.viewer.dims.ndisplay = 3
    window.viewer.dims.ndisplay = 2
    window.viewer.add_points(np.zeros((1, 2)))
    window.viewer.layers.remove("Points")
    assert follows(window)


def test_the_key_switches_following(window: LiveWindow, show: Show) -> None:
    from coverslip.viewers.napari.bar import FOLLOW_KEY

    show(1, z_index=1)
    action = window.viewer.keymap[_key(FOLLOW_KEY)]
    action(window.viewer)
    assert not follows(window)
    action(window.viewer)
    assert follows(window)


def _key(text: str) -> Any:
    from napari.utils.key_bindings import coerce_keybinding

    return coerce_keybinding(text)


def test_following_goes_to_planes_that_can_be_seen(window: LiveWindow, show: Show) -> None:
    show(1, channel="GFP", step=(1, "blur"), z_index=1)
    show(1, channel="GFP", step=(0, "raw"), z_index=2)
    show(1, channel="GFP", step=(0, "raw"), z_index=3)
    assert values(window) == {"z_index": 1}  # raw came later, but the later step is looked at
    show(1, channel="GFP", step=(1, "blur"), z_index=2)
    assert values(window) == {"z_index": 2}


# ---- the user's choices ---------------------------------------------------------------


def test_contrast_widens_until_the_user_touches_it(window: LiveWindow, show: Show) -> None:
    show(np.zeros((16, 24), np.uint16), z_index=0)
    layer = window.viewer.layers["Image"]
    assert layer.contrast_limits == [0, 255]  # nothing to go by yet
    show(np.linspace(100, 200, 384).reshape(16, 24).astype(np.uint16), z_index=1)
    low, high = layer.contrast_limits
    assert (round(low), round(high)) == (100, 200)
    show(np.linspace(50, 120, 384).reshape(16, 24).astype(np.uint16), z_index=2)
    assert [round(value) for value in layer.contrast_limits] == [50, 200]
    layer.contrast_limits = (60, 90)
    show(np.linspace(0, 4000, 384).reshape(16, 24).astype(np.uint16), z_index=3)
    assert layer.contrast_limits == [60, 90]


def test_what_the_user_has_chosen_stays(window: LiveWindow, show: Show) -> None:
    show(1, channel="DAPI", z_index=1)
    show(1, channel="GFP", z_index=1)
    dapi = window.viewer.layers["Channel_DAPI"]
    dapi.colormap, dapi.gamma, dapi.name, dapi.visible = "red", 0.5, "nuclei", False
    dapi.blending = "opaque"
    window.viewer.layers.move(0, 2)
    window.viewer.layers.selection.active = dapi
    show(3, channel="DAPI", z_index=2)
    show(3, channel="DAPI", z_index=2, timepoint=1)
    show(3, channel="Cy5", z_index=2)
    names = [layer.name for layer in window.viewer.layers]
    assert names == ["Channel_Cy5", "Channel_GFP", "nuclei", "Channel_DAPI (with timepoint)"]
    assert (dapi.colormap.name, dapi.gamma, dapi.visible) == ("red", 0.5, False)
    assert dapi.blending == "opaque"
    assert window.viewer.layers.selection.active is dapi
    window.viewer.dims.set_current_step(1, 1)
    dapi.visible = True
    assert drawn(window, "nuclei")[5, 5] == 3


def test_a_deleted_layer_comes_back_with_the_next_plane_only(
    window: LiveWindow, show: Show
) -> None:
    show(1, channel="DAPI", z_index=1)
    show(2, channel="GFP", z_index=1)
    window.viewer.layers.remove("Channel_DAPI")
    show(2, channel="GFP", z_index=2)
    assert [layer.name for layer in window.viewer.layers] == ["Channel_GFP"]
    assert window.scene.projection.nbytes == 2 * 16 * 24 * 2
    show(5, channel="DAPI", z_index=2)
    assert sorted(layer.name for layer in window.viewer.layers) == ["Channel_DAPI", "Channel_GFP"]
    assert len(window.viewer.layers["Channel_DAPI"].data.store) == 1


def test_all_layers_deleted_or_cleared_start_anew(window: LiveWindow, show: Show) -> None:
    show(1, well="A1", z_index=1)
    show(1, well="A2", z_index=2)
    window.viewer.layers.clear()
    show(7, site=1)
    assert window.viewer.dims.axis_labels[:1] == ("site",)
    mine = window.viewer.add_points(np.zeros((1, 2)))
    window.scene.clear()
    show.paint()
    assert list(window.viewer.layers) == [mine]
    assert window.viewer.canvas.overlays.text.text == "waiting for the first plane"
    assert window.scene.projection.nbytes == 0
    show(8, z_index=1)
    show(9, z_index=2)
    assert drawn(window, "Image")[5, 5] == 9
    assert follows(window)


def test_channels_add_up_in_their_colours(window: LiveWindow, show: Show) -> None:
    show(1, channel="DAPI", step=(0, "raw"))
    show(1, channel="GFP", step=(0, "raw"))
    show(1, name="mask")
    colors = [(layer.colormap.name, layer.blending) for layer in window.viewer.layers]
    assert colors == [
        ("bop blue", "additive"),
        ("green", "additive"),
        ("gray", "translucent_no_depth"),
    ]


def test_layers_beyond_the_most_fail_and_the_warning_says_what_to_stack(
    window: LiveWindow, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    window.scene.max_layers = 3
    with caplog.at_level(logging.WARNING):
        for well in ("A1", "A2", "A3"):
            show(1, well=well, channel="DAPI", modes={"well": "separate"})
    said = '3 layers are the most that this viewer shows: give well the mode "stack" ('
    assert [record.message.startswith(said) for record in caplog.records] == [True]
    for well in ("A4", "A5"):
        with pytest.raises(TooManyLayers, match=re.escape(said)):
            show(1, well=well, channel="DAPI", modes={"well": "separate"})
    show(2, well="A3", channel="DAPI", modes={"well": "separate"})
    assert len(window.viewer.layers) == len(window.scene.projection) == 3


def test_axes_beyond_the_most_fail_and_leave_none_behind(window: LiveWindow, show: Show) -> None:
    show(1, well="A1")
    many: dict[str, Any] = {f"setting_{number}": number for number in range(11)}
    with pytest.raises(UnsupportedArray, match=r"12 sliders: well are there, .*_9 would be"):
        show(1, **dict(list(many.items())[:10]), gain=1, offset=2)
    assert window.scene.projection.axes.names == ("well",)
    show(5, **many)
    assert len(window.viewer.dims.axis_labels) == 14
    with pytest.raises(UnsupportedArray, match="offset would be new"):
        show(1, offset=2)
    show(7, well="A2")
    assert drawn(window, "Image")[5, 5] == 7


def test_the_latest_step_is_looked_at_unless_the_user_says_otherwise(
    window: LiveWindow, show: Show
) -> None:
    def shown() -> list[str]:
        return [layer.name for layer in window.viewer.layers if layer.visible]

    show(1, channel="DAPI", step=(0, "raw"))
    show(1, channel="DAPI", step=(1, "blur"))
    show(1, channel="GFP", step=(0, "raw"))
    show(1, channel="GFP", step=(1, "blur"))
    assert shown() == ["Step_01_blur_Channel_DAPI", "Step_01_blur_Channel_GFP"]
    assert [layer.name.split("_Channel_") for layer in window.viewer.layers] == [
        ["Step_00_raw", "DAPI"],
        ["Step_00_raw", "GFP"],
        ["Step_01_blur", "DAPI"],
        ["Step_01_blur", "GFP"],
    ]
    active = window.viewer.layers.selection.active
    assert active is not None
    assert active.name == "Step_01_blur_Channel_DAPI"
    window.viewer.layers["Step_00_raw_Channel_DAPI"].visible = True
    show(1, channel="DAPI", step=(2, "mask"))
    assert shown() == ["Step_00_raw_Channel_DAPI", "Step_02_mask_Channel_DAPI"]


def test_another_plate_takes_over_and_its_channels_are_seen(window: LiveWindow, show: Show) -> None:
    def shown() -> list[str]:
        return [layer.name for layer in window.viewer.layers if layer.visible]

    for channel in (1, 2):
        show(1, channel=channel, well="C07", timepoint=1)
    first = shown()
    assert first == ["Channel_1", "Channel_2"]
    larger = plane(1, shape=(32, 48))
    for channel in (1, 2, 3):
        show(larger, channel=channel, well="E07")
    show(larger, channel=1, well="E07", z_index=1)
    assert shown() == [f"Channel_{n} (no timepoint, 48 x 32)" for n in (1, 2)] + ["Channel_3"]
    show(1, channel=3, well="C07", timepoint=2)
    assert not window.viewer.layers["Channel_3 (with timepoint, 24 x 16)"].visible
    window.viewer.layers["Channel_1"].visible = True
    show(plane(1, shape=(8, 8)), channel=1, well="A01")
    assert shown() == ["Channel_1", "Channel_1 (no timepoint, 8 x 8)"]
