"""What a client asks an ImageJ beyond what it asks every viewer."""

from __future__ import annotations

from typing import Annotated

import msgspec

from coverslip.transport import Reply, Request

__all__ = ["MacroResult", "RunMacro"]


class RunMacro(Request, frozen=True, kw_only=True):
    """Run a macro of ImageJ's language; answered with `MacroResult` when it has ended."""

    text: Annotated[str, msgspec.Meta(max_length=1 << 20)]
    argument: Annotated[str, msgspec.Meta(max_length=1 << 16)] = ""


class MacroResult(Reply, frozen=True, kw_only=True):
    """What a macro returned, empty for one that returns nothing."""

    text: str = ""
