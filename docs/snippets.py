"""What stands in the pages as code: found there, and run as it stands, from top to bottom.

The rules for those who write a page are in CONTRIBUTING.md. The documentation's build runs the
tutorial so (docs/pictures.py), the tests every other page (tests/system/test_docs_snippets.py).
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["PYTHON", "SHELL", "Block", "find_blocks", "run_page"]

PYTHON = frozenset({"python"})
SHELL = frozenset({"sh", "console"})

_PATIENCE = 100
"""Seconds that one block of shell commands may take."""

_TIMED_OUT = 124
"""The exit status of coreutils' ``timeout``, which ends what bash has started, too."""

_MARK = re.compile(
    r"\s*<!--\s*(?P<what>not run|before|saved as)(?:, (?P<start>[^:]+))?:(?P<text>.*?)-->\s*", re.S
)
_PROMISE = re.compile(r"^\s*print\(.*\)\s{2,}# (.*)$", re.MULTILINE)


@dataclass
class Block:
    """A block of code of a page, and what the page says about running it.

    Parameters
    ----------
    page
        The file.
    line
        Of its first line of code, from 1.
    language
        As the fence names it; ``""`` where it names none or where there is no fence.
    code
        As it stands.
    before
        Code that no reader sees (``<!-- before: … -->``), run ahead of it.
    not_run
        Why the block is not run (``<!-- not run: … -->``); ``""`` if it is.
    saved_as
        The file that it is written to, in place of being run (``<!-- saved as: … -->``).
    lines_not_run
        Why lines that begin in a certain way are not run (``<!-- not run, BEGINNING: … -->``).
    """

    page: Path
    line: int
    language: str
    code: str
    before: str = ""
    not_run: str = ""
    saved_as: str = ""
    lines_not_run: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether it is code that is run, or saved to be."""
        return self.language in PYTHON | SHELL and not self.not_run

    @property
    def what_is_run(self) -> str:
        """The code without the lines that are not run; its lines keep their numbers."""
        kept = (
            "" if line.startswith(tuple(self.lines_not_run)) else line
            for line in self.code.splitlines()
        )
        return "\n".join(kept)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def find_blocks(page: Path) -> list[Block]:
    """Return a page's blocks of code, fenced and indented, in order.

    Raises
    ------
    ValueError
        A comment about running code has no block behind it, or no reason in it.
    """
    found: list[Block] = []
    marks: list[re.Match[str]] = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            marks += _marks(page, token.content)
        elif token.type in {"fence", "code_block"}:
            assert token.map is not None  # of every block
            language = token.info.split()[0] if token.info else ""
            first = token.map[0] + (2 if token.type == "fence" else 1)
            block = Block(page, first, language, token.content)
            for mark in marks:
                _apply(mark, block)
            marks = []
            found.append(block)
        elif marks and token.type.endswith("_open"):
            break
    if marks:
        raise ValueError(f"{page}: no code follows upon {marks[0][0].strip()!r}")
    return found


def _marks(page: Path, text: str) -> Iterator[re.Match[str]]:
    for comment in re.findall(r"<!--.*?-->", text, re.S):
        mark = _MARK.fullmatch(comment)
        if mark is None:
            continue  # a comment about something else
        if not mark["text"].strip():
            raise ValueError(f"{page}: {comment!r} gives no reason")
        yield mark


def _apply(mark: re.Match[str], block: Block) -> None:
    if mark["what"] == "before":
        block.before += mark["text"].strip("\n") + "\n"
    elif mark["what"] == "saved as":
        block.saved_as = mark["text"].strip()
    elif mark["start"] is None:
        block.not_run = mark["text"].strip()
    else:
        if not re.search(f"^{re.escape(mark['start'])}", block.code, re.M):
            raise ValueError(f"{block}: no line begins with {mark['start']!r}")
        block.lines_not_run[mark["start"]] = mark["text"].strip()


def run_page(page: Path, ports: Mapping[int, int] | None = None) -> None:
    """Run a page's blocks in this folder: Python in one namespace, shell by bash.

    Parameters
    ----------
    page
        The file.
    ports
        Those that stand in the page, and the ones to use in their place.

    Raises
    ------
    AssertionError
        It printed something else than the page says: a line that ends in ``print(…)  # text``
        promises its text, in which ``…`` stands for anything.
    """
    module = types.ModuleType("__page__")
    sys.modules[module.__name__] = module  # where a dataclass looks for its names
    for block in find_blocks(page):
        if not block.runs:
            continue
        before, code = (_at_ports(text, ports or {}) for text in (block.before, block.what_is_run))
        if block.saved_as:
            Path(block.saved_as).write_text(code, encoding="utf-8")
        elif block.language in SHELL:
            _run_shell(block, before + code)
        else:
            _run_python(block, before, code, vars(module))


def _at_ports(code: str, ports: Mapping[int, int]) -> str:
    def replace(found: re.Match[str]) -> str:
        return str(ports.get(int(found[0]), found[0]))

    return re.sub(r"\b\d{4}\b", replace, code)


def _run_python(block: Block, before: str, code: str, namespace: dict[str, object]) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(before, f"{block} (before)", "exec"), namespace)  # noqa: S102 - our own page
        # A traceback names the line of the page.
        numbered = "\n" * (block.line - 1) + code
        exec(compile(numbered, str(block.page), "exec"), namespace)  # noqa: S102 - our own page
    said = iter(printed.getvalue().splitlines())
    for promise in _PROMISE.findall(code):
        text = promise.split("  ")[0]
        pattern = re.compile(".*".join(map(re.escape, text.split("…"))))
        # Consumes what was printed up to that line: promises are kept in order.
        kept = any(pattern.fullmatch(line) for line in said)
        assert kept, f"{block} promises {text!r}, and prints:\n{printed.getvalue()}"


def _run_shell(block: Block, code: str) -> None:
    done = subprocess.run(
        # The command that does not end is told from the others by bash, as it begins each.
        ["timeout", str(_PATIENCE), "bash", "-euxo", "pipefail", "-c", code],
        # No console of ours to wait at, and a runtime that finds this environment's programs.
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode != _TIMED_OUT, f"{block} has not ended within {_PATIENCE} s:\n{said}"
    assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{said}"


def main(page: str, *ports: str) -> None:
    """Run one page: ``python docs/snippets.py PAGE [5555=23000 …]``."""
    sys.path[0] = ""  # this folder's files, as for who types it
    pairs = (pair.split("=") for pair in ports)
    run_page(Path(page), {int(theirs): int(ours) for theirs, ours in pairs})


if __name__ == "__main__":
    main(*sys.argv[1:])
