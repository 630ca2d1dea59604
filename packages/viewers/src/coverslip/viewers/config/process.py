"""What a process has configured: ``COVERSLIP_…`` variables, and ``coverslip.toml``.

The file is the nearest one from the working folder upward; what it leaves open, the one in the
user's configuration folder says. ``COVERSLIP_CONFIG`` names another one, in place of both. ::

    [streaming]            # COVERSLIP_STREAMING_PERSISTENT=false
    persistent = false

    [napari]               # COVERSLIP_NAPARI_PORT=5600, COVERSLIP_NAPARI_SITE_MODE=separate
    port = 5600
    site_mode = "separate"
    scale = { z = 2.0, y = 0.325, x = 0.325 }

A viewer's own table wins over ``[streaming]``, which speaks for all of them.
"""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import platformdirs

from coverslip.viewers.config.base import Config
from coverslip.viewers.config.fields import (
    MODE_SUFFIX,
    check_value,
    config_fields,
    did_you_mean,
    parse_text,
)
from coverslip.viewers.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "FILE_NAME", "ProcessSettings", "Setting"]

FILE_NAME: Final = "coverslip.toml"
CONFIG_VARIABLE: Final = "COVERSLIP_CONFIG"
_PREFIX: Final = "COVERSLIP_"


class Setting(NamedTuple):
    """What the process says of a field, and where."""

    value: Any
    source: str


class ProcessSettings:
    """The variables and files as they were when this was made."""

    def __init__(self, variables: Mapping[str, str], files: Mapping[Path, _Tables]) -> None:
        self._variables = variables
        self._files = files

    @classmethod
    def now(cls) -> Self:
        """Read them; a file that has not changed since is not read again.

        Raises
        ------
        ConfigError
            A file cannot be read, or it or a variable says something that no configuration knows.
        """
        _check_variables(tuple(name for name in os.environ if name.startswith(_PREFIX)))
        return cls(os.environ, {path: _tables(path) for path in _files()})

    def get(self, config: type[Config], name: str) -> Setting | None:
        """Return what a field is set to, None where it is not.

        Raises
        ------
        ConfigError
            The field does not take that value; the message says where it stands.
        """
        keys = [(section, name.removeprefix(f"{section}_")) for section in _sections(config, name)]
        for section, key in keys:
            variable = f"{_PREFIX}{section}_{key}".upper()
            if (text := self._variables.get(variable)) is not None:
                with _blame(variable):
                    return Setting(parse_text(config, name, text), variable)
        for path, tables in self._files.items():
            for section, key in keys:
                if key in tables.get(section, {}):
                    with _blame(f"{path}, [{section}]"):
                        value = check_value(config, name, tables[section][key])
                    return Setting(value, str(path))
        return None


_Tables = Mapping[str, Mapping[str, Any]]


def _sections(config: type[Config], name: str) -> list[str]:
    """Return the tables that a field may stand in: the viewer's own, then those of its bases."""
    owners = [base for base in config.__mro__ if issubclass(base, Config)]
    return list(dict.fromkeys(owner.section for owner in owners if name in config_fields(owner)))


def _files() -> Iterator[Path]:
    """Return the files that count, the nearest first."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        yield Path(named)
        return
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working folder was removed
        folders: tuple[Path, ...] = ()
    else:
        folders = (here, *here.parents)
    project = next((path for path in (one / FILE_NAME for one in folders) if path.is_file()), None)
    if project is not None:
        yield project
    user = platformdirs.user_config_path("coverslip", appauthor=False) / FILE_NAME
    if user != project and user.is_file():
        yield user


def _tables(path: Path) -> _Tables:
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


@functools.lru_cache(maxsize=8)
def _read(path: Path, modified: int, size: int) -> _Tables:
    """Return a file's tables that mean something here; a changed file is another entry."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    known = _known_keys()
    tables = {section: document[section] for section in known if section in document}
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is no table; write [{section}]")
        with _blame(f"{path}, [{section}]"):
            for key in table:
                _check_key(key, known[section])
    return tables


@functools.lru_cache(maxsize=8)
def _check_variables(names: tuple[str, ...]) -> None:
    """Hold variables against what can be set; those of no section here are not ours to judge."""
    known = _known_keys()
    for name in names:
        # The longest that fits: a third party's section may begin as another one does.
        for section in sorted(known, key=len, reverse=True):
            prefix = f"{_PREFIX}{section}_".upper()
            if name.startswith(prefix):
                with _blame(name):
                    _check_key(name.removeprefix(prefix).lower(), known[section])
                break


def _check_key(key: str, known: set[str]) -> None:
    # A component that this process did not declare has its mode here for another one.
    if key not in known and not key.endswith(MODE_SUFFIX):
        raise ConfigError(f"nothing is called {key!r}{did_you_mean(key, sorted(known))}")


def _known_keys() -> dict[str, set[str]]:
    """Return what each table may hold, as the configurations that there are have it."""
    known: dict[str, set[str]] = {}
    waiting = [Config]
    while waiting:
        config = waiting.pop()
        waiting += config.__subclasses__()
        known.setdefault(config.section, set()).update(
            name.removeprefix(f"{config.section}_") for name in config_fields(config)
        )
    return known


@contextmanager
def _blame(where: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
