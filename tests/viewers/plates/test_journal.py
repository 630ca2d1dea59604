"""What was shown is remembered, whatever ended the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coverslip.viewers.plates.incoming import Signature
from coverslip.viewers.plates.journal import Journal

SHOWN = {"a/1.tif": Signature(7, 3), "b 2.tif": Signature(9, 4), "ä\n.tif": Signature(1, 2)}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("COVERSLIP_STATE_DIR", str(folder))
    return folder


def fill(folder: Path) -> Path:
    with Journal(folder, resume=False) as journal:
        for name, signature in SHOWN.items():
            journal.add(folder / name, signature)
        return journal.path


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path, state: Path) -> None:
    path = fill(tmp_path / "plate")
    assert path.is_relative_to(state)
    with Journal(tmp_path / "plate", resume=True) as journal:
        assert journal.shown == {tmp_path / "plate" / name: each for name, each in SHOWN.items()}
        journal.add(tmp_path / "plate" / "c.tif", Signature(5, 5))
    with Journal(tmp_path / "plate", resume=True) as journal:
        assert len(journal.shown) == len(SHOWN) + 1
    with Journal(tmp_path / "other", resume=True) as journal:
        assert journal.shown == {}


def test_from_the_start_forgets(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal(tmp_path, resume=False) as journal:
        assert journal.shown == {}
    with Journal(tmp_path, resume=True) as journal:
        assert journal.shown == {}


def test_a_file_shown_twice_counts_as_it_was_last(tmp_path: Path) -> None:
    with Journal(tmp_path, resume=False) as journal:
        for size in (1, 2):
            journal.add(tmp_path / "a.tif", Signature(size, size))
    with Journal(tmp_path, resume=True) as journal:
        assert journal.shown == {tmp_path / "a.tif": Signature(2, 2)}


def test_a_run_that_was_killed_while_it_wrote(tmp_path: Path) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with Journal(tmp_path, resume=True) as journal:
            before = len(journal.shown)
            journal.add(tmp_path / "new.tif", Signature(1, 1))
        with Journal(tmp_path, resume=True) as journal:
            assert len(journal.shown) == before + 1
            assert tmp_path / "new.tif" in journal.shown


@given(junk=st.binary(max_size=200))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_junk_in_it_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    path = fill(tmp_path)
    path.write_bytes(junk + b"\n" + path.read_bytes())
    with Journal(tmp_path, resume=True) as journal:
        assert {tmp_path / name for name in SHOWN} <= journal.shown.keys()


def test_a_name_that_is_no_unicode_is_not_remembered(tmp_path: Path) -> None:
    with Journal(tmp_path, resume=False) as journal:
        journal.add(tmp_path / "\udcff.tif", Signature(1, 1))
    with Journal(tmp_path, resume=True) as journal:
        assert journal.shown == {}
