"""Ctrl-C, and the SIGTERM of schedulers: one line on stderr, status 128 + signal, nothing half-written.

Python answers Ctrl-C with an exception wherever the program happens to be. During imports that means a traceback, or
nothing at all where an import catches it, and there is nothing to clean up yet. So simlab, started as a program, ends
at once at a signal (`from_the_start`) until there are files to remove: from then on signals raise `Stopped`.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what comes before the first handler is short
    from pathlib import Path

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated"}
"""The signals that ask a program to stop, with the word that it prints."""
SIGNALS = {int(getattr(signal, name)): word for name, word in WORDS.items() if hasattr(signal, name)}
REPEATED = 1.0
"""Seconds in which further signals count as the first one: `timeout` sends two, and files may yet have to go."""


class Stopped(KeyboardInterrupt):
    """A signal asked the program to stop; the message, if there is one, says what had been written."""

    def __init__(self, *args: object, number: int = signal.SIGINT) -> None:
        super().__init__(*args)
        self.number = number


def last_line(number: int, what: str = "") -> str:
    """What a stopped program prints at its end."""
    return f"{SIGNALS[number]}; {what or 'nothing was written.'}"


def from_the_start() -> None:
    """Where simlab itself was started as a program: end in one line at a signal, from the first import on."""
    if not _is_program():
        return
    for descriptor in (0, 1, 2):  # closed ones: the next file opened would take their number, and get what is printed
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number in _not_ignored():
        signal.signal(number, _leave)


@contextmanager
def raised() -> Iterator[None]:
    """Inside, a signal raises `Stopped` in the main thread, so that context managers remove what they made.

    Afterwards a program that has finished ignores signals, for only its exit is left; one that was stopped ends at once
    at the next, for it may be waiting for a kernel to return.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    catch = _Catch(sys.unraisablehook)
    before = {number: signal.signal(number, catch) for number in _not_ignored()}
    sys.unraisablehook = catch.lost
    after: Any = catch.once_more
    try:
        yield
        after = signal.SIG_IGN
    except Stopped:
        raise
    except Exception as error:  # imports and callbacks of C turn what was raised in them into errors of their own
        if catch.number is None:
            after = None
            raise
        raise Stopped(number=catch.number) from error
    finally:
        sys.unraisablehook = catch.hook
        for number, handler in before.items():
            signal.signal(number, after if handler is _leave and after is not None else handler)
        if after == catch.once_more and _leave in before.values():
            # Threads have ended when this runs; without it a signal would kill Python while it shuts down.
            atexit.register(_ignore)


@contextmanager
def with_word_of(path: Path) -> Iterator[None]:
    """An interruption inside says that this file has been written, if it has."""
    before = _identity(path)
    try:
        yield
    except KeyboardInterrupt as stop:
        if _identity(path) != before:
            stop.args = (f"the result is whole in {path}.",)
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class _Catch:
    """The handler inside of `raised`."""

    def __init__(self, hook: Callable[[Any], object]) -> None:
        self.hook = hook
        self.number: int | None = None
        self._at = -REPEATED

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at < REPEATED:
            return
        self._at, self.number = now, number
        raise Stopped(number=number)

    def once_more(self, number: int, frame: FrameType | None) -> None:
        """A signal to a program that was stopped and has not ended yet."""
        if time.monotonic() - self._at >= REPEATED:
            os._exit(128 + number)

    def lost(self, unraisable: Any) -> None:
        """A `Stopped` raised in a destructor or a callback is lost: send the signal again a moment later."""
        if not isinstance(unraisable.exc_value, Stopped):
            self.hook(unraisable)
            return
        self._at = -REPEATED
        again = threading.Timer(0.05, os.kill, (os.getpid(), unraisable.exc_value.number))
        again.daemon = True
        again.start()


def _leave(number: int, frame: FrameType | None) -> None:
    """End here: there is nothing to clean up, and an exception might not get through."""
    with suppress(OSError):
        os.write(2, f"simlab: {last_line(number)}\n".encode())
    os._exit(128 + number)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _not_ignored() -> list[int]:
    """The signals to handle: not those that `nohup` or a shell's `&` had ignored from the start."""
    return [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def _is_program() -> bool:
    """Whether Python was started as `python -m simlab...` or by the command `simlab`, not for another program."""
    started = sys.argv[0] if sys.argv else ""
    if started != "-m":  # which it is until Python has found the module
        return started.replace("\\", "/").rpartition("/")[2] in ("simlab", "simlab.exe")
    words = iter(sys.orig_argv[1:])
    for word in words:  # -m simlab, -msimlab, -OOm simlab: after the flags that take no value
        flags, m, module = word.partition("m")
        if m and flags.startswith("-") and set(flags) <= set("-bBdEiIOPqsSuvx"):
            return (module or next(words, "")).split(".")[0] == "simlab"
    return False
