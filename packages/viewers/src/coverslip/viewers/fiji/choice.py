"""Which ImageJ: the user's, one that is found, ImageJ2's, or ImageJ itself; decided without Java.

::

    --fiji, COVERSLIP_FIJI   a folder or a Maven endpoint; if it cannot be had, that is an error
    an installed Fiji        where Fiji is usually unpacked, or on PATH
    net.imagej:imagej        where the repository that has it answers
    net.imagej:ij            needs Java and nothing else, works offline once it was fetched

All four have ``ij.*``, which is all that is drawn with.
"""

from __future__ import annotations

import enum
import importlib.util
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from coverslip.viewers.errors import NotInstalled, ViewerError

__all__ = [
    "IMAGEJ",
    "REMEDY",
    "VARIABLE",
    "Choice",
    "ImageJUnavailable",
    "Bridge",
    "choose",
    "installed_fiji",
    "look_at",
]

VARIABLE = "COVERSLIP_FIJI"
IMAGEJ = "net.imagej:ij:1.54p"
IMAGEJ2 = "net.imagej:imagej"
REMEDY = 'pip install "coverslip-viewers[fiji]"'

_ANSWER = 3.0
"""Seconds in which the repository of ImageJ2 must answer."""

_ENDPOINT = re.compile(r"[\w.-]+:[\w.-]+(:[\w.-]+)*(\+[\w.-]+:[\w.:-]+)*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class ImageJUnavailable(ViewerError):
    """The ImageJ that was asked for cannot be had; the message says why and what to do."""


class Bridge(enum.Enum):
    """What an ImageJ is started through."""

    PYIMAGEJ = "PyImageJ"
    """ImageJ2 or Fiji, with ImageJ in it as its legacy layer."""
    SCYJAVA = "scyjava"
    """ImageJ itself."""


class Choice(NamedTuple):
    """One ImageJ, and why it is this one."""

    kind: Bridge
    what: str
    """A folder, a jar or a Maven endpoint."""
    reason: str

    def __str__(self) -> str:
        return f"{self.what} through {self.kind.value} ({self.reason})"


def choose(asked: str | None = None) -> Choice:
    """Return the ImageJ to start.

    Parameters
    ----------
    asked : str or None
        A Fiji or ImageJ folder, or a Maven endpoint; None takes ``COVERSLIP_FIJI``.

    Raises
    ------
    ImageJUnavailable
        What was asked for is no ImageJ.
    coverslip.viewers.NotInstalled
        The extra ``fiji`` is missing.
    """
    if importlib.util.find_spec("scyjava") is None:
        raise NotInstalled(f"scyjava is not installed: {REMEDY}")
    if asked:
        return look_at(asked, "asked for by --fiji")
    if named := os.environ.get(VARIABLE):
        return look_at(named, f"asked for by --fiji or {VARIABLE}")
    found = installed_fiji()
    if importlib.util.find_spec("imagej") is None:
        needs = "ImageJ2 is" if found is None else f"the Fiji in {found} and ImageJ2 are"
        reason = f"{needs} started through PyImageJ, which is missing: {REMEDY}"
        return Choice(Bridge.SCYJAVA, IMAGEJ, reason)
    if found is not None:
        return Choice(Bridge.PYIMAGEJ, str(found), "an installed Fiji was found")
    if _answers(IMAGEJ2):
        return Choice(Bridge.PYIMAGEJ, IMAGEJ2, "its repository answers")
    reason = "no installed Fiji was found, and the repository of ImageJ2 does not answer"
    return Choice(Bridge.SCYJAVA, IMAGEJ, reason)


def look_at(asked: str, reason: str) -> Choice:
    """Return how to start the folder or endpoint that a user named.

    Raises
    ------
    ImageJUnavailable, coverslip.viewers.NotInstalled
        It is neither, or not complete, or needs what is missing.
    """
    folder = Path(asked).expanduser()
    if folder.is_dir():
        choice = _look_into(folder, reason)
    elif _ENDPOINT.fullmatch(asked) and not folder.exists():
        ours = asked.startswith("net.imagej:ij:") or asked == "net.imagej:ij"
        choice = Choice(Bridge.SCYJAVA if ours else Bridge.PYIMAGEJ, asked, reason)
    elif _VERSION.fullmatch(asked):
        choice = Choice(Bridge.PYIMAGEJ, f"{IMAGEJ2}:{asked}", reason)
    else:
        found = "a file" if folder.exists() else "not there"
        raise ImageJUnavailable(
            f"{reason}, {asked!r} is {found}; give a Fiji folder or an endpoint such as {IMAGEJ}"
        )
    if choice.kind is Bridge.PYIMAGEJ and importlib.util.find_spec("imagej") is None:
        raise NotInstalled(f"{asked} is started through PyImageJ, which is missing: {REMEDY}")
    return choice


def _look_into(folder: Path, reason: str) -> Choice:
    root = _root_of(folder)
    jars = root / "jars"
    if jars.is_dir():
        if not any(jars.glob("imagej-legacy-*.jar")):
            raise ImageJUnavailable(
                f"{reason}, {root} has no imagej-legacy in {jars}: without the legacy layer there "
                f"is no ij.ImagePlus to draw with; take a complete Fiji or ImageJ"
            )
        return Choice(Bridge.PYIMAGEJ, str(root), reason)
    if (root / "ij.jar").is_file():
        return Choice(Bridge.SCYJAVA, str(root / "ij.jar"), reason)
    raise ImageJUnavailable(
        f"{reason}, {folder} is no Fiji and no ImageJ: it has neither jars{os.sep} nor ij.jar"
    )


def _root_of(folder: Path) -> Path:
    """Return where the jars are: macOS may keep them within the bundle or beside it."""
    for inner in (folder, folder / "Fiji.app", folder / "Fiji", folder / "Contents" / "Java"):
        if (inner / "jars").is_dir() or (inner / "ij.jar").is_file():
            return inner
    return folder


def installed_fiji() -> Path | None:
    """Return the folder of a complete Fiji where people put it, or None."""
    for folder in _usual_places():
        root = _root_of(folder)
        if any((root / "jars").glob("imagej-legacy-*.jar")):
            return root
    return None


def _usual_places() -> Iterable[Path]:
    for program in ("fiji", "ImageJ-linux64", "fiji-linux-x64", "ImageJ-win64"):
        if found := shutil.which(program):
            yield Path(found).resolve().parent
    home = Path.home()
    parents = [home, home / "Applications", home / "Desktop", Path("/Applications"), Path("/opt")]
    if programs := os.environ.get("PROGRAMFILES"):
        parents.append(Path(programs))
    for parent in parents:
        for name in ("Fiji.app", "Fiji"):
            yield parent / name


def _answers(endpoint: str) -> bool:
    """Whether the repository that scyjava asks for ImageJ2 has it, now."""
    import scyjava.config

    group, artifact = endpoint.split(":")
    path = f"{group.replace('.', '/')}/{artifact}/maven-metadata.xml"
    for repository in scyjava.config.get_repositories().values():
        url = f"{str(repository).rstrip('/')}/{path}"
        if not url.startswith("https://"):
            continue
        question = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(question, timeout=_ANSWER):
                return True
        except (OSError, urllib.error.URLError):
            continue
    return False
