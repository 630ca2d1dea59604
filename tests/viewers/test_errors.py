"""The tree of errors, as it is drawn."""

from __future__ import annotations

import inspect

import pytest

from coverslip.viewers import ViewerError, errors

ALL = [
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception)
]


@pytest.mark.parametrize("name", ALL)
def test_one_tree_of_errors_as_it_is_drawn(name: str) -> None:
    assert name in errors.__all__
    assert issubclass(getattr(errors, name), ViewerError)
    assert f" {name} " in f" {errors.__doc__} ".replace("\n", " ")
