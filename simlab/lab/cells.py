"""Finished cells of a run: kept in its folder, one file each, so that a run that was stopped goes on where it was.

A file holds the arrays that a cell returned and what they depend on: the study, the work, the item, the fields of the
config that were read with their values, the contents of a file that such a field names, the device, and a hash of all
sources. A file that depends on anything else is not used, nor is one that is damaged. Files appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simlab.core import terminal
from simlab.core.device import Device
from simlab.core.files import read_bytes, write_bytes
from simlab.data.versions import by_version
from simlab.lab.codec import Kept, decode, encode, settled


class Recorded:
    """A config that remembers which of its fields were read; `fields_read` tells.

    What is its own begins with an underscore, as no field does.
    """

    def __init__(self, config: Any) -> None:
        self._config = plain(config)
        self._read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        fields = type(self._config).model_fields
        self._read |= {name} if name in fields else set(fields)  # a method may read anything
        return getattr(self._config, name)

    def __hash__(self) -> int:
        return hash(self._whole)

    def __eq__(self, other: object) -> bool:
        return bool(self._whole == (other._whole if isinstance(other, Recorded) else other))

    @property
    def _whole(self) -> Any:
        """The config itself, all of which counts as read."""
        self._read |= set(type(self._config).model_fields)
        return self._config


def plain(config: Any) -> Any:
    """The config itself, where this is one that remembers."""
    return config._config if isinstance(config, Recorded) else config


def fields_read(config: Recorded) -> dict[str, Any]:
    """The fields that were read, with their values as JSON has them."""
    return _values(config._config, config._read)


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
        kept = kept._replace(result=settled(kept.result))
        name, about = _file_name(work, item), self._about(work, item, device, kept.read)
        try:
            if self.folder is not None:
                write_bytes(self.folder / name, encode(kept, about))
                return kept
        except OSError as error:
            if not self._full:
                terminal.write_stderr(
                    f"simlab: finished work cannot be kept in {self.folder} ({error.strerror or error}).\n"
                )
            self._full = True
        self._memory[name] = about, kept
        return kept

    def _about(self, work: str, item: Any, device: Device, read: Mapping[str, Any]) -> dict[str, Any]:
        about = {"study": self.study, "work": work, "item": item_name(item), "read": dict(read),
                 "device": [device.name, device.description], "sources": self.sources}  # fmt: skip
        return dict(json.loads(json.dumps(about)))

    def _load(self, name: str) -> tuple[dict[str, Any], Kept] | None:
        if self.folder is None or not (self.folder / name).exists():
            return None
        try:
            return decode((self.folder / name).read_bytes())
        except Exception:  # whatever a damaged file makes NumPy, zip and JSON raise
            return None


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
    for library in ("numpy", "scipy", "numba", "sympy", "sklearn"):
        digest.update(f"{library} {importlib.import_module(library).__version__}\n".encode())
    return digest.hexdigest()


def _values(config: Any, names: Any) -> dict[str, Any]:
    """Fields as JSON has them; a file with a hash of what is in it, which may change while its name stays."""
    values = {n: v for n, v in config.model_dump(mode="json").items() if n in set(names) - {"out", "scenes"}}
    for name in values:
        path = getattr(config, name)
        if isinstance(path, Path) and path.is_file():
            values[name] = [values[name], _hash(path)]
    return values


@by_version
def _hash(path: Path | None) -> str:
    """Of what is in a file; nothing where there is none."""
    return hashlib.sha256(read_bytes(path)).hexdigest() if path is not None else ""


def _file_name(work: str, item: Any) -> str:
    text = f"{work} {item_name(item)}"
    words = re.sub(r"[^A-Za-z0-9.]+", "-", text.removeprefix("simlab.studies.")).strip("-")
    return f"{words[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"
