"""What docs/troubleshooting.md quotes is what the code says, word by word."""

from __future__ import annotations

import ast
from functools import cache

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.system.test_docs import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ANY = "…"
LONGEST = 400
"""Characters of a message; what is longer is a docstring."""


def quotes() -> list[str]:
    """Return the messages of the page: its code in bold, and in the first column of a table."""
    found: list[str] = []
    tokens = MarkdownIt().enable("table").parse(PAGE.read_text(encoding="utf-8"))
    for number, token in enumerate(tokens):
        if token.type == "inline":
            around = [each.type for each in tokens[number - 2 : number]]
            found += _quoted(token, all_of_it=around == ["tr_open", "td_open"])
    return found


def _quoted(inline: Token, *, all_of_it: bool) -> list[str]:
    found, bold = [], 0
    for child in inline.children or ():
        bold += {"strong_open": 1, "strong_close": -1}.get(child.type, 0)
        if child.type == "code_inline" and (bold or all_of_it):
            found.append(child.content)
    return found


@cache
def said() -> list[str]:
    """Return the packages' messages, with `ANY` where a value is put in."""
    texts: list[str] = []
    for source in ROOT.glob("packages/*/src/**/*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else ANY for part in node.values
                ]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value.replace("%s", ANY))
    return [text for text in texts if len(text) < LONGEST]


def alike(one: str, other: str) -> bool:
    """Whether some text is both, where `ANY` stands for any text."""

    @cache
    def from_here(i: int, j: int) -> bool:
        if i == len(one) or j == len(other):
            return set(one[i:] + other[j:]) <= {ANY}
        if ANY in (one[i], other[j]):
            return from_here(i + 1, j) or from_here(i, j + 1) or from_here(i + 1, j + 1)
        return one[i] == other[j] and from_here(i + 1, j + 1)

    return from_here(0, 0)


def words(text: str) -> int:
    return len(text.replace(ANY, ""))


def test_there_are_messages_to_hold() -> None:
    assert len(quotes()) > 30


@pytest.mark.parametrize("quote", quotes())
def test_the_code_says_so(quote: str) -> None:
    # A text of little else than values would be like any other.
    candidates = [text for text in said() if 2 * words(text) >= words(quote)]
    assert any(alike(quote, text) for text in candidates)


def test_other_words_would_be_noticed() -> None:
    assert not any(
        alike("the viewer does not keep in step", text) for text in said() if words(text) > 15
    )
