"""When compressing pays: what is decided from what was measured."""

from __future__ import annotations

import pytest

from coverslip.viewers.economy import Economy

GIGABIT = 125e6
MIB = 1 << 20


class Lane:
    """A link of a known rate that is always busy, and a clock of its own."""

    def __init__(self, rate: float = GIGABIT) -> None:
        self.economy = Economy()
        self.rate = rate
        self.now = 100.0

    def carry(self, seconds: float, *, busy: bool = True, waiting: int = 0) -> None:
        """Report every 50 ms, as a courier does."""
        for _ in range(round(seconds / 0.05)):
            taken = int(self.rate * 0.05)
            self.economy.reported(taken, 2 * taken if busy else 0, waiting, self.now)
            self.now += 0.05

    def compress(self, ratio: float, speed: float = 1.5e9, times: int = 1) -> None:
        for _ in range(times):
            self.economy.compressed(MIB, round(MIB / ratio), MIB / speed, self.now)


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_nothing_is_compressed_nor_tried_before_the_link_is_known(lane: Lane) -> None:
    assert not lane.economy.compresses
    assert not lane.economy.wants_sample(lane.now)
    lane.carry(1.0)
    assert lane.economy.link == pytest.approx(GIGABIT, rel=0.01)
    assert lane.economy.wants_sample(lane.now)


def test_a_camera_s_planes_are_compressed_on_a_gigabit_link(lane: Lane) -> None:
    lane.carry(1.0)
    lane.compress(1.6)
    assert lane.economy.compresses


def test_noise_is_not_and_is_tried_again_now_and_then(lane: Lane) -> None:
    lane.carry(1.0)
    lane.compress(1.0)
    decided = [lane.economy.compresses]
    assert not lane.economy.wants_sample(lane.now)
    lane.carry(1.5)
    assert lane.economy.wants_sample(lane.now)
    for ratio in (1.6, 1.0):
        lane.compress(ratio, times=12)
        decided.append(lane.economy.compresses)
    assert decided == [False, True, False]


def test_a_link_faster_than_the_codec_carries_pixels_as_they_are() -> None:
    lane = Lane(2e9)
    lane.carry(1.0)
    lane.compress(1.6, speed=1.5e9)
    assert not lane.economy.compresses


def test_a_link_that_is_not_the_limit_is_not_measured(lane: Lane) -> None:
    lane.carry(2.0, busy=False)
    assert lane.economy.link is None


def test_a_viewer_that_shows_slowly_is_not_helped_by_a_faster_link(lane: Lane) -> None:
    lane.carry(1.0)
    lane.compress(1.6)
    lane.carry(1.0, waiting=200 * MIB)
    assert not lane.economy.compresses
    assert not lane.economy.wants_sample(lane.now)
    lane.carry(1.0)
    assert lane.economy.compresses


def test_a_link_that_ceased_to_be_the_limit_is_measured_anew(lane: Lane) -> None:
    lane.carry(1.0)
    lane.compress(1.6)
    lane.carry(9.0, busy=False)
    assert lane.economy.compresses
    lane.carry(2.0, busy=False)
    assert lane.economy.link is None
    assert not lane.economy.compresses


def test_a_connection_that_ended_leaves_no_half_measurement(lane: Lane) -> None:
    lane.carry(0.1)
    lane.economy.interrupted()
    lane.now += 60.0
    lane.carry(1.0)
    assert lane.economy.link == pytest.approx(GIGABIT, rel=0.01)


@pytest.mark.parametrize(("rate", "window"), [(1e6, 8), (40e6, 19), (GIGABIT, 60), (1e9, 64)])
def test_half_a_second_of_the_link_is_under_way(rate: float, window: int) -> None:
    lane = Lane(rate)
    assert lane.economy.window == 16 * MIB
    lane.carry(3.0)
    assert lane.economy.window // MIB == pytest.approx(window, abs=1)


def test_for_what_is_kept_and_sent_on_the_ratio_alone_counts() -> None:
    lane = Lane(2e9)
    lane.economy.keeps = True
    assert lane.economy.wants_sample(lane.now)
    lane.compress(1.6, speed=1.5e9)
    assert lane.economy.compresses
    lane.carry(1.0, busy=False, waiting=200 * MIB)
    assert lane.economy.compresses
    lane.compress(1.0, times=12)
    assert not lane.economy.compresses
