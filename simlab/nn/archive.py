"""Trees of arrays as .npz files that notice when they were changed: a hash of all entries is one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simlab.checks import shown
from simlab.device import Device
from simlab.files import write_atomically
from simlab.nn.layer import rebuilt

HASH = "hash"


def write(path: Path, entries: Mapping[str, Any]) -> None:
    """Write arrays by name, whole or not at all."""
    arrays = {name: np.asarray(Device.of(a).to_host(a)) for name, a in entries.items()}
    arrays[HASH] = np.array(_digest(arrays))

    def write(name: str) -> None:
        with Path(name).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # its flags have names that no entry has

    write_atomically(path, write)


def read(path: Path, what: str) -> dict[str, np.ndarray]:
    """The arrays of a file that `write` wrote; ValueError where it is none, or not as it was written."""
    try:
        with path.open("rb") as file:
            found = dict(np.load(file, allow_pickle=False))
        digest = str(found.pop(HASH))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file; give the path of {what}.") from error
    except Exception as error:  # a broken zip, a pickle, a folder: NumPy raises half a dozen types
        raise ValueError(f"{path} is not {what} of simlab; name another file or delete it.") from error
    if digest != _digest(found):
        raise ValueError(
            f"{path} is not {what} of simlab as it was written: its entries do not have the hash that stands with "
            "them; name another file or delete it."
        )
    return found


def filled(like: Any, arrays: Iterator[Any]) -> Any:
    """The arrays in the shape of a tree."""
    if isinstance(like, tuple):
        return rebuilt(like, [filled(part, arrays) for part in like])
    return None if like is None else next(arrays)


def path_of(name: str, path: Any) -> Path:
    """A place where a file can be written; ValueError otherwise, by the name of the argument."""
    if not isinstance(path, (str, Path)) or not str(path):
        raise ValueError(f"{name} must be the path of a file, got {shown(path)}.")
    found = Path(path)
    if not found.parent.is_dir():
        raise ValueError(f"{name}: {found.parent} is no folder; make it, or name another file.")
    if found.is_dir():
        raise ValueError(f"{name}: {found} is a folder; name a file in it.")
    return found


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """A hash of names, kinds, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
