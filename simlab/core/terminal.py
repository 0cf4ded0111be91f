"""What is printed: on stdout what was asked for, on stderr all else. Neither may cost a result.

A stream may be closed (then Python has None for it), on a full disk, or a pipe that nobody reads.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from simlab.core.errors import InputError


def write_stdout(text: str) -> None:
    """Text for stdout; InputError where it cannot be written, BrokenPipeError where nobody reads it any more."""
    if sys.stdout is None:
        raise InputError("cannot write to stdout: it is closed.")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"cannot write to stdout ({error.strerror}).") from error


def write_stderr(text: str) -> None:
    """Text for stderr, if there is one that takes it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except AttributeError:  # closed before Python started
        pass
    except (OSError, ValueError):
        _give_up(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal."""
    with suppress(OSError, ValueError):
        return stream is not None and stream.isatty()
    return False


class Errors:
    """stderr as a file object that never fails."""

    def write(self, text: str) -> int:
        """Write text."""
        write_stderr(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""

    def isatty(self) -> bool:
        """Whether stderr is a terminal."""
        return is_terminal(sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _give_up(stream: TextIO) -> None:
    """Discard what the stream still holds: Python would try again at the end, and fail with a status of its own."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
