"""Where a pipeline's planes go: the viewers' addresses and lives, with how they draw."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta

from coverslip.viewers.config.base import Config
from coverslip.viewers.config.display import FijiDisplayConfig, NapariDisplayConfig
from coverslip.viewers.config.fields import Port
from coverslip.viewers.memory.budget import parse_size, size_setting

__all__ = [
    "FijiStreamingConfig",
    "Keep",
    "NapariStreamingConfig",
    "StreamingConfig",
    "stream_budget",
    "streaming_config",
]

Keep: TypeAlias = Literal["all", "latest"] | Annotated[int, Meta(ge=1, le=2**31 - 1)]


def _size_or_none(size: str | int | None) -> None:
    if size is not None:
        parse_size(size)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class StreamingConfig(Config):
    """Whether planes are streamed, and what becomes of the viewer.

    A viewer of a third party's has a configuration of its own: a subclass of this one and of
    `DisplayConfig`, with its `kind` and `section`, and fields called ``<kind>_port`` and
    ``<kind>_host``.

    Parameters
    ----------
    enabled : bool, default True
        Otherwise no viewer is looked for and nothing is sent.
    persistent : bool, default True
        A viewer that is started outlives the pipeline.
    replace_layers : bool, default False
        Empty the viewer when it is found.
    viewer_title : str, optional
        The window's title.
    memory : str or int, optional
        What a viewer that is started may take, such as ``"2GiB"``; by default 4 GiB, or half of
        what is free then.
    keep : {"all", "latest"} or int, default "all"
        How many planes of each layer the viewer keeps, the newest; older ones leave the layer.
    budget : str or int, optional
        What planes may take while they wait for the viewer, such as ``"2GiB"``; by default 1 GiB,
        or an eighth of what is free. Of several viewers on one stream the largest holds.
    """

    limits: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "memory": _size_or_none,
        "budget": _size_or_none,
    }

    enabled: bool = True
    persistent: bool = True
    replace_layers: bool = False
    viewer_title: str | None = None
    memory: str | int | None = None
    keep: Keep = "all"
    budget: str | int | None = None

    @property
    def port(self) -> int | None:
        """Data port; None takes a running viewer's, else the first free one."""
        port: int | None = getattr(self, f"{self.kind}_port", None)
        return port

    @property
    def host(self) -> str:
        """The machine that the viewer runs on."""
        return str(getattr(self, f"{self.kind}_host", "localhost"))


def stream_budget(budget: str | int | None, configs: Iterable[Config | None]) -> int | None:
    """Return the bytes that planes may take; None where neither `budget` nor a configuration says.

    Raises
    ------
    ConfigError
        The `budget` is no size.
    """
    if budget is not None:
        return size_setting("budget", budget)
    said = (getattr(config, "budget", None) for config in configs)
    return max((parse_size(one) for one in said if one is not None), default=None)


def streaming_config(kind: str) -> type[StreamingConfig]:
    """Return the class that configures streaming to a viewer kind; that for any, if it has none."""
    waiting = list(StreamingConfig.__subclasses__())
    for config in waiting:  # grows: what others stand on comes before them
        if config.kind == kind:
            return config
        waiting += config.__subclasses__()
    return StreamingConfig


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class NapariStreamingConfig(StreamingConfig, NapariDisplayConfig):
    """Streaming to napari.

    Parameters
    ----------
    napari_port : int or None, default 5555
        Data port; None takes a running viewer's, else the first free one from 5555.
    napari_host : str, default "localhost"
        The machine that the viewer runs on.
    enabled, persistent, replace_layers, viewer_title, memory, keep, budget : optional
        See `StreamingConfig`.
    colormap, variable_size_handling, channel_mode, … : optional
        See `NapariDisplayConfig`.
    """

    napari_port: Port | None = 5555
    napari_host: str = "localhost"


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FijiStreamingConfig(StreamingConfig, FijiDisplayConfig):
    """Streaming to ImageJ.

    Parameters
    ----------
    fiji_port : int or None, default 5556
        Data port; None takes a running viewer's, else the first free one from 5556.
    fiji_host : str, default "localhost"
        The machine that the viewer runs on.
    enabled, persistent, replace_layers, viewer_title, memory, keep, budget : optional
        See `StreamingConfig`.
    lut, dimensions, channel_mode, … : optional
        See `FijiDisplayConfig`.
    """

    fiji_port: Port | None = 5556
    fiji_host: str = "localhost"
