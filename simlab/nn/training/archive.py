"""Trees of arrays as .npz files with a hash at the end, by which every changed bit is detected."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.core.files import path_of, write_or_rescue
from simlab.nn.layers.layer import rebuilt

DIGITS = 64
"""Of the hash in hexadecimal; other programs that read .npz files pass over them."""


def write(path: Path, entries: Mapping[str, Any]) -> None:
    """Write arrays by name, whole or not at all; where that cannot be, InputError says where they are kept instead."""
    file = io.BytesIO()
    arrays: Any = {name: np.asarray(Device.of(a).to_host(a)) for name, a in entries.items()}
    np.savez(file, **arrays)
    content = file.getvalue()
    write_or_rescue(path, content + hashlib.sha256(content).hexdigest().encode())


def read(path: Path, what: str) -> dict[str, np.ndarray]:
    """The arrays of a file that `write` wrote; ValueError where it is another, or not as it was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read ({error.strerror}); give the path of {what}.") from error
    content, digest = content[:-DIGITS], content[-DIGITS:]
    if not content.startswith(b"PK"):
        raise ValueError(f"{path} is not {what} of simlab; name another file or delete it.")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError(
            f"{path} is not {what} of simlab as it was written: its content does not have the hash that it ends in; "
            "name another file or delete it."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return dict(found)


def filled(like: Any, arrays: Iterator[Any]) -> Any:
    """The arrays in the shape of a tree."""
    if isinstance(like, tuple):
        return rebuilt(like, [filled(part, arrays) for part in like])
    return None if like is None else next(arrays)


def place_of(name: str, path: Any) -> Path:
    """A path where a file can be written; ValueError otherwise, by the name of the argument."""
    found = path_of(name, path)
    try:
        if not found.parent.is_dir():
            raise ValueError(f"{name}: {found.parent} is no folder; make it, or name another file.")
        if found.is_dir():
            raise ValueError(f"{name}: {found} is a folder; name a file in it.")
        if found.exists() and not found.is_file():  # a device would be replaced, a pipe waited for
            raise ValueError(f"{name}: {found} is no plain file; name another one.")
    except OSError as error:  # a name that is too long, a folder that is not ours to look into
        raise ValueError(f"{name}: {found} cannot be a file ({error.strerror}); name another one.") from error
    return found
