"""Finished cells of a run: kept in its folder, one file each, so that a run that was stopped goes on where it was.

A file holds the arrays that a cell returned and what they depend on: the study, the work, the item, the fields of the
config that were read with their values, the contents of a file that such a field names, the device, and a hash of all
sources. A file that depends on anything else is not used, nor is one that is damaged. Files appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab.core import terminal
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.files import read_bytes, write_bytes

FOLDER = "cells"
"""In the folder of a run, until its result is written."""
SETTINGS = "config.toml"
"""Beside the cells: the configuration of the run, without which nobody could go on with it."""
LOCK = ".lock"
ABOUT = "about"
"""The member of a file that says what the cell depends on."""


class Kept(NamedTuple):
    """A finished cell: its result, walkers that became NaN or infinite, and the fields of the config that it read."""

    result: Any
    diverged: int
    read: Mapping[str, Any]


class Recorded:
    """A config that remembers which of its fields were read; `fields_read` tells.

    What is its own begins with an underscore, as no field does.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        self._read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        fields = type(self._plain).model_fields
        self._read |= {name} if name in fields else set(fields)  # a method may read anything
        return getattr(self._config, name)

    def __hash__(self) -> int:
        return hash(self._whole)

    def __eq__(self, other: object) -> bool:
        return bool(self._whole == (other._whole if isinstance(other, Recorded) else other))

    @property
    def _plain(self) -> Any:
        """The config itself."""
        return plain(self._config)

    @property
    def _whole(self) -> Any:
        """The config itself, all of which counts as read."""
        self._read |= set(type(self._plain).model_fields)
        return self._config._whole if isinstance(self._config, Recorded) else self._config


def plain(config: Any) -> Any:
    """The config itself, where this is one that remembers."""
    return config._plain if isinstance(config, Recorded) else config


def fields_read(config: Recorded) -> dict[str, Any]:
    """The fields that were read, with their values as JSON has them."""
    return _values(config._plain, config._read)


class Store:
    """The finished cells of one run: in memory, and in a folder where there is one."""

    def __init__(self, study: str, folder: Path | None = None, sources: str = "") -> None:
        self.study, self.folder, self.sources = study, folder, sources
        self._memory: dict[str, tuple[dict[str, Any], Kept]] = {}
        self._full = False

    def find(self, work: str, item: Any, config: Any, device: Device) -> Kept | None:
        """The finished cell, or None where there is none that depends on the same."""
        name = _file_name(work, item)
        about, kept = self._memory.get(name) or self._load(name) or (None, None)
        if about is None or kept is None:
            return None
        return kept if about == self._about(work, item, device, _values(plain(config), kept.read)) else None

    def keep(self, work: str, item: Any, device: Device, kept: Kept) -> Kept:
        """Keep a cell; returned as it will be found again. A full disk costs the chance to resume, not this run."""
        kept = kept._replace(result=_settled(kept.result))
        name, about = _file_name(work, item), self._about(work, item, device, kept.read)
        self._memory[name] = about, kept
        if self.folder is None:
            return kept
        try:
            write_bytes(self.folder / name, _encode(kept, about))
        except OSError as error:
            if not self._full:
                terminal.write_stderr(
                    f"simlab: finished work cannot be kept in {self.folder} ({error.strerror or error}).\n"
                )
            self._full = True
        return kept

    def _about(self, work: str, item: Any, device: Device, read: Mapping[str, Any]) -> dict[str, Any]:
        about = {"study": self.study, "work": work, "item": item_name(item), "device": device.name, "read": dict(read),
                 "sources": self.sources}  # fmt: skip
        return dict(json.loads(json.dumps(about)))

    def _load(self, name: str) -> tuple[dict[str, Any], Kept] | None:
        if self.folder is None or not (self.folder / name).exists():
            return None
        try:
            about, kept = _decode((self.folder / name).read_bytes())
        except Exception:  # whatever a damaged file makes NumPy, zip and JSON raise
            return None
        self._memory[name] = about, kept
        return about, kept


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


def item_name(item: Any) -> str:
    """An item as text, different for different items; ValueError for what is no plain value."""

    def bare(part: Any) -> Any:
        part = part.item() if isinstance(part, np.generic) else part
        if not isinstance(part, str | int | float | tuple):
            raise ValueError(f"an item must be text, a number or a tuple of these, got {item!r}.")
        return [bare(p) for p in part] if isinstance(part, tuple) else part

    return json.dumps(bare(item))


