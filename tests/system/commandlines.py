"""Command lines as text: taken apart, and held against the programs that they call."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer import BadParameter
from typer.main import get_command

from coverslip.viewers.cli.app import app

UsageError: Any = BadParameter.__mro__[1]
"""Of the click that typer brings along, and does not export."""

__all__ = ["commands", "complaint", "syntax_error"]

ROOT = Path(__file__).resolve().parents[2]
_ENDS = re.compile(r"[;&|()<>]+")


def syntax_error(code: str) -> str:
    """Return what bash has to say about code that it does not run, or nothing."""
    done = subprocess.run(["bash", "-n", "-c", code], capture_output=True, text=True, check=False)
    return done.stderr


def commands(code: str) -> Iterator[list[str]]:
    """Yield the words of each command, or of the one of ours that it starts (``ssh``)."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not _ENDS.fullmatch(word):
                words.append(word)
            elif words:
                yield from _nested(words)
                words = []


def _nested(words: list[str]) -> Iterator[list[str]]:
    for number, word in enumerate(words):
        if word in {"coverslip", "hatch"} and words[0] not in {"pip", word}:
            yield words[number:]
            return
    yield words


def complaint(words: list[str]) -> str:
    """Return what is wrong with a command of ours, or nothing; others are not looked at."""
    match words:
        case ["coverslip", *arguments]:
            return _of_coverslip(arguments)
        case ["hatch", "run", name, *_]:
            return _of_hatch(name)
        case ["pip", "install", *requirements]:
            return next(filter(None, map(_of_pip, requirements)), "")
    return ""


def _of_coverslip(arguments: list[str]) -> str:
    command: Any = get_command(app)
    context = command.context_class(command, info_name="coverslip")
    try:
        while hasattr(command, "commands"):
            _, rest, _ = command.make_parser(context).parse_args(list(arguments))
            if not rest:
                return ""
            if rest[0].isupper():  # stands for any
                return ""
            if rest[0] not in command.commands:
                return f"there is no `coverslip {rest[0]}`"
            command, arguments = command.commands[rest[0]], rest[1:]
            context = command.context_class(command, info_name=command.name)
        command.make_parser(context).parse_args(list(arguments))
    except UsageError as error:
        return f"{command.name}: {error.message}"
    return ""


def _of_hatch(name: str) -> str:
    environments = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))["envs"]
    environment, colon, script = name.rpartition(":")
    known = environments[environment if colon else "default"]["scripts"]
    return "" if script in known else f"hatch.toml has no script {name!r}"


def _of_pip(requirement: str) -> str:
    ours = re.fullmatch(
        r"(?:coverslip-|(?:\.\./)*(?:\./)?packages/)(\w+)(?:\[(.*)\])?", requirement
    )
    if ours is None:
        return ""
    file = ROOT / "packages" / ours[1] / "pyproject.toml"
    if not file.is_file():
        return f"there is no package {requirement}"
    extras = tomllib.loads(file.read_text(encoding="utf-8"))["project"].get("optional-dependencies")
    unknown = {name.strip() for name in (ours[2] or "").split(",") if name} - set(extras or ())
    return f"{requirement}: no extra {', '.join(sorted(unknown))}" if unknown else ""
