from __future__ import annotations

from coverslip.transport import Counts
from coverslip.viewers.account import Account


def counts(first: int, following: int, shown: int = 0, dropped: int = 0, failed: int = 0) -> Counts:
    return Counts(
        first=first,
        next=following,
        shown=shown,
        dropped=dropped,
        failed=failed,
        reasons={"late": dropped} if dropped else {},
    )


def test_every_plane_is_in_exactly_one_place() -> None:
    account = Account()
    account.drop(2, "no viewer")
    account.wait(10)
    assert account.delivery() == (12, 0, 2, 0)
    account.attached("one", counts(0, 0))
    assert account.publish(4) == 0
    assert account.publish(6) == 4
    account.reported(counts(0, 10, shown=7, failed=1))
    assert account.delivery() == (12, 7, 2, 1)
    assert account.delivery().pending == account.unsettled == 2


def test_an_older_report_changes_nothing() -> None:
    account = Account()
    account.wait(3)
    account.attached("one", counts(0, 0))
    account.publish(3)
    account.reported(counts(0, 3, shown=3))
    account.reported(counts(0, 3, shown=1))
    assert account.delivery().shown == 3


def test_a_new_instance_owes_nothing_for_the_old_one() -> None:
    account = Account()
    account.wait(10)
    account.attached("one", counts(0, 0))
    account.publish(10)
    account.reported(counts(0, 10, shown=4, dropped=1))
    account.attached("two", counts(10, 10))
    assert account.delivery() == (10, 4, 6, 0)
    account.wait(5)
    account.publish(5)
    account.reported(counts(10, 15, shown=5))
    assert account.delivery() == (15, 9, 6, 0)
    assert account.reasons() == {
        "late": 1,
        "the viewer ended before it showed them": 5,
    }


def test_the_same_instance_goes_on_after_a_break() -> None:
    account = Account()
    account.wait(10)
    account.attached("one", counts(0, 0))
    account.publish(10)
    account.attached("one", counts(0, 10, shown=6, dropped=4))
    assert account.delivery() == (10, 6, 4, 0)


def test_what_waits_may_be_dropped_and_what_is_too_large_fails() -> None:
    account = Account()
    account.wait(3)
    account.drop(3, "gone", waiting=True)
    account.fail(1, "too large")
    assert account.delivery() == (4, 0, 3, 1)
    assert account.delivery().complete
    account.lost("again")
    assert account.delivery() == (4, 0, 3, 1)
