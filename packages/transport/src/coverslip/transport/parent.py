"""Whom a process dies with: the one that launched it, unless it was launched to outlive that."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Final

from coverslip.transport.identity import Identity, wait_gone

__all__ = ["PARENT_VARIABLE", "die_with_parent", "launching_parent"]

logger = logging.getLogger(__name__)

PARENT_VARIABLE: Final = "COVERSLIP_PARENT"
"""In a child's environment: whom it dies with, as ``<pid>:<start time>``."""


def launching_parent(environment: Mapping[str, str] | None = None) -> Identity | None:
    """Return the process that launched this one to die with it; None when detached or by hand.

    Parameters
    ----------
    environment : mapping of str to str, optional
        Another process's, for the one that launched that.
    """
    said = os.environ if environment is None else environment
    pid, _, start_time = said.get(PARENT_VARIABLE, "").partition(":")
    try:
        return Identity(int(pid), float(start_time))
    except ValueError:
        return None


def die_with_parent(
    identity: Identity | None, callback: Callable[[], object]
) -> threading.Thread | None:
    """Call `callback` from a daemon thread once a process is gone, however it went.

    Parameters
    ----------
    identity : Identity or None
        The process; None, for none to die with, does nothing.
    callback : callable
        Called once, also when the process is gone already. It should end this process.

    Returns
    -------
    threading.Thread or None
        The thread that watches.
    """
    if identity is None:
        return None

    def watch() -> None:
        wait_gone(identity)
        logger.info("parent process %d is gone", identity.pid)
        callback()

    thread = threading.Thread(target=watch, name=f"coverslip-parent-{identity.pid}", daemon=True)
    thread.start()
    return thread
