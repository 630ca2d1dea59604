"""What a pipeline and its steps have configured, for the code that runs within them.

Kept in context variables: another thread, or another asyncio task, sees what it was given and
nothing of its neighbours'. A thread that is to see its starter's scope is run in a copy of its
context (`contextvars.copy_context`), as `asyncio.to_thread` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Final

from coverslip.viewers.config.base import Config
from coverslip.viewers.errors import ConfigError

__all__ = ["LEVELS", "configs_in", "in_scope", "scope"]

_Configs = tuple[Config, ...]

LEVELS: Final[dict[str, ContextVar[_Configs]]] = {
    "step": ContextVar("coverslip-step", default=()),
    "pipeline": ContextVar("coverslip-pipeline", default=()),
}
"""From the nearest to the farthest; each holds the innermost scope's configurations first."""


@contextmanager
def scope(*, pipeline: object = None, step: object = None) -> Iterator[None]:
    """Configure what runs within a ``with`` block: a pipeline, a step, or both.

    Parameters
    ----------
    pipeline, step : object, optional
        A configuration, several, or an object of the pipeline's own that holds some as
        attributes, such as ``PipelineConfig(napari_streaming=NapariStreamingConfig(…))``.
        All fields of a configuration count as set; of a Lazy one, those that were given.

    Raises
    ------
    ConfigError
        No configuration is in there.

    Examples
    --------
    >>> from coverslip.viewers.config import LazyNapariStreamingConfig, scope
    >>> with scope(step=LazyNapariStreamingConfig(colormap="magenta")):
    ...     LazyNapariStreamingConfig().colormap
    <NapariColormap.MAGENTA: 'magenta'>
    """
    with ExitStack() as stack:
        for level, holder in (("pipeline", pipeline), ("step", step)):
            if holder is not None:
                variable = LEVELS[level]
                token = variable.set((*_required(holder), *variable.get()))
                stack.callback(variable.reset, token)
        yield


def in_scope(config: type[Config]) -> Iterator[tuple[str, Config]]:
    """Return the configurations that have a say in one of that class, nearest first.

    They are of its class, of one that it stands on (a `StreamingConfig` speaks for every viewer)
    or of one that stands on it, and none is for another viewer.
    """
    for level, variable in LEVELS.items():
        for found in variable.get():
            # The Lazy form's own class stands beside what it is the form of, not above it.
            of = getattr(found, "concrete", type(found))
            related = issubclass(of, config) or issubclass(config, of)
            if related and of.kind in ("", config.kind):
                yield level, found


def configs_in(holder: object) -> _Configs:
    """Return the configurations that an object is, or holds as items or attributes."""
    if isinstance(holder, Config):
        return (holder,)
    if isinstance(holder, Sequence) and not isinstance(holder, str):
        held: Sequence[object] = holder
    elif dataclasses.is_dataclass(holder):
        held = [getattr(holder, field.name, None) for field in dataclasses.fields(holder)]
    else:
        held = list(getattr(holder, "__dict__", {}).values())
    return tuple(one for one in held if isinstance(one, Config))


def _required(holder: object) -> _Configs:
    found = configs_in(holder)
    if not found:
        raise ConfigError(
            f"a {type(holder).__name__} holds no configuration: give a NapariStreamingConfig, a "
            "FijiStreamingConfig, a Lazy one, or an object that has one as an attribute"
        )
    return found
