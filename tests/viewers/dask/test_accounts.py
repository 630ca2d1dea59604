"""The sum of what workers and viewers say, whoever is gone."""

from __future__ import annotations

from coverslip.transport import Counts, Delivery
from coverslip.viewers.dask.accounts import Accounts


def counts(sent: int, shown: int, dropped: int = 0, failed: int = 0) -> Counts:
    return Counts(first=0, next=sent, shown=shown, dropped=dropped, failed=failed)


def test_a_living_worker_is_believed():
    # It knows of planes that it dropped before they had a number.
    told = {"a": Delivery(10, 6, 4, 0)}
    assert Accounts().take(told, [{"a": counts(6, 6)}]) == (10, 6, 4, 0)


def test_of_a_process_that_a_task_started_the_viewer_tells():
    assert Accounts().take({}, [{"b": counts(5, 4)}]) == (5, 4, 0, 0)


def test_what_a_killed_worker_sent_and_nobody_met_is_dropped():
    accounts = Accounts()
    accounts.take({"a": Delivery(10, 4, 0, 0)}, [{"a": counts(7, 4)}])
    # The viewer goes on with what it has.
    assert accounts.take({}, [{"a": counts(7, 5)}]) == (10, 5, 3, 0)
    assert accounts.take({}, [{"a": counts(7, 7)}]) == (10, 7, 3, 0)


def test_a_viewer_that_forgot_or_began_anew_takes_nothing_back():
    accounts = Accounts()
    accounts.take({"a": Delivery(10, 8, 1, 1)}, [])
    assert accounts.take({}, [{}]) == (10, 8, 1, 1)
    accounts.take({}, [{"b": counts(3, 3)}])
    assert accounts.take({}, [{}]) == (13, 11, 1, 1)


def test_several_viewers_count_each_plane():
    assert Accounts().take({}, [{"a": counts(5, 5)}, {"a": counts(5, 3)}]) == (10, 8, 0, 0)
