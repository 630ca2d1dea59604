"""Configurations for components of one's own: ``plate`` gives a ``plate_mode``, and so on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from coverslip.payload import Mode, UnsupportedArray, as_components
from coverslip.viewers.config.base import Config
from coverslip.viewers.config.display import FijiDisplayConfig, NapariDisplayConfig
from coverslip.viewers.config.fields import MODE_SUFFIX
from coverslip.viewers.config.lazy import (
    LazyFijiDisplayConfig,
    LazyFijiStreamingConfig,
    LazyNapariDisplayConfig,
    LazyNapariStreamingConfig,
)
from coverslip.viewers.config.streaming import FijiStreamingConfig, NapariStreamingConfig
from coverslip.viewers.errors import ConfigError

__all__ = ["ComponentConfigs", "declare_components"]

C = TypeVar("C", bound=Config)

_Modes: TypeAlias = tuple[tuple[str, Mode], ...]


class ComponentConfigs(NamedTuple):
    """The configuration classes with mode fields for declared components.

    Typed as what makes a configuration, since no type checker can see fields that are declared
    while the program runs. Where that matters, write the field down instead::

        @dataclass(frozen=True, kw_only=True)
        class PlateConfig(NapariStreamingConfig):
            plate_mode: NapariDimensionMode = NapariDimensionMode.STACK
    """

    napari_display: Callable[..., NapariDisplayConfig]
    napari_streaming: Callable[..., NapariStreamingConfig]
    fiji_display: Callable[..., FijiDisplayConfig]
    fiji_streaming: Callable[..., FijiStreamingConfig]
    lazy_napari_display: Callable[..., LazyNapariDisplayConfig]
    lazy_napari_streaming: Callable[..., LazyNapariStreamingConfig]
    lazy_fiji_display: Callable[..., LazyFijiDisplayConfig]
    lazy_fiji_streaming: Callable[..., LazyFijiStreamingConfig]


def declare_components(*names: str, **modes: Mode | str) -> ComponentConfigs:
    """Return the configuration classes with a mode field for each of these components.

    Parameters
    ----------
    *names : str
        Components, in the mode that viewers give what they do not know: STACK.
    **modes : Mode or str
        Components, and the mode that each has unless a configuration says otherwise.

    Raises
    ------
    ConfigError
        A name cannot be a field's, or a mode is unknown.

    Examples
    --------
    >>> from coverslip.viewers.config import declare_components
    >>> configs = declare_components("plate", donor="separate")
    >>> configs.napari_streaming(plate_mode="slice").modes()["plate"]
    'slice'
    """
    declared: dict[str, Mode] = {}
    for name, mode in {**dict.fromkeys(names, Mode.STACK), **modes}.items():
        try:
            as_components({name: ""})
            declared[name] = Mode(mode.casefold() if isinstance(mode, str) else mode)
        except (UnsupportedArray, ValueError) as error:
            raise ConfigError(f"the component {name!r}: {error}") from None
        if not name.isidentifier():
            raise ConfigError(f"the component {name!r}: a field's name is letters, digits and _")
    return _declared(tuple(declared.items()))


@functools.cache
def _declared(modes: _Modes) -> ComponentConfigs:
    napari_display = _plain(NapariDisplayConfig, modes, "napari_display")
    napari_streaming = _plain(NapariStreamingConfig, modes, "napari_streaming")
    fiji_display = _plain(FijiDisplayConfig, modes, "fiji_display")
    fiji_streaming = _plain(FijiStreamingConfig, modes, "fiji_streaming")
    return ComponentConfigs(
        napari_display,
        napari_streaming,
        fiji_display,
        fiji_streaming,
        _lazy(LazyNapariDisplayConfig, napari_display, modes, "lazy_napari_display"),
        _lazy(LazyNapariStreamingConfig, napari_streaming, modes, "lazy_napari_streaming"),
        _lazy(LazyFijiDisplayConfig, fiji_display, modes, "lazy_fiji_display"),
        _lazy(LazyFijiStreamingConfig, fiji_streaming, modes, "lazy_fiji_streaming"),
    )


def _plain(base: type[C], modes: _Modes, place: str) -> type[C]:
    """Return a configuration class with mode fields; what it is in ComponentConfigs is `place`."""
    return dataclasses.make_dataclass(
        _title(base, modes),
        [(f"{name}{MODE_SUFFIX}", Mode, dataclasses.field(default=mode)) for name, mode in modes],
        bases=(base,),
        namespace={"__module__": __name__, "__reduce__": _by_declaration(modes, place)},
        frozen=True,
        kw_only=True,
        repr=False,
    )


def _lazy(form: type[C], plain: type[Config], modes: _Modes, place: str) -> type[C]:
    namespace = {"__module__": __name__, "__reduce__": _by_declaration(modes, place)}
    return cast(type[C], type(_title(form, modes), (form, plain), namespace))


def _title(base: type[Config], modes: _Modes) -> str:
    return f"{base.__name__}[{', '.join(name for name, _ in modes)}]"


def _by_declaration(modes: _Modes, place: str) -> Callable[[Config], tuple[Any, ...]]:
    """Return how such a configuration is pickled: its class has no name to be imported by."""
    return lambda config: (_revived, (modes, place, dict(vars(config))))


def _revived(modes: _Modes, place: str, state: Mapping[str, Any]) -> Config:
    made: Config = object.__new__(getattr(_declared(modes), place))
    vars(made).update(state)
    return made
