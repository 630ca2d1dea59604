"""``coverslip doctor``: what stands between a user and a window, and what to do about it."""

from __future__ import annotations

from coverslip.viewers.cli import report
from coverslip.viewers.doctor import Finding, State, examine, worst

__all__ = ["run_doctor"]

_COLORS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def run_doctor(*, as_json: bool) -> bool:
    """Print what every check finds; return whether none of them fails."""
    found: list[Finding] = []
    with report.waiting("looking …", quiet=as_json):
        for finding in examine():
            found.append(finding)
            if not as_json:
                _print(finding)
    state = worst(found)
    if as_json:
        report.print_json({"state": state, "checks": found})
    else:
        report.note(_SUMMARY[state])
    return state is not State.FAIL


_SUMMARY = {
    State.OK: "all is well",
    State.WARN: "nothing stands in the way; a warning says what would be better",
    State.FAIL: "what fails stands in the way: each says what to do",
}


def _print(finding: Finding) -> None:
    report.print_state(finding.state, _COLORS[finding.state], finding.name, finding.found)
    if finding.advice:
        report.print_advice(finding.advice)
