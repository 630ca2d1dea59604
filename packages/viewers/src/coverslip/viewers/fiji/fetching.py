"""One process at a time fetches ImageJ: the resolver writes a jar where others already read it.

jgo downloads into the Maven repository under the jar's final name and lays out a folder of links
beside it, without a lock: of two viewers that start at once with nothing fetched, one fails on the
other's file (``AssertionError``) or starts Java on half a jar. The system lets go of this lock when
its holder dies.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverslip.viewers.fiji.choice import ImageJUnavailable

__all__ = ["PATIENCE", "discard_half", "fetched_jar", "one_at_a_time", "repository"]

logger = logging.getLogger(__name__)

PATIENCE = 300.0
"""Seconds that another process is given: ImageJ2 with all that it needs is 100 MB."""

_LOCK = ".coverslip.lock"


def repository() -> Path:
    """Return the folder in which Maven, and so jgo, keeps what it fetched."""
    import scyjava.config

    named = os.environ.get("M2_REPO")
    return Path(named) if named else Path(scyjava.config.get_m2_repo())


@contextmanager
def one_at_a_time(patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock on fetching.

    Raises
    ------
    ImageJUnavailable
        Another process has held it for `patience` seconds.
    """
    from filelock import FileLock, Timeout

    folder = repository()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=patience)
    except Timeout:
        raise ImageJUnavailable(
            f"another process has been fetching into {folder} for {patience:.0f} s; when it has "
            f"ended, or been ended, start again"
        ) from None
    except OSError as error:
        raise ImageJUnavailable(
            f"nothing can be fetched into {folder}: {error.strerror}; give a Fiji with --fiji, or "
            f"another folder in M2_REPO"
        ) from error
    try:
        yield
    finally:
        lock.release()


def fetched_jar(endpoint: str) -> Path | None:
    """Return ImageJ's jar where Maven keeps it, whole; None if it was not fetched yet.

    Parameters
    ----------
    endpoint : str
        With its version, such as ``net.imagej:ij:1.54p``: a jar that depends on nothing.
    """
    jar = _place_of(endpoint)
    return jar if jar is not None and zipfile.is_zipfile(jar) else None


def discard_half(endpoint: str) -> None:
    """Remove what a download that was cut off has left: jgo would take it for the jar.

    For whoever holds the lock.
    """
    jar = _place_of(endpoint)
    if jar is not None and jar.exists() and not zipfile.is_zipfile(jar):
        logger.info("%s is not whole and is fetched again", jar)
        jar.unlink()


def _place_of(endpoint: str) -> Path | None:
    parts = endpoint.split(":")
    if len(parts) != 3:
        return None
    group, artifact, version = parts
    folder = repository().joinpath(*group.split("."), artifact, version)
    return folder / f"{artifact}-{version}.jar"
