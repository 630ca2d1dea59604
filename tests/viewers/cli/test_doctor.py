"""``coverslip doctor``: words for people, JSON for programs, and an exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from coverslip.viewers import doctor
from coverslip.viewers.doctor import Finding, State
from tests.viewers.cli.program import Command


def checks(*states: State) -> tuple[tuple[str, object], ...]:
    def check(state: State) -> Iterator[Finding]:
        yield Finding("thing", state, "as [it] is", "" if state is State.OK else "do this")

    return tuple(("thing", lambda state=state: check(state)) for state in states)


@pytest.mark.parametrize(
    ("states", "status", "summary"),
    [
        ((State.OK,), 0, "all is well"),
        ((State.OK, State.WARN), 0, "nothing stands in the way"),
        ((State.FAIL, State.WARN), 1, "stands in the way: each says what to do"),
    ],
)
def test_each_state_is_a_word_and_what_fails_is_the_exit_status(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    states: tuple[State, ...],
    status: int,
    summary: str,
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", checks(*states))
    ended = command("doctor")
    assert ended.status == status
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines if "thing: as [it] is" in line] == list(states)
    assert ended.out.count("→ do this") == len([one for one in states if one is not State.OK])
    assert summary in ended.err


def test_json_is_all_that_is_printed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", checks(State.OK, State.FAIL))
    ended = command("doctor", "--json")
    assert ended.status == 1
    assert json.loads(ended.out) == {
        "state": "fail",
        "checks": [
            {"name": "thing", "state": "ok", "found": "as [it] is", "advice": ""},
            {"name": "thing", "state": "fail", "found": "as [it] is", "advice": "do this"},
        ],
    }
    assert ended.err == ""


@pytest.mark.extra
def test_this_machine_is_looked_at(command: Command) -> None:
    ended = command("doctor", "--json")
    told = json.loads(ended.out)
    assert ended.status == (1 if told["state"] == "fail" else 0)
    names = [check["name"] for check in told["checks"]]
    for name in ("display", "Qt", "OpenGL", "Java", "ImageJ", "shared memory", "packages"):
        assert name in names
    assert not any("could not be looked at" in check["found"] for check in told["checks"])
    assert all(check["advice"] for check in told["checks"] if check["state"] != "ok")
