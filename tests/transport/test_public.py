"""What the package shows to others."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from coverslip import transport
from coverslip.transport import TransportError, errors


def test_all_is_there_and_documented():
    for name in transport.__all__:
        value = getattr(transport, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
            assert value.__module__.startswith("coverslip.transport"), name


@pytest.mark.parametrize("name", errors.__all__)
def test_one_tree_of_errors_as_it_is_drawn(name):
    assert name in transport.__all__
    assert issubclass(getattr(errors, name), TransportError)
    assert name in (errors.__doc__ or "")


def test_no_image_no_gui():
    code = (
        "import sys, coverslip.transport;"
        "print([name for name in ('numpy', 'qtpy', 'coverslip.payload', 'coverslip.viewers')"
        " if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
