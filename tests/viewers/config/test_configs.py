"""The configurations themselves: defaults, checks, what they put on the wire."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from coverslip.viewers.config import (
    Config,
    FijiDimensionMode,
    FijiDisplayConfig,
    FijiLUT,
    FijiStreamingConfig,
    LazyNapariStreamingConfig,
    NapariColormap,
    NapariDimensionMode,
    NapariDisplayConfig,
    NapariStreamingConfig,
    NapariVariableSizeHandling,
    StreamingConfig,
    declare_components,
)
from coverslip.viewers.errors import ConfigError


def test_the_defaults_are_the_references() -> None:
    napari = NapariStreamingConfig()
    assert isinstance(napari, StreamingConfig)
    assert isinstance(napari, NapariDisplayConfig)
    assert (napari.napari_port, napari.napari_host) == (5555, "localhost")
    assert (napari.enabled, napari.persistent) == (True, True)
    assert napari.colormap is NapariColormap.GRAY
    assert napari.variable_size_handling is NapariVariableSizeHandling.SEPARATE_LAYERS
    assert napari.channel_mode is NapariDimensionMode.SLICE
    assert {napari.site_mode, napari.z_index_mode, napari.well_mode} == {NapariDimensionMode.STACK}
    fiji = FijiStreamingConfig()
    assert (fiji.fiji_port, fiji.fiji_host) == (5556, "localhost")
    assert fiji.lut is FijiLUT.GRAYS
    assert fiji.channel_mode is FijiDimensionMode.SLICE
    assert {fiji.z_index_mode, fiji.timepoint_mode} == {FijiDimensionMode.STACK}
    assert fiji.site_mode is FijiDimensionMode.SEPARATE


def test_they_are_frozen_and_equal_by_value_and_travel() -> None:
    config = NapariStreamingConfig(scale={"z": 2.0}, napari_port=5600)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.napari_port = 5601  # type: ignore[misc]  # that is what is tried
    assert config == NapariStreamingConfig(scale={"z": 2.0}, napari_port=5600)
    assert hash(config) == hash(config.replace())
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.replace(napari_port=5601).napari_port == 5601
    assert repr(config) == "NapariStreamingConfig(scale={'z': 2.0}, napari_port=5600)"


def test_text_stands_for_members() -> None:
    config = NapariStreamingConfig(
        colormap="magenta",  # as a file would say it
        site_mode="SEPARATE",  # type: ignore[arg-type]  # as a file would say it
        variable_size_handling="pad_to_max",  # type: ignore[arg-type]  # the same
    )
    assert config.colormap is NapariColormap.MAGENTA
    assert config.site_mode is NapariDimensionMode.SEPARATE
    assert config.variable_size_handling is NapariVariableSizeHandling.PAD_TO_MAX
    # A viewer elsewhere may have colormaps that this process never heard of.
    assert NapariDisplayConfig(colormap="of my own").display().colormap == "of my own"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"napari_port": "5555"}, "napari_port='5555'.*int"),
        ({"napari_port": 65_000}, "napari_port=65000"),
        ({"site_mode": "stak"}, "stack, slice, separate"),
        ({"opacity": 1.5}, "opacity"),
        ({"contrast_limits": (5, 5)}, "the lower one first"),
        ({"contrast_limits": (1, 2, 3)}, "contrast_limits"),
        ({"scale": {"z": 0}}, "scale"),
        ({"scale": {"z": float("inf")}}, "scale"),
        ({"unit": ""}, "unit|length"),
        ({"enabled": "yes"}, "enabled='yes'.*bool"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(
    fields: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        NapariStreamingConfig(**fields)  # type: ignore[arg-type]  # that is what is tried


def test_what_travels() -> None:
    display = NapariDisplayConfig(
        colormap=None,
        contrast_limits=tuple(np.percentile(np.arange(1000.0), [0, 50])),
        opacity=0.5,
        blending="additive",
        scale={"z": 2, "t": 60, "y": 0.325},
        unit="um",
        variable_size_handling=NapariVariableSizeHandling.PAD_TO_MAX,
        overview=True,
    ).display()
    assert display.colormap is None
    assert display.contrast_limits == (0.0, 499.5)
    assert (display.opacity, display.blending, display.unit) == (0.5, "additive", "um")
    assert display.pad
    assert display.overview
    assert not NapariDisplayConfig().display().overview
    # The short names, and the components that they are short for.
    assert display.scale == {"z": 2, "z_index": 2, "t": 60, "timepoint": 60, "y": 0.325}
    fiji = FijiDisplayConfig(lut=FijiLUT.FIRE, dimensions={"cycle": "t"}).display()
    assert (fiji.colormap, fiji.dimensions) == ("Fire", {"cycle": "t"})
    with pytest.raises(ConfigError, match="dimensions"):
        FijiDisplayConfig(dimensions={"cycle": "q"})  # type: ignore[dict-item]  # that is tried


def test_modes_are_those_of_every_field() -> None:
    assert FijiDisplayConfig(site_mode=FijiDimensionMode.STACK).modes() == {
        "well": "separate",
        "site": "stack",
        "timepoint": "stack",
        "channel": "slice",
        "z_index": "stack",
    }


@dataclasses.dataclass(frozen=True)
class DonorConfig(NapariStreamingConfig):
    """As the reference writes such a class, with a component of its own."""

    donor_mode: NapariDimensionMode = NapariDimensionMode.SEPARATE


class TestComponents:
    def test_a_field_written_down_counts(self) -> None:
        config = DonorConfig(colormap="red")
        assert config.modes()["donor"] == "separate"
        assert config.port == 5555
        with pytest.raises(ConfigError, match="donor_mode"):
            DonorConfig(donor_mode="sideways")  # type: ignore[arg-type]  # that is what is tried

    def test_a_class_within_a_function_does_not_need_its_names_found(self) -> None:
        class Local(NapariStreamingConfig):
            pass

        Stack = NapariDimensionMode  # noqa: N806  # a name that only this function knows

        @dataclasses.dataclass(frozen=True)
        class Redefined(NapariStreamingConfig):
            site_mode: Stack = Stack.SLICE  # type: ignore[valid-type]  # as said
            donor_mode: Stack = Stack.SLICE  # type: ignore[valid-type]  # as said

        assert (Local().port, Redefined().modes()["donor"]) == (5555, "slice")
        with pytest.raises(ConfigError, match="site_mode"):
            Redefined(site_mode="sideways")

    def test_a_declared_one_has_a_mode_everywhere(self) -> None:
        configs = declare_components("plate", "cycle", donor="separate")
        for make in configs:
            config = make(cycle_mode="slice")
            assert isinstance(config, Config)
            modes = config.modes()
            assert (modes["plate"], modes["cycle"], modes["donor"]) == (
                "stack",
                "slice",
                "separate",
            )
            assert pickle.loads(pickle.dumps(config)) == config
        assert isinstance(configs.fiji_streaming(), FijiStreamingConfig)
        assert declare_components("plate", "cycle", donor="separate") is configs

    def test_one_of_ours_may_have_another_default(self) -> None:
        make = declare_components(site="separate").napari_streaming
        assert make().site_mode is NapariDimensionMode.SEPARATE

    @pytest.mark.parametrize(
        ("name", "mode", "words"),
        [("x", "stack", "own axis"), ("a b", "stack", "letters"), ("plate", "heap", "heap")],
    )
    def test_what_cannot_be_declared(self, name: str, mode: str, words: str) -> None:
        with pytest.raises(ConfigError, match=words):
            declare_components(**{name: mode})


def test_a_memory_that_is_no_size_is_refused_where_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert NapariStreamingConfig(memory="2GiB").memory == "2GiB"
    for wrong in ("lots", 5, "1 kB"):
        with pytest.raises(ConfigError, match="memory="):
            NapariStreamingConfig(memory=wrong)
        with pytest.raises(ConfigError, match="memory="):
            LazyNapariStreamingConfig(memory=wrong)
    monkeypatch.setenv("COVERSLIP_STREAMING_MEMORY", "lots")
    with pytest.raises(ConfigError, match=r"COVERSLIP_STREAMING_MEMORY.*lots"):
        LazyNapariStreamingConfig().resolve()
