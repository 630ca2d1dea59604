"""Batches as pipelines save them, to a real server without a window."""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coverslip.payload import UnsupportedArray
from coverslip.viewers import NapariStreamingConfig, StreamingConfig, View, connect, scope
from coverslip.viewers.backends import ViewerBackend, registry, viewer
from coverslip.viewers.config import LazyNapariStreamingConfig
from coverslip.viewers.errors import ConfigError, NoParserMatches, UnknownParser
from coverslip.viewers.kinds import _OURS
from tests.viewers.headless import HeadlessVisualizer, driving
from tests.viewers.test_view import First, HeadlessConfig

DEADLINE = 20.0
IMAGES = [np.full((4, 5), value, np.uint8) for value in range(3)]
PATHS = [f"plate/TimePoint_1/scan_A0{n}_s2_w1.tif" for n in (1, 2, 3)]


class HeadlessBackend(ViewerBackend):
    """A third party's backend onto its own viewer."""

    kind = "headless"
    config = HeadlessConfig


@pytest.fixture
def server(
    runtime_folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[First]:
    kind = f"{HeadlessVisualizer.__module__}:HeadlessVisualizer"
    monkeypatch.setitem(_OURS, "headless", kind)
    with driving(First(port=free_port())) as running:
        yield running


@pytest.fixture
def backend(server: First) -> Iterator[HeadlessBackend]:
    made = HeadlessBackend()
    yield made
    made.close(0)


def held(server: First) -> list[dict[str, Any]]:
    return [
        layer.components | dict(zip(layer.key.axes, key, strict=True))
        for layer in server.projection
        for key, _ in layer.store.snapshot()
    ]


class TestComponents:
    def test_from_the_names(self, backend: HeadlessBackend, server: First) -> None:
        backend.save_batch(IMAGES, PATHS, step_name="blur", step_index=2)
        assert backend.flush(DEADLINE) == (3, 3, 0, 0)
        assert {(one["well"], one["site"], one["timepoint"]) for one in held(server)} == {
            ("A01", 2, 1),
            ("A02", 2, 1),
            ("A03", 2, 1),
        }
        (source,) = {(one.step_name, one.step_index) for one in server.sources}
        assert source == ("blur", 2)

    @pytest.mark.parametrize(
        "components",
        [
            [{"donor": n} for n in range(3)],
            {path: {"donor": n} for n, path in enumerate(PATHS)},
            {Path(path): {"donor": n} for n, path in enumerate(PATHS)},
            {Path(path).name: {"donor": n} for n, path in enumerate(PATHS)},
        ],
        ids=["by index", "by path", "by Path", "by name"],
    )
    def test_from_the_caller_for_each(
        self, backend: HeadlessBackend, server: First, components: Any
    ) -> None:
        backend.save_batch(IMAGES, PATHS, components=components)
        assert backend.flush(DEADLINE).shown == 3
        assert {(one["well"], one["donor"]) for one in held(server)} == {
            ("A01", 0),
            ("A02", 1),
            ("A03", 2),
        }

    def test_from_the_caller_for_all_over_the_parsers(
        self, backend: HeadlessBackend, server: First
    ) -> None:
        backend.save_batch(IMAGES, PATHS, components={"site": 7, "plate": "p"})
        backend.save(IMAGES[0], "anything.tif", components={"site": 8, "plate": "p"})
        assert backend.flush(DEADLINE).shown == 4
        assert {(one["site"], one["plate"]) for one in held(server)} == {(7, "p"), (8, "p")}

    def test_from_a_function(self, backend: HeadlessBackend, server: First) -> None:
        backend.save_batch(IMAGES, PATHS, parser=lambda path: {"file": path.stem})
        assert backend.flush(DEADLINE).shown == 3
        assert {one["file"] for one in held(server)} == {Path(path).stem for path in PATHS}

    def test_a_stack_becomes_planes(self, backend: HeadlessBackend, server: First) -> None:
        backend.save(np.zeros((4, 8, 9), np.uint8), PATHS[0], axes=("z_index", "y", "x"))
        assert backend.flush(DEADLINE) == (4, 4, 0, 0)
        assert {one["z_index"] for one in held(server)} == {0, 1, 2, 3}


def test_a_batch_may_replace_what_its_layers_held(backend: HeadlessBackend, server: First) -> None:
    backend.save_batch(IMAGES, PATHS)
    backend.save_batch(IMAGES[:2], PATHS[:2], components={"site": 9}, replace_layers=True)
    assert backend.flush(DEADLINE) == (5, 5, 0, 0)
    assert sorted((one["well"], one["site"]) for one in held(server)) == [("A01", 9), ("A02", 9)]
    view = backend.view()
    view.show(IMAGES[0], well="A01", timepoint=1, site=3, channel=1, replace_layers=True)
    assert view.flush(DEADLINE).shown == 6
    assert [(one["well"], one["site"]) for one in held(server)] == [("A01", 3)]


class TestRefusals:
    @pytest.mark.parametrize(
        ("images", "paths", "options", "error", "words"),
        [
            (IMAGES[:2], PATHS, {}, ValueError, "2 images and 3 paths"),
            (IMAGES, PATHS, {"components": [{"well": "A01"}]}, ValueError, "1 component"),
            (IMAGES, PATHS, {"components": {PATHS[0]: {"a": 1}}}, ValueError, "none for .*A02"),
            (IMAGES, [*PATHS[:2], "no.tif"], {}, NoParserMatches, "no.tif.*nothing of the batch"),
            (IMAGES, PATHS, {"components": [1, 2, 3]}, TypeError, "got 1 for .*A01.*mapping"),
            (IMAGES, PATHS, {"components": "abc"}, TypeError, "'abc': components are a mapping"),
            (IMAGES, PATHS, {"parser": lambda path: 3}, TypeError, "got 3 from the parser"),
            (IMAGES, [*PATHS[:2], None], {}, TypeError, "got None for a path"),
            (IMAGES, PATHS, {"on_error": "ignore"}, ValueError, "on_error='ignore'"),
            (IMAGES, PATHS, {"parser": "nonsense"}, UnknownParser, "nonsense"),
            ([*IMAGES[:2], {"a": 1}], PATHS, {}, UnsupportedArray, "A03.*dict"),
            ([*IMAGES[:2], "text"], PATHS, {}, UnsupportedArray, "A03"),
            ([*IMAGES[:2], np.float32(1)], PATHS, {}, UnsupportedArray, "A03"),
            ([*IMAGES[:2], np.zeros((2, 2, 2))], PATHS, {}, UnsupportedArray, "naming the axes"),
            (IMAGES, PATHS, {"config": NapariStreamingConfig()}, ConfigError, "headless"),
            (IMAGES, PATHS, {"config": "napari"}, ConfigError, "str"),
            (IMAGES, PATHS, {"opacity": 3}, UnsupportedArray, "opacity"),
            (IMAGES, PATHS, {"contrast_limits": 3}, UnsupportedArray, "display"),
        ],
    )
    def test_nothing_of_such_a_batch_is_sent(
        self,
        backend: HeadlessBackend,
        images: list[Any],
        paths: list[str],
        options: dict[str, Any],
        error: type[Exception],
        words: str,
    ) -> None:
        with pytest.raises(error, match=words):
            backend.save_batch(images, paths, **options)
        assert backend.flush(DEADLINE) == (0, 0, 0, 0)

    def test_or_it_is_left_out_and_counted(
        self, backend: HeadlessBackend, server: First, caplog: pytest.LogCaptureFixture
    ) -> None:
        images: list[Any] = [IMAGES[0], {"a": "table"}, IMAGES[2], IMAGES[2]]
        backend.save_batch(images, [*PATHS, "unreadable.tif"], on_error="skip")
        assert backend.flush(DEADLINE) == (4, 2, 0, 2)
        assert backend.statistics().reasons == {"no image, or one whose name no parser reads": 2}
        (record,) = (record for record in caplog.records if "no images" in record.message)
        assert record.message.startswith("2 of 4 are no images: plate/TimePoint_1/scan_A02")
        assert {one["well"] for one in held(server)} == {"A01", "A03"}

    def test_an_empty_batch_is_no_error(self, backend: HeadlessBackend) -> None:
        backend.save_batch([], [])
        assert backend.flush(DEADLINE) == (0, 0, 0, 0)


class TestConfig:
    def test_what_is_given_is_asked_for(self, backend: HeadlessBackend, server: First) -> None:
        config = HeadlessConfig(opacity=0.5, headless_port=server.connection.endpoint.port)
        backend.save_batch(
            IMAGES, PATHS, config=config, blending="additive", modes={"site": "slice"}
        )
        assert backend.flush(DEADLINE).shown == 3
        source = server.sources[0]
        assert (source.display.opacity, source.display.blending) == (0.5, "additive")
        assert source.modes == {"plate": "slice", "site": "slice"}

    def test_as_many_planes_are_kept_as_is_said(
        self, backend: HeadlessBackend, server: First
    ) -> None:
        config = HeadlessConfig(keep=2, headless_port=server.connection.endpoint.port)
        backend.save_batch(IMAGES, PATHS, config=config)
        assert backend.flush(DEADLINE).shown == 3
        assert server.sources[0].keep == 2
        assert len(held(server)) == 2

    def test_the_process_is_asked_where_nobody_else_says(
        self, backend: HeadlessBackend, server: First, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = server.connection.endpoint.port
        monkeypatch.setenv("COVERSLIP_HEADLESS_PORT", str(port))
        monkeypatch.setenv("COVERSLIP_HEADLESS_OPACITY", "0.25")
        backend.save_batch(IMAGES, PATHS)
        assert backend.flush(DEADLINE).shown == 3
        assert server.sources[0].display.opacity == 0.25
        assert backend.view().visualizer.port == port
        assert len(backend._open()) == 1

    def test_each_step_has_its_own_on_one_view(
        self, backend: HeadlessBackend, server: First
    ) -> None:
        for opacity in (0.25, 0.75):
            with scope(pipeline=HeadlessConfig(unit="um"), step=HeadlessConfig(opacity=opacity)):
                backend.save_batch(IMAGES, PATHS)
        backend.save_batch(IMAGES, PATHS)
        assert backend.flush(DEADLINE).shown == 9
        asked = list(dict.fromkeys(source.display.opacity for source in server.sources))
        assert asked == [0.25, 0.75, None]
        assert len({batch.stream for batch in server.batches}) == 1

    def test_what_is_not_enabled_starts_nothing(self, runtime_folder: Path) -> None:
        backend = HeadlessBackend()
        with scope(pipeline=StreamingConfig(enabled=False)):
            backend.save_batch(IMAGES, PATHS)
        backend.save_batch(IMAGES, PATHS, config=HeadlessConfig(enabled=False))
        counts = backend.statistics()
        assert (counts.sent, counts.state) == (0, ())

    def test_another_viewers_scope_says_nothing(
        self, backend: HeadlessBackend, server: First
    ) -> None:
        with scope(pipeline=LazyNapariStreamingConfig(opacity=0.1, enabled=False)):
            backend.save_batch(IMAGES, PATHS)
        assert backend.flush(DEADLINE).shown == 3
        assert server.sources[0].display.opacity is None


def test_it_is_used_again_after_close_and_travels_without_its_views(
    backend: HeadlessBackend, server: First
) -> None:
    backend.save_batch(IMAGES, PATHS)
    backend.close(DEADLINE)
    assert len(held(server)) == 3
    other = pickle.loads(pickle.dumps(backend))
    try:
        other.save_batch(IMAGES, PATHS, components={"site": 9})
        assert other.flush(DEADLINE) == (3, 3, 0, 0)
    finally:
        other.close(0)
    backend.save_batch(IMAGES, PATHS, components={"site": 5})
    assert backend.flush(DEADLINE) == (3, 3, 0, 0)


def test_with_no_viewer_the_pipeline_goes_on_and_all_is_counted(
    runtime_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A viewer on another machine cannot be started from here: that is logged, not raised.
    kind = f"{HeadlessVisualizer.__module__}:HeadlessVisualizer"
    monkeypatch.setitem(_OURS, "headless", kind)
    backend = HeadlessBackend()
    with caplog.at_level(logging.ERROR):
        backend.save_batch(IMAGES, PATHS, host="192.0.2.1")
    assert backend.flush(DEADLINE) == (3, 0, 3, 0)
    assert "cannot be started" in caplog.text
    backend.close(0)


def test_one_that_is_connected_to_holds_nobody_else_up(
    backend: HeadlessBackend, server: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def connecting(*kinds: str, **options: Any) -> View:
        if options["port"] == 1:
            asked.set()
            assert go_on.wait(DEADLINE)
        return connect(*kinds, **options)

    monkeypatch.setattr("coverslip.viewers.backends.viewer.connect", connecting)
    slow = threading.Thread(target=backend.view, kwargs={"host": "workstation", "port": 1})
    slow.start()
    try:
        assert asked.wait(DEADLINE)
        backend.save_batch(IMAGES, PATHS)
        assert backend.flush(DEADLINE) == (3, 3, 0, 0)
    finally:
        go_on.set()
        slow.join()


def test_a_forked_child_has_locks_of_its_own(backend: HeadlessBackend) -> None:
    held_by_a_thread = (backend._lock, registry._lock)
    for lock in held_by_a_thread:
        lock.acquire()
    child = os.fork()
    if child == 0:
        free = backend._lock.acquire(blocking=False) and registry._lock.acquire(blocking=False)
        # An RLock that the parent's own thread holds is this thread's too: a new one tells.
        os._exit(0 if free and registry._lock is not held_by_a_thread[1] else 1)
    for lock in held_by_a_thread:
        lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_call_in_the_middle_of_connecting_waits_for_no_lock_and_its_planes_count(
    backend: HeadlessBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a signal handler's, or a finalizer's, in the thread that connects.
    first = True

    def connecting(*kinds: str, **options: Any) -> View:
        nonlocal first
        if first:
            first = False
            backend.save(IMAGES[0], PATHS[0])
            assert backend.statistics().sent == 1
        return connect(*kinds, **options)

    monkeypatch.setattr(viewer, "connect", connecting)
    backend.save(IMAGES[1], PATHS[1])
    assert backend.flush(DEADLINE) == (2, 2, 0, 0)
