"""What `--help` lists, and how."""

from __future__ import annotations

import pytest

from tests.viewers.cli.program import Command

FIRST = ("demo", "view", "watch", "parse", "launch", "list")


def test_commands_stand_in_the_order_in_which_they_are_needed(command: Command) -> None:
    words = [line.split()[1:2] for line in command("--help").out.splitlines()]
    listed = [word for (word,) in filter(None, words) if word in {*FIRST, "relay", "doctor"}]
    assert listed == [*FIRST, "doctor", "relay"]


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ([], ("--version", "--verbose", "--help")),
        (["view"], ("--json", "--clear", "--help")),
        (["connection"], ("--help",)),
    ],
)
def test_a_flag_takes_no_value(command: Command, words: list[str], flags: tuple[str, ...]) -> None:
    text = command(*words, "--help").out
    assert all(flag in text for flag in flags)
    assert "bool" not in text.casefold()
