"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from simlab.core.checks import shown
from simlab.core.errors import InputError, NotWrittenError


def path_of(name: str, value: Any) -> Path:
    """The path of a file as a caller gives it; InputError, by the name of the argument, for anything else."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise InputError(f"{name} must be the path of a file, got {shown(value)}.")
    return Path(value)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; OSError where it cannot be read, and for a pipe or a device, which may never end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    return path.read_bytes()


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Call write(temporary name) beside `path`, flush and rename: nothing half-written ever has the final name.

    A new file has the permissions that the umask leaves, one that replaces another has those of the other.
    """
    temporary = path.with_name(f".writing-{secrets.token_hex(4)}{path.suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(str(temporary))
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_names(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write these bytes, all of them or none."""
    write_atomically(path, lambda name: Path(name).write_bytes(content))


def write_or_rescue(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write these bytes; where that cannot be, an InputError says what they need, and where they are kept instead."""
    try:
        if not overwrite and path.exists():
            raise FileExistsError(0, "another one came there meanwhile")
        write_bytes(path, content)
    except OSError as error:
        kept = _kept(path, content)
        where = f"it is kept in {kept}, move it" if kept else "and nowhere else was room to keep it"
        failed = NotWrittenError(
            f"cannot write {path} ({error.strerror or error}): it needs {len(content):,} bytes; {where}."
        )
        failed.kept = kept
        raise failed from error


def _kept(path: Path, content: bytes) -> Path | None:
    """Keep the bytes of `path` in the first place that has room, under a name that is free; None where none has."""
    for folder in _places(path):
        free = folder / f"simlab-{path.stem}-{secrets.token_hex(4)}{path.suffix}"
        with suppress(OSError, ValueError):
            write_bytes(free, content)
            return free.absolute()
    return None


def _places(path: Path) -> Iterator[Path]:
    """Where else there may be room: first what outlives a job on another machine's disk."""
    yield path.parent
    for place in (os.getcwd, Path.home, tempfile.gettempdir):
        with suppress(OSError, RuntimeError):  # the folder is gone, there is no home
            yield Path(place())


def _flush_names(folder: Path) -> None:
    """Wait until the new name is on the disk, too, where the system can say so of a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
