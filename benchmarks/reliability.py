"""``hatch run reliability``: run the faults, and write docs/reliability.md from what they saw.

Each case is a test of `tests.faults`; what it counted stands in pytest's report. A case that fails
writes nothing: the page on file stays that of the last run that held.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"

INVARIANTS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "A viewer never takes the pipeline down, nor stalls it for longer than the stream's limit.",
        ("test_a_viewer_that_stands_still_costs_the_limit_once",),
    ),
    2: (
        "No plane vanishes silently: sent = shown + dropped + failed, at both ends.",
        (
            "test_what_a_close_that_does_not_wait_leaves_out_the_viewer_leaves_out_too",
            "test_an_account_adds_up_whatever_is_asked_of_it",
        ),
    ),
    3: (
        "No shared memory outlives its owner and its readers.",
        ("leaves_nothing_behind",),
    ),
    4: (
        "Nothing that arrives is unpickled, evaluated or imported; what is refused is counted.",
        (
            "test_a_message_is_refused_and_counted",
            "test_nothing_is_read_outside_the_segment",
        ),
    ),
    5: (
        "Every wait has a deadline; every error says what was tried, found, and to do.",
        (
            "test_nobody_asks_for_the_time_of_day",
            "test_control_stays_live_under_a_flood_of_data",
        ),
    ),
    6: (
        "Only processes that hold the key talk to a server.",
        ("test_no_request_gets_in", "test_no_data_get_in"),
    ),
    7: (
        "No process is ever signalled by its port alone.",
        ("test_another_process_with_the_pid_is_left_alone",),
    ),
    8: (
        "A GUI thread only draws.",
        (
            "test_all_but_the_drawing_is_done_while_the_gui_stands_still",
            "test_tiles_are_made_of_images_with_wells_by_the_thread_that_receives",
        ),
    ),
}
"""What always holds, and the tests and fixtures that hold it besides the cases of the table."""

_HEAD = """# Reliability

The faults that coverslip was tested with, and what became of every plane. This page is written by
`hatch run reliability`, which runs `tests/faults` and takes the numbers from there: do not edit it.

Each case counts planes at the stream and, where the viewer outlives it, at the viewer; its test
fails unless sent = shown + dropped + failed at both. It fails, too, when it leaves a thread, a
descriptor, a process, a window or a segment behind, here or in /dev/shm. *Held* is the longest
time that one call of the pipeline took, on a machine that did other work too; the limit of these
streams is {limit:g} s (speed is measured in [Performance](performance.md)). Where a stream ended
with its process, the counts are the viewer's.

"""

_MEANING = """
## What the words mean

- **shown**: it is in the layer that the viewer draws.
- **dropped**: by policy, with a reason that `Statistics.reasons` tells: no viewer, no room, a
  viewer that ended, was closed before it was shown, or was slower than the stream's other viewers.
- **failed**: it never can be shown, and the reason says why.

A viewer that does not answer when a stream is closed may still show later what it has received; the
stream counts those planes as dropped, since it was not told otherwise. A stream that is not closed,
because its process ends, waits two seconds and leaves the rest to the viewer, which shows what it
has received. These are the only cases in which the two ends may disagree.
"""


class _Case(NamedTuple):
    fault: str
    words: str
    seen: dict[str, Any]
    left: str
    node: str
    passed: bool


def main(arguments: list[str]) -> int:
    """Run the cases and write the page."""
    with TemporaryDirectory(prefix="coverslip-reliability-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "tests/faults", f"--junitxml={report}", "-q"]
        status = subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode
        cases = _read(report)
    failed = [case.node for case in cases if not case.passed]
    if status or failed or not cases:
        sys.stderr.write(f"not written: pytest ended with {status}; {', '.join(failed)}\n")
        return status or 1
    PAGE.write_text(_page(cases))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(cases)} cases\n")
    return 0


def _read(report: Path) -> list[_Case]:
    cases = []
    for element in ET.parse(report).iter("testcase"):
        found = {each.get("name", ""): each.get("value", "") for each in element.iter("property")}
        if "fault" in found:
            passed = not any(element.find(tag) is not None for tag in ("failure", "error"))
            node = f"{element.get('classname')}.{element.get('name')}"
            seen = json.loads(found["case"])
            left = found["left behind"]
            cases.append(_Case(found["fault"], found["words"], seen, left, node, passed))
    return sorted(cases, key=lambda case: _order(case.fault))


def _page(cases: list[_Case]) -> str:
    from tests.faults.case import LIMIT

    system = f"{platform.system()}, Python {platform.python_version()}"
    lines = [
        _HEAD.format(limit=LIMIT),
        f"{len(cases)} cases, all of which held. {system}.\n\n",
        "| | fault | sent | shown | dropped | failed | held, s | left behind |\n",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    ]
    for case in cases:
        seen = case.seen
        words = "; ".join([case.words, *seen["notes"]])
        held = f"{seen['longest']:.2f}" if seen["longest"] else ""
        counts = " | ".join(f"{seen[name]}" for name in ("sent", "shown", "dropped", "failed"))
        left = case.left or "nothing"
        lines.append(f"| {case.fault} | {words} | {counts} | {held} | {left} |\n")
    lines.append(_MEANING)
    lines.append("\n## Invariants, and the tests that hold them\n\n")
    lines.append("| | invariant | cases | further tests |\n| --- | --- | --- | --- |\n")
    for number, (words, names) in INVARIANTS.items():
        faults = sorted({case.fault for case in cases if number in case.seen["holds"]}, key=_order)
        tests = ", ".join(f"`{_known(name)}`" for name in names)
        lines.append(f"| {number} | {words} | {', '.join(faults)} | {tests} |\n")
    return "".join(lines)


def _known(name: str) -> str:
    """Return the name of a test or fixture, having seen that there is one."""
    if not any(f"def {name}(" in path.read_text() for path in ROOT.glob("tests/**/*.py")):
        raise LookupError(f"no test is called {name}: which one holds that now?")
    return name


def _order(fault: str) -> tuple[bool, str]:
    return not fault.isdigit(), fault.zfill(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
