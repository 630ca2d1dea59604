"""Files and folders become planes in natural order; what cannot be read is said."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import ClassVar

import pytest

from coverslip.payload import Value
from coverslip.viewers.errors import NoParserMatches, UnknownParser
from coverslip.viewers.parsers import (
    FilenameParser,
    get_parser,
    list_planes,
    parser_names,
    register,
    registry,
)
from coverslip.viewers.parsers.folder import find_files


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_natural_order_and_what_is_not_looked_at(tmp_path: Path) -> None:
    touch(tmp_path, "z10/a.tif", "z2/a10.TIFF", "z2/a9.tif", "z2/notes.txt", "z2/._a9.tif")
    touch(tmp_path, ".cache/a.tif")
    names = [file.relative_to(tmp_path).as_posix() for file in find_files([tmp_path])]
    assert names == ["z2/a9.tif", "z2/a10.TIFF", "z10/a.tif"]


def test_a_file_named_twice_comes_once_where_it_was_named_first(tmp_path: Path) -> None:
    touch(tmp_path, "a1.tif", "a2.tif")
    files = find_files([tmp_path / "a2.tif", tmp_path])
    assert [file.name for file in files] == ["a2.tif", "a1.tif"]


def test_a_named_file_may_have_any_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "A01_s1_w2.stk")
    listing = list_planes([tmp_path / "A01_s1_w2.stk"], pattern="{well}_s{site:d}_w{channel:d}.stk")
    assert [plane.components for plane in listing.planes] == [
        {"well": "A01", "site": 1, "channel": 2}
    ]


def test_names_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "x_A01_s1_w1.tif", "overview.tif")
    listing = list_planes([tmp_path])
    assert listing.parser == "imagexpress"
    assert [path.name for path in listing.unknown] == ["overview.tif"]


def test_no_match_says_what_was_tried_and_shows_three_names(tmp_path: Path) -> None:
    touch(tmp_path, "one.tif", "two.tif", "three.tif", "zebra.tif")
    with pytest.raises(NoParserMatches) as caught:
        list_planes([tmp_path])
    message = str(caught.value)
    assert "'one.tif', 'three.tif', 'two.tif' and 1 more (tried: " in message
    assert "zebra" not in message
    with pytest.raises(NoParserMatches, match=r"tried: the pattern '\{well\}_x'"):
        list_planes([tmp_path], pattern="{well}_x")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no TIFF file \(.tif, .tiff\) in"):
        list_planes([tmp_path])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        list_planes([tmp_path / "nowhere"])


def test_a_parser_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class LetterParser(FilenameParser):
        name: ClassVar[str] = "letter"

        def parse(self, path: PurePath) -> dict[str, Value] | None:
            return {"letter": path.stem} if len(path.stem) == 1 else None

    monkeypatch.setattr(registry, "_parsers", dict(registry._parsers))
    register(LetterParser)
    touch(tmp_path, "a.tif", "b.tif", "long.tif")
    assert "letter" in parser_names()
    listing = list_planes([tmp_path])
    assert listing.parser == "letter"
    assert [plane.components["letter"] for plane in listing.planes] == ["a", "b"]


def test_an_unknown_parser_names_the_known() -> None:
    with pytest.raises(UnknownParser, match=r"'odd'; there are imagexpress, .*, pattern"):
        get_parser("odd")
