"""The account of a stream: each plane ends exactly once."""

from __future__ import annotations

import random
import threading

import pytest

from coverslip.transport import LOST, Delivery, Ledger, Refused


@pytest.fixture
def ledger():
    made = Ledger()
    made.attach(0, 0)
    return made


def balance(ledger):
    counts = ledger.counts()
    assert counts.shown + counts.dropped + counts.failed + counts.pending == (
        counts.next - counts.first
    )
    assert sum(counts.reasons.values()) == counts.dropped + counts.failed
    return counts


def test_delivery():
    assert Delivery(5, 2, 1, 1).pending == 1
    assert repr(Delivery(5, 2, 1, 1)) == "Delivery(sent=5, shown=2, dropped=1, failed=1, pending=1)"
    assert repr(Delivery(2, 2, 0, 0)) == "Delivery(sent=2, shown=2, dropped=0, failed=0)"
    assert not Delivery(5, 2, 1, 1).complete
    assert Delivery(5, 2, 2, 1).complete


def test_each_end_is_counted(ledger):
    assert ledger.receive(0, 0, 3)
    ledger.shown(1)
    ledger.dropped(0, "late")
    ledger.failed(2, "odd")
    counts = balance(ledger)
    assert (counts.shown, counts.dropped, counts.failed, counts.pending) == (1, 1, 1, 0)
    assert counts.reasons == {"late": 1, "odd": 1}


def test_none_ends_twice(ledger):
    ledger.receive(0, 0)
    ledger.shown(0)
    for end in (ledger.shown, lambda n: ledger.failed(n, "r"), lambda n: ledger.dropped(n, "r")):
        for number in (0, 1, -1):
            with pytest.raises(ValueError, match="not pending"):
                end(number)
    assert balance(ledger).shown == 1


def test_a_gap_was_lost(ledger):
    ledger.receive(0, 4, 2)
    counts = balance(ledger)
    assert (counts.dropped, counts.pending, counts.next) == (4, 2, 6)
    assert counts.reasons == {LOST: 4}


def test_a_late_stream_begins_where_it_says():
    ledger = Ledger()
    ledger.attach(7, 100)
    ledger.receive(7, 100)
    assert (balance(ledger).first, balance(ledger).next) == (100, 101)


def test_attach_again_ends_what_never_came(ledger):
    ledger.receive(0, 0, 2)
    ledger.attach(1, 5)
    assert not ledger.receive(0, 2)  # came after all, and is accounted for
    assert ledger.receive(1, 5)
    ledger.shown(0)  # received before, so still to be shown
    counts = balance(ledger)
    assert (counts.dropped, counts.shown, counts.pending) == (3, 1, 2)


def test_the_same_attach_twice_is_as_good_as_once(ledger):
    ledger.attach(1, 5)
    ledger.receive(1, 5, 2)
    ledger.attach(1, 5)
    assert balance(ledger).next == 7


@pytest.mark.parametrize(
    ("epoch", "sequence", "count"),
    [(1, 10, 1), (0, 9, 1), (0, 10, 0), (0, 10, -1), (0, 10, 10**9), (0, 2**60, 1), (0, -5, 1)],
)
def test_absurd_numbers_are_refused(ledger, epoch, sequence, count):
    ledger.receive(0, 0, 10)
    before = balance(ledger)
    with pytest.raises(Refused):
        ledger.receive(epoch, sequence, count)
    assert balance(ledger) == before


def test_nothing_comes_before_attach():
    with pytest.raises(Refused, match="never attached"):
        Ledger().receive(0, 0)


def test_an_older_epoch_cannot_attach(ledger):
    ledger.attach(3, 0)
    with pytest.raises(Refused, match="epoch 2 is over"):
        ledger.attach(2, 0)
    ledger.receive(3, 0, 2)
    with pytest.raises(Refused, match="plane 1 when 2 is the next"):
        ledger.attach(4, 1)
    assert ledger.epoch == 3


def test_when_settled_waits_for_all_before(ledger):
    assert ledger.when_settled(0).done()
    third = ledger.when_settled(3)
    ledger.receive(0, 0, 4)
    ledger.shown(2)
    ledger.shown(0)
    assert not third.done()
    ledger.failed(1, "odd")
    assert third.result(timeout=0).pending == 1
    assert ledger.when_settled(4) is ledger.when_settled(4)
    future = ledger.when_settled(6)
    ledger.attach(1, 6)
    assert not future.done()
    ledger.shown(3)
    assert future.result(timeout=0).dropped == 2


def test_who_is_told_may_ask_again(ledger):
    seen = []
    ledger.when_settled(1).add_done_callback(lambda _: seen.append(ledger.counts()))
    ledger.receive(0, 0)
    ledger.shown(0)
    assert seen[0].shown == 1


def test_waiting_is_bounded(ledger):
    for number in range(1, 1025):
        ledger.when_settled(number)
    with pytest.raises(Refused, match="wait for this stream already"):
        ledger.when_settled(5000)


def test_reasons_are_bounded(ledger):
    ledger.receive(0, 0, 100)
    for number in range(100):
        ledger.failed(number, f"reason {number} " + "x" * 1000)
    counts = balance(ledger)
    assert len(counts.reasons) == 32
    assert counts.reasons["other"] == 69


@pytest.mark.parametrize("seed", range(5))
def test_the_account_balances_whatever_happens(seed):
    chance = random.Random(seed)
    ledger = Ledger()
    epoch, number = 0, chance.randrange(50)
    open_numbers: set[int] = set()
    ledger.attach(epoch, number)
    for _ in range(2000):
        step = chance.random()
        if step < 0.05:
            epoch, number = epoch + 1, number + chance.randrange(4)
            ledger.attach(epoch, number)
        elif step < 0.5:
            number += chance.randrange(3) if chance.random() < 0.1 else 0
            count = chance.randrange(1, 5)
            ledger.receive(epoch, number, count)
            open_numbers.update(range(number, number + count))
            number += count
        elif open_numbers:
            ended = chance.choice(sorted(open_numbers))
            open_numbers.remove(ended)
            chance.choice(
                [
                    ledger.shown,
                    lambda n: ledger.failed(n, "f"),
                    lambda n: ledger.dropped(n, "d"),
                ]
            )(ended)
        counts = balance(ledger)
        assert counts.pending == len(open_numbers)
        low = min(open_numbers, default=number)
        assert ledger.when_settled(low).done()
    assert counts.next == number


def test_from_many_threads(ledger):
    ledger.receive(0, 0, 4000)
    everything = ledger.when_settled(4000)

    def end(start):
        for number in range(start, 4000, 4):
            ledger.shown(number)

    threads = [threading.Thread(target=end, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert everything.result(timeout=0).shown == 4000
