"""Which parser is taken for a folder: the one that knows the most, and never by chance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import ClassVar

import pytest

from coverslip.payload import Value
from coverslip.viewers.errors import NoParserMatches, PatternError, UnknownParser
from coverslip.viewers.parsers import (
    FilenameParser,
    candidates,
    get_parser,
    list_planes,
    parser_names,
    register,
    registry,
)


@pytest.fixture(autouse=True)
def registry_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_parsers", dict(registry._parsers))
    registry._others.cache_clear()
    yield
    registry._others.cache_clear()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


class Reversed(FilenameParser):
    """Reads MetaXpress names, and takes the site for the channel."""

    name: ClassVar[str] = "reversed"

    def parse(self, path: PurePath) -> dict[str, Value] | None:
        found = get_parser("metaxpress").parse(path)
        return found and found | {"channel": found["site"], "site": found["channel"]}


def test_a_tie_says_who_what_was_tried_and_three_names(tmp_path: Path) -> None:
    register(Reversed)
    touch(tmp_path, *(f"A0{well}_s1_w2_z1.tif" for well in range(1, 6)))
    with pytest.raises(NoParserMatches) as caught:
        list_planes([tmp_path])
    message = str(caught.value)
    assert "metaxpress and reversed read as many of the names" in message
    assert "'A01_s1_w2_z1.tif', 'A02_s1_w2_z1.tif', 'A03_s1_w2_z1.tif' and 2 more" in message
    assert "--parser" in message
    assert "tried: imagexpress, metaxpress, opera_phenix" in message
    assert list_planes([tmp_path], "reversed").planes[0].components["channel"] == 1


def test_two_that_say_the_same_are_no_tie(tmp_path: Path) -> None:
    touch(tmp_path, "x_A01_s1_w1.tif")
    assert list_planes([tmp_path]).parser == "imagexpress"


def test_of_mixed_names_the_majority_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "r01c01f01p01-ch1sk1fk1fl1.tiff", "r01c01f01p02-ch1sk1fk1fl1.tiff")
    touch(tmp_path, "p_A01_T0001F001L01A01Z01C01.tif")
    listing = list_planes([tmp_path])
    assert listing.parser == "opera_phenix"
    assert [path.name for path in listing.unknown] == ["p_A01_T0001F001L01A01Z01C01.tif"]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Install a package as pip would: its module, and its entry point's metadata."""
    (folder / "microscope.py").write_text(module)
    metadata = folder / "microscope-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: microscope\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[coverslip.parsers]\nbench-top = microscope:Parser\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "microscope", raising=False)


WORKING = """
from coverslip.viewers.parsers import FilenameParser
class Parser(FilenameParser):
    name = "bench-top"
    def parse(self, path):
        return {"well": path.stem[-1]} if path.stem.startswith("bench") else None
"""


def test_a_package_brings_a_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, WORKING)
    plate = tmp_path / "plate"
    plate.mkdir()
    touch(plate, "bench_a.tif", "bench_b.tif")
    assert parser_names()[-1] == "bench-top"
    listing = list_planes([plate])
    assert listing.parser == "bench-top"
    assert [plane.components for plane in listing.planes] == [{"well": "a"}, {"well": "b"}]


def test_a_package_that_is_broken_stands_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, monkeypatch, "raise RuntimeError('no licence')")
    assert "bench-top" in parser_names()
    assert "bench-top" not in [parser.name for parser in candidates()]
    assert "the parser bench-top cannot be used" in caplog.text
    with pytest.raises(UnknownParser, match=r"microscope:Parser fails with .*: no licence"):
        candidates("bench-top")


def test_names_and_patterns_that_cannot_be() -> None:
    with pytest.raises(UnknownParser, match=r"'odd'; there are imagexpress, .*, pattern$"):
        candidates("odd")
    with pytest.raises(PatternError, match="'imagexpress' takes no pattern"):
        candidates("imagexpress", "{well}.tif")
