"""The stream that this process was given, for code that does not say where its viewer is.

Whoever gives it knows the viewer: an engine's plugin, which lends a view to a worker's tasks
(`coverslip.viewers.dask`), or whoever started the process, in its environment.
``COVERSLIP_CONNECTION`` holds the lines of the viewers (or a file's path), and
``COVERSLIP_STREAM`` what else a stream of theirs is to be; processes that a task starts inherit
both, so a worker's plugin sets them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from coverslip.viewers.config.lazy import config_in_force
from coverslip.viewers.config.streaming import streaming_config
from coverslip.viewers.errors import ConfigError, NoStream
from coverslip.viewers.look import Look
from coverslip.viewers.remote import RemoteVisualizer, read_lines
from coverslip.viewers.stream import Stream
from coverslip.viewers.view import View

__all__ = ["CONNECTION_VARIABLE", "current_stream", "give", "given_view", "take_back"]

CONNECTION_VARIABLE: Final = "COVERSLIP_CONNECTION"
_TERMS_VARIABLE: Final = "COVERSLIP_STREAM"


def current_stream() -> View:
    """Return the view that this process was given, the same one for all of its threads.

    In a task of a Dask cluster that `coverslip.viewers.dask.stream_to` streams from it is its
    worker's. Elsewhere, and in a process that a task starts, it is one to the viewer of
    ``COVERSLIP_CONNECTION``. Do not close it: when whoever gave it has, planes are dropped and
    counted, and nothing is raised.

    Returns
    -------
    View
        One without a viewer, to which nothing is sent, where streaming was given and switched off.

    Raises
    ------
    NoStream
        This process was given none.
    coverslip.transport.AddressError
        ``COVERSLIP_CONNECTION`` holds no line, or names a file that holds none.

    Examples
    --------
    >>> from coverslip.viewers import current_stream
    >>> current_stream().show(image, well="A01", z_index=3)  # doctest: +SKIP
    """
    view = _given.view()
    if view is None:
        raise NoStream(
            "no stream was given to this process: on a Dask cluster call stream_to(client, view) "
            f"first; elsewhere set {CONNECTION_VARIABLE} to the line that `coverslip connection "
            "show PORT` prints, or to a file that holds it"
        )
    return view


def given_view(kind: str) -> View | None:
    """Return a view of the viewer of that kind alone, of those that this process was given."""
    return _given.of_kind(kind)


def give(view: View, here: Callable[[], bool]) -> None:
    """Lend a view to this process and to those that it starts, until `take_back`.

    Parameters
    ----------
    view : View
        Of viewers that are reached by their endpoints, on a stream that was opened as ``lent``.
    here : callable
        Whether it is meant for the thread that asks. Of several that are, the newest is taken;
        where none is, the newest, too: a thread that a task started is no task. When it was taken
        back, only those go on to have it for whom it was meant.
    """
    _given.add(_Loan(view, here))


def take_back(view: View, linger: float = 5.0) -> None:
    """Close a view that was lent; waits up to `linger` seconds for what is under way."""
    _given.remove(view)
    view.close(linger)


class _Terms(msgspec.Struct, frozen=True):
    """What a stream of another process is to be, besides its viewers."""

    looks: tuple[Look, ...]
    budget: Annotated[int, msgspec.Meta(ge=1)]
    group: Annotated[str, msgspec.Meta(max_length=256)]


@dataclass(frozen=True)
class _Loan:
    view: View
    here: Callable[[], bool]
    by_kind: dict[str, View] = field(default_factory=dict)
    """Views of one viewer, where the loan has several: a backend saves to its own kind alone."""

    def of_kind(self, kind: str) -> View | None:
        """Return the view of one of its viewers, None where it has none of that kind."""
        view = self.view
        for visualizer, look in zip(view.visualizers, view.looks, strict=True):
            if visualizer.kind == kind:
                if len(view.visualizers) == 1:
                    return view
                if kind not in self.by_kind:
                    stream = view.stream
                    own = Stream([visualizer], budget=stream.budget, group=stream.group, lent=True)
                    self.by_kind[kind] = View(visualizer, own, looks=[look])
                return self.by_kind[kind]
        # Switched off: its planes go nowhere, whatever their kind.
        return None if view.visualizers else view


class _Given:
    """The loans of this process. Safe from any thread."""

    def __init__(self) -> None:
        self._loans: list[_Loan] = []
        self._over: _Loan | None = None
        """The last that was taken back: its tasks that go on showing are told nothing of it."""
        self._inherited: tuple[Mapping[str, str], _Loan] | None = None
        """That of the environment, as long as it says the same."""
        self._outside: dict[str, str] | None = None
        """What the environment said before anything was lent."""
        self.renew_lock()

    def renew_lock(self) -> None:
        """Make it, also in a forked child, where its parent's threads never release it."""
        self._lock = threading.RLock()

    def add(self, loan: _Loan) -> None:
        with self._lock:
            if not self._loans:
                self._outside = _environment()
            self._loans.append(loan)
            _set_environment(_passed_on(loan.view))

    def remove(self, view: View) -> None:
        """Forget a loan; the views that were made of it are closed at once."""
        with self._lock:
            for loan in [one for one in self._loans if one.view is view]:
                self._loans.remove(loan)
                self._over = loan
                for other in loan.by_kind.values():
                    other.close()
            if self._loans:
                _set_environment(_passed_on(self._loans[-1].view))
            elif self._outside is not None:
                _set_environment(self._outside)
                self._outside = None

    def view(self) -> View | None:
        with self._lock:
            loan = self._loan()
            return None if loan is None else loan.view

    def of_kind(self, kind: str) -> View | None:
        with self._lock:
            loan = self._loan()
            return None if loan is None else loan.of_kind(kind)

    def _loan(self) -> _Loan | None:
        newest_first = self._loans[::-1]
        for loan in newest_first:
            if loan.here():
                return loan
        if newest_first:
            return newest_first[0]
        said = _environment()
        if CONNECTION_VARIABLE not in said:
            return self._over if self._over is not None and self._over.here() else None
        if self._inherited is None or self._inherited[0] != said:
            self._inherited = said, _Loan(_view_of(said), lambda: True)
        return self._inherited[1]


