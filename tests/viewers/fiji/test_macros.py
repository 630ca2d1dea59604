"""Macros in a real ImageJ: their answers, their errors, and how one that does not end is ended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coverslip.transport import RequestRefused
from coverslip.viewers import ViewerGone
from tests.viewers.fiji.conftest import Bench
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.gui

ENDLESS = {
    "a loop": "while (true) { x = 1; }",
    "a loop in a macro that it runs": "eval('while (true) { x = 1; }');",
    "time": "wait(1000000);",
    "a dialog that tells": "showMessage('until somebody comes');",
    "a dialog that asks": "Dialog.create('how many?'); Dialog.addNumber('n', 1); Dialog.show();",
    "a dialog for the user": "waitForUser('draw something');",
    "a question": "getBoolean('Is it?');",
}


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread that waits for a macro while the test does something else."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_macro_answers_and_takes_an_argument(bench: Bench) -> None:
    assert bench.macro("return '' + 6 * 7") == "42"
    assert bench.view.run_macro("return getArgument()", "well A01") == "well A01"
    assert bench.macro("x = 1;") == ""
    assert bench.macro("if (nImages == 0) exit; x = 1 / 'no number';") == ""


FAILURES = {
    "this is no macro (": "Undefined variable in line 1",
    "x = 1;\nselectImage(99);\nreturn 'went on'": "99 not found.* in line 2",
    "x = 1;\ny = (2;": r"'\)' expected in line 2",
    "x = 1;\n\nrun('no such command');": "no such command.* in line 3",
    "run('Invert');": "no images open in line 1",
    "x = 1;\nexit('no cells here');": "no cells here in line 2",
    "x = 1;\neval('x = 1;\\nx = 1;\\nselectImage(98);');": "98 not found.*in line 3 of a macro",
    "exit('<html>no <b>cells</b> either');": "no cells either in line 1",
    "return 7;": "can only return strings",
}


@pytest.mark.parametrize("text", FAILURES)
def test_what_imagej_says_of_an_error_is_the_answer_and_no_dialog_waits(
    bench: Bench, text: str
) -> None:
    with pytest.raises(RequestRefused, match=f"(?i)the macro failed: .*{FAILURES[text]}"):
        bench.macro(text)
    assert bench.macro("return 'and goes on'") == "and goes on"


def test_errors_one_upon_the_other_hold_up_nothing(bench: Bench) -> None:
    for text, reason in 4 * [*FAILURES.items()]:
        with pytest.raises(RequestRefused, match=f"(?i){reason}"):
            bench.macro(text)


def test_a_macro_that_fails_in_batch_mode_leaves_nothing_hidden(bench: Bench) -> None:
    with pytest.raises(RequestRefused, match="enough"):
        bench.macro("setBatchMode(true); newImage('hidden', '8-bit', 9, 9, 1); exit('enough');")
    assert bench.macro("return '' + is('Batch Mode') + ' ' + nImages") == "0 0"


@pytest.mark.parametrize("way", ENDLESS)
def test_one_that_does_not_end_holds_up_the_next_until_it_is_ended(
    bench: Bench, beside: ThreadPoolExecutor, tmp_path: Path, way: str
) -> None:
    sign = tmp_path / "it runs"
    text = f"File.saveString('', getArgument());\n{ENDLESS[way]}"
    endless = beside.submit(bench.view.run_macro, text, str(sign), DEADLINE)
    try:
        eventually(sign.exists, "it runs")
        with pytest.raises(RequestRefused, match=r"runs already: .*View\.abort_macro"):
            bench.macro("return 'too early'")
    finally:
        bench.view.abort_macro()
    with pytest.raises(RequestRefused, match="the macro failed: it was told to end"):
        endless.result(DEADLINE)
    assert bench.macro("return 'and goes on'") == "and goes on"


def test_one_that_takes_longer_than_it_is_waited_for_goes_on(bench: Bench, tmp_path: Path) -> None:
    end = tmp_path / "end"
    text = "while (!File.exists(getArgument())) wait(5);"
    try:
        with pytest.raises(ViewerGone, match=r"has not answered within 0\.2 s: .*abort_macro"):
            bench.view.run_macro(text, str(end), timeout=0.2)
        with pytest.raises(RequestRefused, match="runs already"):
            bench.macro("")
    finally:
        end.touch()
    eventually(lambda: answers(bench), "it has ended by itself")


def answers(bench: Bench) -> bool:
    try:
        bench.macro("")
    except RequestRefused:
        return False
    return True


def test_to_end_one_where_none_runs_is_nothing(bench: Bench) -> None:
    bench.view.abort_macro()
    assert bench.macro("return 'runs'") == "runs"
