"""What was read of a file is kept for as long as the file is the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Version = tuple[int, ...]


class by_version(Generic[T]):
    """Call a function of a path, or of None for data that come with a library, once for each version of the file.

    Of every path the newest version is kept. One who changes what it returns changes it for all.
    """

    def __init__(self, load: Callable[[Path | None], T]) -> None:
        self._load, self._kept = load, dict[Path | None, tuple[Version, T]]()
        update_wrapper(self, load)

    def __call__(self, path: Path | None) -> T:
        """What the function makes of the file as it is now; nothing is kept where that is an error."""
        version = _version(path)  # before it is read: what changes in between is read anew the next time
        kept = self._kept.get(path)
        if kept is None or kept[0] != version:
            kept = self._kept[path] = version, self._load(path)
        return kept[1]

    def cache_clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def _version(path: Path | None) -> Version:
    """What is different after a file was written anew or replaced; nothing where there is none."""
    try:
        about = path.stat() if path is not None else None
    except OSError:
        return ()
    return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns) if about is not None else ()
