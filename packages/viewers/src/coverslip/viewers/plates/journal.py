"""Which files of a folder have been shown, kept from one run to the next.

One line of JSON for each file, appended as it is shown: what a run that is killed has written is
still good, and a line that was cut off is ignored.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import platformdirs

from coverslip.viewers.plates.incoming import Signature

__all__ = ["Journal", "state_folder"]

FOLDER_VARIABLE = "COVERSLIP_STATE_DIR"


class _Line(msgspec.Struct, frozen=True):
    """A file as it was when it was shown; `path` is relative to the folder."""

    path: str
    size: int
    mtime_ns: int


def state_folder() -> Path:
    """Return the user's folder for what lasts: ``COVERSLIP_STATE_DIR``, or the platform's own."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("coverslip", appauthor=False)


class Journal:
    """Remembers shown files of one folder. For one thread.

    Parameters
    ----------
    folder : Path
        Absolute.
    resume : bool
        Go on with what an earlier run has written, instead of beginning anew.

    Raises
    ------
    OSError
        The journal cannot be written.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        self.path = state_folder() / "watch" / f"{name}.jsonl"
        self.shown: dict[Path, Signature] = {}
        self._folder = folder
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        torn = self._read() if resume and self.path.exists() else False
        self._file = self.path.open("ab" if resume else "wb")
        if torn:
            self._file.write(b"\n")

    def add(self, path: Path, signature: Signature) -> None:
        """Note that a file has been shown."""
        self.shown[path] = signature
        try:
            line = msgspec.json.encode(_Line(str(path.relative_to(self._folder)), *signature))
        except UnicodeEncodeError:  # its name is no Unicode: it will be shown again
            return
        self._file.write(line + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> bool:
        """Read what is there; return whether the last line was cut off."""
        content = self.path.read_bytes()
        decoder = msgspec.json.Decoder(_Line)
        for line in content.splitlines():
            try:
                found = decoder.decode(line)
            except msgspec.DecodeError:
                continue
            self.shown[self._folder / found.path] = Signature(found.size, found.mtime_ns)
        return bool(content) and not content.endswith(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
