"""A batch as a pipeline hands it over, to planes: every image checked before the first is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import ArrayLike

from coverslip.payload import UnsupportedArray, as_origin, as_planes
from coverslip.viewers.backends.base import PathLike
from coverslip.viewers.errors import NoParserMatches
from coverslip.viewers.parsers import parse_path
from coverslip.viewers.stream import Image

__all__ = ["Components", "Parser", "Refusal", "images_of"]

Parser: TypeAlias = str | Callable[[Path], Mapping[str, Any] | None]

Components: TypeAlias = (
    Mapping[str, Any] | Mapping[PathLike, Mapping[str, Any]] | Sequence[Mapping[str, Any]]
)
"""Of the whole batch; of each path, by path or by its name; or one for each path, in order."""


_WANTED = 'components are a mapping, such as {"well": "A01", "site": 3}'


class Refusal(NamedTuple):
    """An image of a batch that cannot be shown, and why."""

    path: PathLike
    error: UnsupportedArray | NoParserMatches

    def __str__(self) -> str:
        return f"{os.fspath(self.path)}: {self.error}"


def images_of(
    data_list: Sequence[ArrayLike],
    file_paths: Sequence[PathLike],
    components: Components | None,
    *,
    parser: Parser,
    axes: Sequence[str] | None,
    rgb: bool,
) -> Iterator[list[Image] | Refusal]:
    """Return the planes of each image in turn, or why there are none.

    Raises
    ------
    ValueError
        Not as many images as paths, or as component mappings; or a path that these do not have.
    TypeError
        A path is not path-like, or components are not a mapping.
    UnknownParser
        No parser goes by that name.
    """
    if isinstance(file_paths, str | os.PathLike):
        raise TypeError(
            f"save_batch got the path {os.fspath(file_paths)!r}: give lists, [image], [path], or "
            "use save(image, path)"
        )
    if len(data_list) != len(file_paths):
        raise ValueError(
            f"save_batch got {len(data_list)} images and {len(file_paths)} paths; "
            f"each image needs its path"
        )
    for path in file_paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"save_batch got {path!r} for a path: give text or a pathlib.Path")
    given = _spread(components, file_paths)
    colour = rgb or (axes is not None and "c" in axes)
    for data, path, known in zip(data_list, file_paths, given, strict=True):
        origin = as_origin(path)
        try:
            planes = as_planes(data, axes=axes, rgb=rgb, components=_read(path, parser, known))
        except (UnsupportedArray, NoParserMatches) as error:
            yield Refusal(path, error)
        else:
            yield [Image(placed, pixels, rgb=colour, origin=origin) for placed, pixels in planes]


def _spread(
    components: Components | None, paths: Sequence[PathLike]
) -> Sequence[Mapping[str, Any] | None]:
    """Return each path's own components."""
    if components is None:
        return [None] * len(paths)
    if isinstance(components, Mapping):
        if components and all(isinstance(one, Mapping) for one in components.values()):
            by_name = {os.fspath(path): one for path, one in components.items()}
            return [_of_path(by_name, path) for path in paths]
        return [{str(name): value for name, value in components.items()}] * len(paths)
    given: object = components  # whatever it is said to be
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"save_batch got components={components!r}: {_WANTED}")
    if len(components) != len(paths):
        raise ValueError(
            f"save_batch got {len(paths)} images and {len(components)} component mappings"
        )
    return components


def _of_path(components: Mapping[str, Mapping[str, Any]], path: PathLike) -> Mapping[str, Any]:
    pure = PurePath(path)
    for name in (os.fspath(path), str(pure), pure.as_posix(), pure.name):
        if name in components:
            return components[name]
    raise ValueError(f"save_batch got components by path, and none for {os.fspath(path)}")


def _mapping(components: object, where: str) -> dict[str, Any]:
    if components is None:
        return {}
    if not isinstance(components, Mapping):
        raise TypeError(f"save_batch got {components!r} {where}: {_WANTED}")
    return dict(components)


def _read(path: PathLike, parser: Parser, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an image's components: those given, over those that its name says."""
    given = _mapping(known, f"for {os.fspath(path)}")
    if callable(parser):
        return {**_mapping(parser(Path(path)), f"from the parser for {os.fspath(path)}"), **given}
    try:
        return {**parse_path(Path(path), parser), **given}
    except NoParserMatches:
        if given:
            return given
        raise
