"""A limit to the work of sympy, counted in calls: a clock would depend on the load of the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TooMuchWork(BaseException):
    """The limit is reached; not an Exception, which sympy would catch on the way."""


@contextmanager
def counted_calls(most: int) -> Iterator[None]:
    """End what runs inside, in this thread, in TooMuchWork after so many calls of functions."""
    left = most
    before: Any = sys.getprofile()

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooMuchWork

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        if hasattr(before, "enable"):  # the profiler of cProfile, which is no function
            before.enable()
        else:
            sys.setprofile(before)
