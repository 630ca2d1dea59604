"""Lazy configurations: what is not given comes from the step, the pipeline, the process."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from msgspec import UNSET

from coverslip.viewers.config import (
    FijiStreamingConfig,
    LazyFijiStreamingConfig,
    LazyNapariDisplayConfig,
    LazyNapariStreamingConfig,
    NapariColormap,
    NapariDisplayConfig,
    NapariStreamingConfig,
    StreamingConfig,
    declare_components,
    scope,
)
from coverslip.viewers.errors import ConfigError
from tests.viewers.config.conftest import Write


@dataclass(frozen=True)
class PipelineConfig:
    """A pipeline's own class, which knows nothing of ours but its field."""

    name: str
    napari_streaming: NapariStreamingConfig
    workers: int = 4


def test_nothing_given_is_the_default() -> None:
    lazy = LazyNapariStreamingConfig()
    assert isinstance(lazy, NapariStreamingConfig)
    assert lazy.resolve() == NapariStreamingConfig()
    assert {origin.source for origin in lazy.explain().values()} == {"default"}
    assert list(lazy.explain()) == [field.name for field in fields(NapariStreamingConfig)]


def test_each_source_gives_way_to_the_nearer_one(
    project_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = LazyNapariStreamingConfig()

    def seen() -> tuple[int | None, str]:
        assert lazy.napari_port == lazy.explain()["napari_port"].value == lazy.port
        return lazy.napari_port, lazy.explain()["napari_port"].source

    assert seen() == (5555, "default")
    user = tmp_path / "user" / "coverslip" / "coverslip.toml"
    user.parent.mkdir(parents=True)
    user.write_text("[napari]\nport = 5601\nhost = 'there'", encoding="utf-8")
    assert seen() == (5601, str(user))
    project = project_file("[napari]\nport = 5602")
    assert seen() == (5602, str(project))
    assert lazy.explain()["napari_host"] == ("there", str(user))
    monkeypatch.setenv("COVERSLIP_NAPARI_PORT", "5603")
    assert seen() == (5603, "COVERSLIP_NAPARI_PORT")
    pipeline = PipelineConfig("p", NapariStreamingConfig(napari_port=5604))
    with scope(pipeline=pipeline):
        assert seen() == (5604, "pipeline")
        with scope(step=LazyNapariStreamingConfig(napari_port=5605)):
            assert seen() == (5605, "step")
            assert lazy.napari_host == "localhost"  # the pipeline's, which is complete
            assert LazyNapariStreamingConfig(napari_port=5606).napari_port == 5606
        assert seen() == (5604, "pipeline")
    assert seen() == (5603, "COVERSLIP_NAPARI_PORT")


def test_a_value_like_the_default_is_not_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_NAPARI_PORT", "5600")
    given, unset = LazyNapariStreamingConfig(napari_port=5555), LazyNapariStreamingConfig()
    assert (given.napari_port, unset.napari_port) == (5555, 5600)
    assert given != unset
    assert repr(given) == "LazyNapariStreamingConfig(napari_port=5555)"
    assert repr(unset) == "LazyNapariStreamingConfig()"
    assert given.given == {"napari_port": 5555}
    assert given.replace(napari_port=UNSET) == unset
    # None is a value as well: no colour of one's own, whatever the pipeline has.
    with scope(pipeline=NapariDisplayConfig(colormap="red")):
        assert LazyNapariStreamingConfig(colormap=None).colormap is None


def test_one_for_all_viewers_speaks_for_each_and_another_kinds_does_not() -> None:
    with scope(pipeline=[StreamingConfig(persistent=False), FijiStreamingConfig(fiji_port=5700)]):
        napari, fiji = LazyNapariStreamingConfig(), LazyFijiStreamingConfig()
        assert napari.explain()["persistent"] == (False, "pipeline")
        assert napari.explain()["napari_port"].source == "default"
        assert (fiji.fiji_port, fiji.explain()["fiji_port"].source) == (5700, "pipeline")
    with scope(step=LazyNapariDisplayConfig(site_mode="separate")):  # type: ignore[arg-type]
        assert LazyNapariStreamingConfig().modes()["site"] == "separate"


def test_steps_within_steps() -> None:
    with scope(step=LazyNapariStreamingConfig(colormap="red", opacity=0.5)):
        with scope(step=LazyNapariStreamingConfig(colormap="green")):
            config = LazyNapariStreamingConfig()
            assert (config.colormap, config.opacity) == (NapariColormap.GREEN, 0.5)
        assert LazyNapariStreamingConfig().colormap is NapariColormap.RED


def test_a_scope_needs_a_configuration() -> None:
    with pytest.raises(ConfigError, match="dict holds no configuration"), scope(pipeline={}):
        pass


def test_the_environment_speaks_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "NAPARI_PERSISTENT": "false",
        "NAPARI_SCALE": "{z = 2, y = 0.5}",
        "NAPARI_CONTRAST_LIMITS": "[0, 4095]",
        "NAPARI_COLORMAP": "bop blue",
        "NAPARI_CHANNEL_MODE": "stack",
        "STREAMING_ENABLED": "false",
        "NAPARI_OPACITY": "0.25",
    }.items():
        monkeypatch.setenv(f"COVERSLIP_{name}", text)
    assert LazyNapariStreamingConfig().resolve() == NapariStreamingConfig(
        persistent=False,
        scale={"z": 2, "y": 0.5},
        contrast_limits=(0, 4095),
        colormap=NapariColormap.BOP_BLUE,
        channel_mode="stack",  # type: ignore[arg-type]  # as text, once more
        enabled=False,
        opacity=0.25,
    )
    monkeypatch.setenv("COVERSLIP_NAPARI_PORT", "many")
    with pytest.raises(ConfigError, match=r"COVERSLIP_NAPARI_PORT: .*napari_port='many'"):
        LazyNapariStreamingConfig().resolve()


