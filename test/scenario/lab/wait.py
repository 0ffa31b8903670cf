# SPDX-License-Identifier: Apache-2.0
"""Waiting for something to become true, with a deadline.

What it is: the only place of the lab that polls.  A scenario waits for an event ("the log says
so", "three children live"), never for an amount of time.
What it is not: a way to sleep.  There is no call here that waits unconditionally.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, TypeVar

T = TypeVar("T")

_never = threading.Event()
_FIRST_PAUSE = 0.001
_LAST_PAUSE = 0.020


def eventually(fn: Callable[[], T], within: float = 5.0, what: str = "",
               quiet: tuple[type[BaseException], ...] = ()) -> T:
    """Call fn until it returns something truthy, and return that.

    Exceptions of the types in `quiet` count as "not yet".  AssertionError names `what`, the
    deadline and the last value (or exception) when the deadline passes.
    """
    deadline = time.monotonic() + within
    pause = _FIRST_PAUSE
    last: Any = None
    while True:
        try:
            last = fn()
            if last:
                return last
        except quiet as exc:
            last = exc
        left = deadline - time.monotonic()
        if left <= 0:
            name = what or getattr(fn, "__name__", "the condition")
            raise AssertionError(f"not within {within:g} s: {name}; last value: {last!r:.500}")
        _never.wait(min(pause, left))
        pause = min(pause * 1.5, _LAST_PAUSE)


def stays(fn: Callable[[], Any], during: float, what: str = "") -> None:
    """Check that fn stays truthy for `during` seconds (for what must *not* happen)."""
    deadline = time.monotonic() + during
    while True:
        value = fn()
        assert value, f"did not stay true for {during:g} s: {what or fn!r}; last value: {value!r}"
        left = deadline - time.monotonic()
        if left <= 0:
            return
        _never.wait(min(_LAST_PAUSE, left))
