"""Ctrl-C, and the SIGTERM of schedulers: one line on stderr, status 128 + signal, nothing half-written.

Python's own answer to Ctrl-C is an exception wherever the program happens to be. While modules are imported that ends
in a traceback, or in nothing at all where an import swallows it; and there is nothing to clean up. So a program of
simlab leaves at once (`from_the_start`) until it has files to care for: from then on, signals raise `Stopped`.
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
"""The signals that ask a program to stop, with what it answers."""
SIGNALS = {int(getattr(signal, name)): word for name, word in WORDS.items() if hasattr(signal, name)}
SAME_WISH = 1.0
"""Seconds in which a second signal means the first one: `timeout` sends two, and meanwhile files are being removed."""


class Stopped(KeyboardInterrupt):
    """A signal asked the program to stop; the message, if there is one, says what had been written."""

    def __init__(self, *args: object, number: int = signal.SIGINT) -> None:
        super().__init__(*args)
        self.number = number


def farewell(number: int, what: str = "") -> str:
    """The line that a stopped program leaves."""
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
    for number in _heeded():
        signal.signal(number, _leave)


@contextmanager
def raised() -> Iterator[None]:
    """Inside, a signal raises `Stopped`, in the main thread; what was made is then removed by whoever made it.

    Afterwards a program that is done ignores signals, for it only has to end; one that was stopped ends at once at the
    next, for it may be waiting for a kernel to return.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    catch = _Catch(sys.unraisablehook)
    before = {number: signal.signal(number, catch) for number in _heeded()}
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
            atexit.register(
                _ignore
            )  # by then threads have ended; Python would let a signal kill it in its last moments


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
        self._at = -SAME_WISH

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at < SAME_WISH:
            return
        self._at, self.number = now, number
        raise Stopped(number=number)

    def once_more(self, number: int, frame: FrameType | None) -> None:
        """A signal to a program that was stopped and has not ended yet."""
        if time.monotonic() - self._at >= SAME_WISH:
            os._exit(128 + number)

    def lost(self, unraisable: Any) -> None:
        """What was raised in a destructor or a callback goes nowhere: ask again, a moment later."""
        if not isinstance(unraisable.exc_value, Stopped):
            self.hook(unraisable)
            return
        self._at = -SAME_WISH
        again = threading.Timer(0.05, os.kill, (os.getpid(), unraisable.exc_value.number))
        again.daemon = True
        again.start()


def _leave(number: int, frame: FrameType | None) -> None:
    """End here: there is nothing to clean up, and an exception might not get through."""
    with suppress(OSError):
        os.write(2, f"simlab: {farewell(number)}\n".encode())
    os._exit(128 + number)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _heeded() -> list[int]:
    """The signals that are not ignored: `nohup` and a shell's `&` mean what they say."""
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
