"""The folder of finished cells: one process at a time, what to say when a run is stopped, and how it is removed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simlab.core.errors import InputError

FOLDER = "cells"
"""In the folder of a run, until its result is written."""
SETTINGS = "config.toml"
"""Beside the cells: the configuration of the run, without which nobody could go on with it."""
LOCK = ".lock"


@contextmanager
def kept_in(run: Path) -> Iterator[Path]:
    """The folder of a run's cells, for this process alone; InputError where another one works in it.

    What a process that was killed left half-written goes.
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, run):
        for place in (run, folder):
            for stray in place.glob(".writing-*"):
                stray.unlink(missing_ok=True)
        yield folder


@contextmanager
def word_of_resuming(study: str, run: Path) -> Iterator[None]:
    """An interruption inside says how to go on, where a finished cell is kept, unless it has something to say."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not stop.args and can_resume(run):
            stop.args = (how_to_resume(study, run),)
        raise


@contextmanager
def until_done(place: Path) -> Iterator[Path]:
    """A folder for the cells of work that has none of its own, where the same work goes on; removed at its end."""
    with kept_in(place) as folder:
        yield folder
        remove(place)
    for empty in (place, *place.parents):
        with suppress(OSError):
            empty.rmdir()
            continue
        break


def how_to_resume(study: str, run: Path) -> str:
    """The command that goes on with a run."""
    return f"go on with: python -m simlab run {study} --resume {shlex.quote(str(run))}"


def can_resume(run: Path) -> bool:
    """Whether a finished cell is in the folder of a run, and the configuration that it takes to go on."""
    folder = run / FOLDER
    return (folder / SETTINGS).exists() and any(folder.glob("[!.]*.npz"))


def clear(folder: Path) -> None:
    """Remove all cells, and the configuration, but not the lock."""
    for file in folder.iterdir():
        if file.name != LOCK:
            file.unlink(missing_ok=True)


def remove(run: Path) -> None:
    """Remove the folder of the cells, once the result is written or where there are none.

    The configuration goes last: until then the run counts as one to go on with, however this ends.
    """
    folder = run / FOLDER
    with suppress(OSError):
        for file in sorted(folder.iterdir(), key=lambda file: file.name == SETTINGS):
            file.unlink(missing_ok=True)
        folder.rmdir()


@contextmanager
def _locked(folder: Path, run: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process however it ends; nothing where the system has none."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    path = folder / LOCK
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"out = {str(run)!r}: another process works in this folder; wait for it, or name another one."
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)
