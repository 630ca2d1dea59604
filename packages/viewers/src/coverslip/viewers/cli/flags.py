"""Help in which a flag is a flag: ``--json``, for which typer writes ``--json <bool>``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


def _plain(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command whose flags are shown without a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, ``--help`` among them."""
        return _plain(super().get_params(ctx))


class Group(TyperGroup):
    """The program, or a group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, ``--help`` among them."""
        return _plain(super().get_params(ctx))
