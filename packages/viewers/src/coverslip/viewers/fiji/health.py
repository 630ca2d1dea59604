"""What the doctor says of Java and ImageJ, without starting either."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from coverslip.viewers.doctor.finding import Finding, State
from coverslip.viewers.errors import NotInstalled
from coverslip.viewers.fiji.choice import REMEDY, Bridge, Choice, ImageJUnavailable, choose
from coverslip.viewers.fiji.fetching import fetched_jar, repository
from coverslip.viewers.fiji.java import OLDEST, draws, find_java, heap_limit, release_of
from coverslip.viewers.words import format_size

__all__ = ["check_imagej", "check_java"]

_X11: Final = {
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libXtst.so.6": "libxtst6",
}
"""What Java's windows load on Linux, and the Debian package that brings it."""


def check_java() -> Iterator[Finding]:
    """Look for a Java that can open windows."""
    try:
        home, where = find_java()
    except ImageJUnavailable as error:
        # Without the extra, nobody asked for a Java.
        state = State.WARN if importlib.util.find_spec("scyjava") is None else State.FAIL
        yield Finding("Java", state, str(error).partition(":")[0], REMEDY)
        return
    release = release_of(home)
    what = f"Java {release or 'of unknown version'} at {home} ({where})"
    if release is not None and release < OLDEST:
        yield Finding(
            "Java",
            State.FAIL,
            f"{what} is too old: {OLDEST} or newer is needed",
            f"set JAVA_HOME to a newer one, or unset it and {REMEDY}",
        )
    elif not draws(home):
        yield Finding(
            "Java",
            State.FAIL,
            f"{what} is headless: it opens no windows",
            "install the whole of it (Debian, Ubuntu: default-jre), or unset JAVA_HOME and "
            f"{REMEDY}",
        )
    elif lacking := _missing_libraries():
        yield Finding(
            "Java",
            State.FAIL,
            f"{what}; its windows need {', '.join(lacking)}",
            f"Debian, Ubuntu: apt-get install {' '.join(lacking.values())}",
        )
    else:
        yield Finding("Java", State.OK, f"{what}, heap up to {format_size(heap_limit())}")


def check_imagej() -> Iterator[Finding]:
    """Say which ImageJ a viewer would start, and why."""
    try:
        choice = choose()
    except NotInstalled as error:
        yield Finding("ImageJ", State.WARN, str(error).partition(":")[0], REMEDY)
        return
    except ImageJUnavailable as error:
        yield Finding(
            "ImageJ", State.FAIL, str(error), "set COVERSLIP_FIJI to a Fiji folder, or unset it"
        )
        return
    if _here(choice):
        yield Finding("ImageJ", State.OK, str(choice))
    else:
        yield Finding(
            "ImageJ",
            State.WARN,
            f"{choice}; it has not been fetched into {repository()} yet",
            "start it once while there is a network: coverslip demo --viewer fiji",
        )


def _here(choice: Choice) -> bool:
    """Whether an ImageJ can be started without a network, as far as can be seen."""
    if Path(choice.what).exists():
        return True
    return choice.kind is Bridge.SCYJAVA and fetched_jar(choice.what) is not None


def _missing_libraries() -> dict[str, str]:
    if not sys.platform.startswith("linux"):
        return {}
    return {name: package for name, package in _X11.items() if not _loads(name)}


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