def _environment() -> dict[str, str]:
    names = (CONNECTION_VARIABLE, _TERMS_VARIABLE)
    return {name: os.environ[name] for name in names if name in os.environ}


def _set_environment(said: Mapping[str, str]) -> None:
    for name in (CONNECTION_VARIABLE, _TERMS_VARIABLE):
        if name in said:
            os.environ[name] = said[name]
        else:
            os.environ.pop(name, None)


def _passed_on(view: View) -> dict[str, str]:
    """Return what the environment of other processes says of a view."""
    if not view.visualizers:
        return {}
    terms = _Terms(view.looks, view.stream.budget, view.stream.group)
    return {
        CONNECTION_VARIABLE: " ".join(one.endpoint.to_url() for one in view.visualizers),
        _TERMS_VARIABLE: msgspec.json.encode(terms).decode(),
    }


def _view_of(said: Mapping[str, str]) -> View:
    """Return a view on a stream of its own, as the environment says."""
    visualizers = [RemoteVisualizer(one) for one in read_lines(said[CONNECTION_VARIABLE])]
    if _TERMS_VARIABLE in said:
        try:
            terms = msgspec.json.decode(said[_TERMS_VARIABLE], type=_Terms)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{_TERMS_VARIABLE}, which a worker sets: {error}") from None
        stream = Stream(visualizers, budget=terms.budget, group=terms.group)
        return View(visualizers, stream, looks=terms.looks)
    found = [config_in_force(streaming_config(one.kind)) for one in visualizers]
    configs = [config for config in found if config is not None]
    if not all(config.enabled for config in configs):
        return View(())
    return View(visualizers, config=configs or None)


_given: Final = _Given()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_given.renew_lock)