def test_a_variable_that_sets_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for others in ("COVERSLIP_STATE_DIR", "COVERSLIP_NAPARI_DONOR_MODE", "COVERSLIP_FIJI"):
        monkeypatch.setenv(others, "stack")
    assert LazyNapariStreamingConfig().napari_port == 5555
    monkeypatch.setenv("COVERSLIP_NAPARI_PROT", "5600")
    with pytest.raises(ConfigError, match=r"^COVERSLIP_NAPARI_PROT: .*'prot'; did you mean 'port'"):
        LazyNapariStreamingConfig().resolve()


def test_fields_that_do_not_go_together_are_refused_where_they_are_written() -> None:
    with pytest.raises(ConfigError, match="the lower one first"):
        LazyNapariStreamingConfig(contrast_limits=(9, 3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[napari]\nprot = 1", r"\[napari\]: nothing is called 'prot'; did you mean 'port'"),
        ("[napari]\nport = 'a'", r"\[napari\]: .*napari_port='a'"),
        ("napari = 3", "write .napari."),
        ("[napari", "is no TOML"),
        ("[streaming]\ncolormap = 'red'", "nothing is called 'colormap'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(project_file: Write, text: str, words: str) -> None:
    path = project_file(text)
    with pytest.raises(ConfigError, match=words) as caught:
        LazyNapariStreamingConfig().resolve()
    assert str(path) in str(caught.value)


def test_a_file_is_read_again_when_it_changes_and_may_be_named(
    project_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_file("[fiji]\nlut = 'Fire'\n[someone_elses]\nport = 1")
    assert LazyFijiStreamingConfig().lut == "Fire"
    project_file("[fiji]\nlut = 'Spectrum'")
    assert LazyFijiStreamingConfig().lut == "Spectrum"
    other = tmp_path / "other.toml"
    monkeypatch.setenv("COVERSLIP_CONFIG", str(other))
    with pytest.raises(ConfigError, match=r"other\.toml cannot be read"):
        LazyFijiStreamingConfig().resolve()
    other.write_text("[fiji]\nlut = 'Ice'", encoding="utf-8")
    assert LazyFijiStreamingConfig().explain()["lut"] == ("Ice", str(other))


def test_declared_components_are_inherited_too(
    project_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = declare_components("plate", "cycle")
    project_file("[napari]\nplate_mode = 'separate'\nsomebodys_mode = 'slice'")
    monkeypatch.setenv("COVERSLIP_NAPARI_CYCLE_MODE", "slice")
    modes = configs.lazy_napari_streaming().modes()
    assert (modes["plate"], modes["cycle"]) == ("separate", "slice")
    with scope(pipeline=configs.napari_streaming(plate_mode="slice")):
        assert configs.lazy_napari_streaming().modes()["plate"] == "slice"


def test_what_was_given_travels_and_the_rest_is_looked_up_there() -> None:
    lazy = LazyNapariStreamingConfig(opacity=0.5)
    with scope(step=NapariStreamingConfig(colormap="red")):
        received, resolved = pickle.loads(pickle.dumps((lazy, lazy.resolve())))
    assert received == lazy
    assert (received.opacity, received.colormap) == (0.5, NapariColormap.GRAY)
    assert resolved.colormap is NapariColormap.RED


def test_threads_do_not_see_each_others_scopes() -> None:
    at_once = threading.Barrier(2, timeout=20)
    seen: dict[str, list[object]] = {}

    def work(colormap: str) -> None:
        before = LazyNapariStreamingConfig().colormap
        with scope(step=LazyNapariStreamingConfig(colormap=colormap)):
            at_once.wait()
            within = LazyNapariStreamingConfig().colormap
            at_once.wait()
        seen[colormap] = [before, within]

    with scope(pipeline=NapariStreamingConfig(colormap="blue")):
        alone = threading.Thread(target=work, args=("red",))
        informed = threading.Thread(target=contextvars.copy_context().run, args=(work, "green"))
        for thread in (alone, informed):
            thread.start()
        for thread in (alone, informed):
            thread.join()
        assert LazyNapariStreamingConfig().colormap == "blue"
    assert seen == {"red": ["gray", "red"], "green": ["blue", "green"]}


def test_tasks_do_not_see_each_others_scopes() -> None:
    async def work(colormap: str, arrived: asyncio.Event, other: asyncio.Event) -> object:
        with scope(step=LazyNapariStreamingConfig(colormap=colormap)):
            arrived.set()
            await asyncio.wait_for(other.wait(), 20)
            return LazyNapariStreamingConfig().colormap

    async def both() -> list[object]:
        first, second = asyncio.Event(), asyncio.Event()
        tasks = work("red", first, second), work("green", second, first)
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(both()) == ["red", "green"]
