"""Streaming backends onto the viewers: one view for each viewer that was used, until `close`."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from numpy.typing import ArrayLike

from coverslip.payload import Mode
from coverslip.transport import Delivery, TransportError
from coverslip.viewers.backends.base import PathLike, StreamingBackend
from coverslip.viewers.backends.batch import Components, Parser, Refusal, images_of
from coverslip.viewers.config.base import Config
from coverslip.viewers.config.lazy import config_for, config_in_force
from coverslip.viewers.config.streaming import (
    FijiStreamingConfig,
    NapariStreamingConfig,
    StreamingConfig,
)
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import ConfigError, ViewerError
from coverslip.viewers.given import given_view
from coverslip.viewers.living import Living
from coverslip.viewers.look import WORDS, Look, as_words
from coverslip.viewers.seconds import as_seconds
from coverslip.viewers.stream import Image, Statistics
from coverslip.viewers.view import View

__all__ = ["FijiStreamingBackend", "NapariStreamingBackend", "ViewerBackend"]

logger = logging.getLogger(__name__)


_Where: TypeAlias = tuple[str, int | None]
"""Host and port."""


class ViewerBackend(StreamingBackend):
    """`StreamingBackend` onto the viewers of one kind. Safe from any thread."""

    kind: ClassVar[str]
    """The viewer, as `connect` calls it."""

    config: ClassVar[type[StreamingConfig]]
    """What configures it."""

    def __init__(self) -> None:
        self._views: dict[_Where, View] = {}
        self._renew_locks()
        _backends.add(self)

    def _renew_locks(self) -> None:
        """Make the locks, also in a forked child, where its parent's threads never release them."""
        # Reentrant: their own thread's signal handlers may come in the middle, and must not wait.
        self._lock = threading.RLock()
        """Guards the two tables; never held for long."""
        self._turns: dict[_Where, threading.RLock] = {}
        """For each viewer, what is held while it is connected to, which may take seconds."""

    def save_batch(
        self,
        data_list: Sequence[ArrayLike],
        file_paths: Sequence[PathLike],
        *,
        step_name: str | None = None,
        step_index: int | None = None,
        components: Components | None = None,
        parser: Parser = "auto",
        config: object = None,
        axes: Sequence[str] | None = None,
        rgb: bool = False,
        name: str | None = None,
        modes: Mapping[str, Mode | str] | None = None,
        host: str | None = None,
        port: int | None = None,
        replace_layers: bool = False,
        on_error: Literal["raise", "skip"] = "raise",
        **kwargs: Any,
    ) -> None:
        """Send one image for each path, as one message where they fit.

        What became of them, `flush` and `statistics` say.

        Parameters
        ----------
        data_list : sequence of array_like
            Images, as `View.show` takes them.
        file_paths : sequence of path-like
            As many paths. They need not exist: they say what the images are.
        step_name, step_index : str, int, optional
            The step that made them.
        components : mapping, or sequence of mappings, optional
            What the images are, instead of or beside what their names say: one mapping for all,
            one for each in order, or one for each path (by path or file name). Wins over the
            parser.
        parser : str or callable, default "auto"
            ``"auto"``, a parser's name, or a function of the path.
        config : object, optional
            A configuration, Lazy or not, or an object that holds one. None takes what the
            pipeline and the step have in `scope`, else what the process has configured.
        axes, rgb : sequence of str, bool, optional
            As for `View.show`; each component axis adds planes.
        name : str, optional
            The layers' name.
        modes : mapping of str to str, optional
            Component modes of this batch, over the `config`'s.
        host, port : str, int, optional
            The viewer, over the `config`'s; started when it does not run.
        replace_layers : bool, default False
            Layers that get planes of this batch show these alone.
        on_error : {"raise", "skip"}, default "raise"
            What becomes of a batch with something that is no image: nothing of it is sent, or
            that is left out, warned of and counted as failed.
        **kwargs : object
            `View.show`'s display settings (``colormap="magenta"``). Other words of the pipeline's
            context are ignored.

        Raises
        ------
        ValueError
            Not as many images as paths, or as component mappings; another `on_error`.
        TypeError
            A path is not path-like, or components are not a mapping.
        UnknownParser, ConfigError
            No parser goes by that name; `config` is not a configuration and holds none.
        NoParserMatches
            A path that no parser reads and for which no components are given.
        coverslip.payload.UnsupportedArray
            Something that cannot be shown. Nothing of the batch was sent.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error={on_error!r}: give "raise" or "skip"')
        settings = config_in_force(self.config) if config is None else self._config(config)
        if not getattr(settings, "enabled", True):
            logger.debug("%d images are not sent: enabled=False", len(data_list))
            return
        look = Look.of(settings, modes or {})
        words = {word: kwargs.pop(word) for word in WORDS if word in kwargs}
        source = look.source(
            name=name,
            step_name=step_name,
            step_index=step_index,
            words=as_words(**words),
            replace=uuid.uuid4().hex if replace_layers else "",
        )
        images: list[Image] = []
        refused: list[Refusal] = []
        for made in images_of(data_list, file_paths, components, parser=parser, axes=axes, rgb=rgb):
            if not isinstance(made, Refusal):
                images += made
            elif on_error == "raise":
                raise type(made.error)(f"{made} (nothing of the batch was sent)") from made.error
            else:
                refused.append(made)
        if kwargs:
            logger.debug("save_batch leaves aside: %s", ", ".join(sorted(kwargs)))
        stream = self._view(host, port, settings).stream
        if refused:
            logger.warning("%d of %d are no images: %s", len(refused), len(data_list), refused[0])
            stream.refuse(len(refused), "no image, or one whose name no parser reads")
        stream.send(images, source)

    def _config(self, given: object) -> Config | None:
        found = config_for(self.kind, given)
        if found is None:
            raise ConfigError(
                f"config={type(given).__name__} is no configuration for {self.kind} and holds none"
            )
        return found

    def view(
        self, host: str | None = None, port: int | None = None, config: Config | None = None
    ) -> View:
        """Return the view of a viewer, connecting at first use.

        Where the process was given a stream (see `coverslip.viewers.current_stream`), and no host
        or port is asked for, it is that one's.

        Parameters
        ----------
        host, port : str, int, optional
            The viewer; None takes the `config`'s, else the one that runs.
        config : Config, optional
            How it is started; None takes the one in force, as `save_batch` does.
        """
        return self._view(host, port, config_in_force(self.config) if config is None else config)

    def _view(self, host: str | None, port: int | None, config: Config | None) -> View:
        """Return as `view`; None is what is in force, which takes a third of a ms to find out."""
        given = given_view(self.kind) if host is None and port is None else None
        if given is not None:
            return given
        if isinstance(config, StreamingConfig):
            host = config.host if host is None else host
            port = config.port if port is None else port
        where = (host or "localhost", port)
        with self._lock:
            turn = self._turns.setdefault(where, threading.RLock())
        with turn:
            view = self._views.get(where)
            if view is None:
                made = self._connect(where, config)
                with self._lock:
                    # A signal handler's call in the middle of this one may have made it.
                    view = self._views.setdefault(where, made)
                if view is not made:
                    made.close(0)
            return view

    def _connect(self, where: _Where, config: Config | None) -> View:
        host, port = where
        try:
            # The pipeline does not wait for a window: planes wait for it instead.
            return connect(self.kind, host=host, port=port, timeout=0, config=config)
        except (ViewerError, TransportError) as error:
            logger.error("no %s viewer can be started: %s", self.kind, error)
            return connect(self.kind, host=host, port=port, start=False, config=config)

    def flush(self, timeout: float = 10.0) -> Delivery:
        """Wait until what was sent is shown, dropped or failed; see `View.flush`."""
        deadline = time.monotonic() + as_seconds("timeout", timeout)
        found = [view.flush(max(0.0, deadline - time.monotonic())) for view in self._open()]
        return Delivery(*map(sum, zip(*found, strict=True))) if found else Delivery(0, 0, 0, 0)

    def statistics(self) -> Statistics:
        """Return the counts without waiting, summed over the viewers; see `View.statistics`."""
        return Statistics.total(view.statistics() for view in self._open())

    def _open(self) -> list[View]:
        """Return the views that were opened, and that of the stream which the process was given."""
        given = given_view(self.kind)
        with self._lock:
            return [*self._views.values(), *([] if given is None else [given])]

    def close(self, linger: float = 5.0) -> None:
        """Wait up to `linger` seconds for what is under way, and let go of the viewers.

        A stream that the process was given is only waited for.
        """
        if given_view(self.kind) is not None:
            self.flush(linger)
        with self._lock:
            views, self._views = self._views, {}
        for view in views.values():
            view.close(linger)

    def __reduce__(self) -> tuple[Any, ...]:
        # Views stay in their process; another one connects to the same viewers when it saves.
        return type(self), ()


_backends = Living(ViewerBackend._renew_locks)
"""Those of this process."""


class NapariStreamingBackend(ViewerBackend):
    """Saves images to napari."""

    kind = "napari"
    config = NapariStreamingConfig


class FijiStreamingBackend(ViewerBackend):
    """Saves images to Fiji."""

    kind = "fiji"
    config = FijiStreamingConfig