@cache
def sources_of(*packages: str) -> str:
    """A hash of all sources of these packages, and of the numerical libraries below them."""
    digest = hashlib.sha256()
    for package in sorted({"simlab", *packages}):
        for root in map(Path, importlib.import_module(package).__path__):
            for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".cuh")):
                digest.update(f"{package}/{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for library in ("numpy", "scipy", "numba", "sympy"):
        digest.update(f"{library} {importlib.import_module(library).__version__}\n".encode())
    return digest.hexdigest()


def _values(config: Any, names: Any) -> dict[str, Any]:
    """Fields as JSON has them; a file with a hash of what is in it, which may change while its name stays."""
    values = {n: v for n, v in config.model_dump(mode="json").items() if n in set(names) - {"out", "scenes"}}
    for name in values:
        path = getattr(config, name)
        if isinstance(path, Path) and path.is_file():
            about = path.stat()
            values[name] = [values[name], _hash(path, about.st_size, about.st_mtime_ns)]
    return values


@cache
def _hash(path: Path, size: int, changed: int) -> str:
    """Of a file that was last changed at this time, computed once."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _file_name(work: str, item: Any) -> str:
    text = f"{work} {item_name(item)}"
    words = re.sub(r"[^A-Za-z0-9.]+", "-", text.removeprefix("simlab.studies.")).strip("-")
    return f"{words[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"


def _encode(kept: Kept, about: Mapping[str, Any]) -> bytes:
    arrays: list[Any] = []
    form = _flatten(kept.result, arrays)
    text = json.dumps({"about": about, "form": form, "diverged": kept.diverged})
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{ABOUT: np.array(text)}, **{f"a{i}": a for i, a in enumerate(arrays)})
    return content.getvalue()


def _decode(content: bytes) -> tuple[dict[str, Any], Kept]:
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        head = json.loads(str(members[ABOUT]))
        result = _settled(_unflatten(head["form"], members))
    return head["about"], Kept(result, int(head["diverged"]), head["about"]["read"])


def _settled(value: Any) -> Any:
    """Arrays in the layout that a file gives back, which decides the order of later sums; nobody may change them.

    TypeError for what a file could not give back as it is.
    """
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_settled, value))
    if type(value) in (tuple, list):
        return type(value)(map(_settled, value))
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _settled(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufcU" or isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"a cell must return arrays of numbers or texts, got one of {value.dtype}.")
        if isinstance(value, np.ndarray):
            value = np.array(value, order="C")
            value.setflags(write=False)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise TypeError(f"a cell must return arrays, numbers, texts and tuples or dictionaries of them, got {value!r}.")
    return value


def _flatten(value: Any, arrays: list[Any]) -> Any:
    """The form of a settled result as JSON, and its arrays appended to a list."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        return ["named", kind.__module__, kind.__qualname__, [_flatten(v, arrays) for v in value]]
    if isinstance(value, tuple | list):
        return [type(value).__name__, [_flatten(v, arrays) for v in value]]
    if isinstance(value, dict):
        return ["dict", {k: _flatten(v, arrays) for k, v in value.items()}]
    if not isinstance(value, np.ndarray | np.generic):
        return ["plain", value]
    arrays.append(np.asarray(value))
    return ["array" if isinstance(value, np.ndarray) else "scalar", len(arrays) - 1]


def _unflatten(form: Any, members: Any) -> Any:
    kind, *rest = form
    if kind == "plain":
        return rest[0]
    if kind in ("array", "scalar"):
        array = members[f"a{rest[0]}"]
        return array if kind == "array" else array[()]
    if kind == "dict":
        return {k: _unflatten(v, members) for k, v in rest[0].items()}
    if kind == "named":
        # Only a class that the work's own imports have brought, and that is a named tuple.
        made: Any = sys.modules[rest[0]]
        for name in rest[1].split("."):
            made = getattr(made, name)
        if not (isinstance(made, type) and issubclass(made, tuple) and hasattr(made, "_fields")):
            raise ValueError("not a named tuple")
        return made(*(_unflatten(v, members) for v in rest[2]))
    values = [_unflatten(v, members) for v in rest[0]]
    return tuple(values) if kind == "tuple" else values


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
