"""Configurations whose unset fields are inherited: from the step, the pipeline, the process.

A field is looked up each time that it is read, in this order:

1. what was given to this very configuration;
2. the step's, then the pipeline's configuration, as far as they set it (`scope`);
3. the process's: ``COVERSLIP_…`` variables, then ``coverslip.toml`` (`process`);
4. the default.

A value that was given counts, also where it equals the default. What is not given is not there:
no value stands for it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from msgspec import UNSET

from coverslip.viewers.config.base import Config
from coverslip.viewers.config.display import FijiDisplayConfig, NapariDisplayConfig
from coverslip.viewers.config.fields import check_value, config_fields, default_of
from coverslip.viewers.config.process import ProcessSettings
from coverslip.viewers.config.scope import configs_in, in_scope
from coverslip.viewers.config.streaming import FijiStreamingConfig, NapariStreamingConfig
from coverslip.viewers.errors import ConfigError

__all__ = [
    "Lazy",
    "LazyFijiDisplayConfig",
    "LazyFijiStreamingConfig",
    "LazyNapariDisplayConfig",
    "LazyNapariStreamingConfig",
    "Origin",
    "config_for",
    "config_in_force",
    "config_in_scope",
]

C = TypeVar("C", bound=Config)


class Origin(NamedTuple):
    """A field's value and where it came from."""

    value: Any
    source: str
    """``"given"``, ``"step"``, ``"pipeline"``, ``"default"``, or a variable's name or a file's."""

    def __str__(self) -> str:
        return f"{self.value!r} ({self.source})"


class _Inherited:
    """An unset field. A given one lies in the instance, where Python looks before this."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, config: Lazy[Any] | None, owner: type) -> Any:
        return self if config is None else config.origin(self.name).value


class Lazy(Generic[C]):
    """What makes a configuration's Lazy form: ``class LazyX(Lazy[X], X)``, and nothing in it.

    The form takes the fields of ``X`` and is one: whoever takes an ``X`` takes it, too.
    """

    concrete: ClassVar[type[Config]]
    """The configuration that it is the Lazy form of."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.concrete = next(
            base
            for base in cls.__bases__
            if issubclass(base, Config) and not issubclass(base, Lazy)
        )
        for name in config_fields(cls.concrete):
            setattr(cls, name, _Inherited(name))
        # Not written as a method: type checkers are to see the fields that X's own takes.
        type.__setattr__(cls, "__init__", _set_given)

    @property
    def given(self) -> dict[str, Any]:
        """The fields that are set here, and their values."""
        return dict(vars(self))

    def origin(self, name: str) -> Origin:
        """Return a field's value as of now, and where it comes from."""
        return self._origin(name, None)

    def explain(self) -> dict[str, Origin]:
        """Return each field's value as of now, and where it comes from."""
        process = ProcessSettings.now()
        return {name: self._origin(name, process) for name in config_fields(self.concrete)}

    def _origin(self, name: str, process: ProcessSettings | None) -> Origin:
        if name in vars(self):
            return Origin(vars(self)[name], "given")
        return _inherited(self.concrete, name, process)

    def resolve(self) -> C:
        """Return a configuration with every field as it is now, that inherits no more.

        For another process, which does not see this one's scopes.
        """
        values = {name: origin.value for name, origin in self.explain().items()}
        return self.concrete(**values)  # type: ignore[return-value]  # concrete is C, at run time

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields set, or unset by `msgspec.UNSET`."""
        return type(self)(**(self.given | changes))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self)))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({given})"


def _inherited(config: type[Config], name: str, process: ProcessSettings | None) -> Origin:
    """Return a field as the scopes, the process or the class have it."""
    for level, nearest in in_scope(config):
        fields = nearest.given if isinstance(nearest, Lazy) else vars(nearest)
        if name in fields:
            return Origin(check_value(config, name, fields[name]), level)
    found = (process or ProcessSettings.now()).get(config, name)
    if found is not None:
        return Origin(*found)
    return Origin(default_of(config.__dataclass_fields__[name]), "default")


def config_in_scope(config: type[C]) -> C | None:
    """Return what a configuration of that class is within the scopes, None outside of any.

    Its class is a scope's own where that stands on `config` and has more fields.
    """
    found = [one.concrete if isinstance(one, Lazy) else type(one) for _, one in in_scope(config)]
    if not found:
        return None
    own = max([config, *(one for one in found if issubclass(one, config))], key=_depth)
    process = ProcessSettings.now()
    return own(**{name: _inherited(own, name, process).value for name in config_fields(own)})


def config_in_force(config: type[C]) -> C | None:
    """Return what holds where no configuration is given: the scopes', else the process's.

    Within a scope, and for what the process sets, as `config_in_scope`. What a process leaves open
    outside of any scope is left to the viewer: None, where the field may be None, so any running
    viewer's port and its own choice of colours.

    Returns
    -------
    Config or None
        None where neither says anything.
    """
    within = config_in_scope(config)
    if within is not None:
        return within
    process = ProcessSettings.now()
    settings = {name: process.get(config, name) for name in config_fields(config)}
    given = {name: setting.value for name, setting in settings.items() if setting is not None}
    if not given:
        return None
    left = {name: None for name in settings if name not in given and _may_be_none(config, name)}
    return config(**left, **given)


def _may_be_none(config: type[Config], name: str) -> bool:
    try:
        return check_value(config, name, None) is None
    except ConfigError:
        return False


def _depth(config: type) -> int:
    return len(config.__mro__)


def config_for(kind: str, holder: object) -> Config | None:
    """Return the configuration for a viewer kind among those that an object is or holds.

    Parameters
    ----------
    kind : str
        The viewer, as `connect` calls it.
    holder : object
        What `scope` takes; None holds none.

    Returns
    -------
    Config or None
        With every field as it is now. One for any viewer is taken where none is for this one.
    """
    fitting = [one for one in configs_in(holder) if one.kind in (kind, "")]
    if not fitting:
        return None
    best = max(fitting, key=lambda one: bool(one.kind))
    return best.resolve() if isinstance(best, Lazy) else best


def _set_given(self: Lazy[Any], /, **given: Any) -> None:
    for name, value in given.items():
        if value is not UNSET:
            vars(self)[name] = check_value(self.concrete, name, value)
    # What one field allows another is refused here, too, and not when it is resolved.
    self.concrete(**vars(self))


class LazyNapariDisplayConfig(Lazy[NapariDisplayConfig], NapariDisplayConfig):
    """A `NapariDisplayConfig` whose unset fields are inherited."""


class LazyFijiDisplayConfig(Lazy[FijiDisplayConfig], FijiDisplayConfig):
    """A `FijiDisplayConfig` whose unset fields are inherited."""


class LazyNapariStreamingConfig(Lazy[NapariStreamingConfig], NapariStreamingConfig):
    """A `NapariStreamingConfig` whose unset fields are inherited."""


class LazyFijiStreamingConfig(Lazy[FijiStreamingConfig], FijiStreamingConfig):
    """A `FijiStreamingConfig` whose unset fields are inherited."""
