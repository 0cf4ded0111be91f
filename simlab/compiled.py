"""Numba modules kept in the user's cache folder under the hash of their text, and the threads that run them."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numba


def cache_folder() -> Path:
    """Where kernels live: $SIMLAB_CACHE, else the user's cache folder, else, if that is read-only, a temporary one."""
    home = os.environ.get("SIMLAB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simlab"
    folder = Path(home) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="simlab-kernels-"))
    return folder


@cache
def load(text: str, *imports: ModuleType) -> Any:
    """The module of a kernel text, written once under its content hash, so that numba's cache beside it is never stale.

    imports: what the text takes numba functions or numbers from. The hash covers them and numba's version as well:
    numba itself only looks at the file that it compiles.
    """
    ingredients = [text, numba.__version__, *map(inspect.getsource, imports)]
    name = "simlab_" + hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:20]
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).replace(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def thread_count() -> int:
    """As many threads as this process may use: NUMBA_NUM_THREADS or the processors it is allowed."""
    return int(numba.config.NUMBA_NUM_THREADS)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="simlab")


def spread(kernel: Callable[[int, int], Any], items: int, block: int = 1) -> None:
    """kernel(first, last) over 0 ... items, cut at multiples of `block`, each part on a thread of its own."""
    blocks = -(-items // block)
    parts = min(blocks, thread_count())
    edges = [min(items, (blocks * p // parts) * block) for p in range(parts + 1)]
    for job in [_threads().submit(kernel, a, b) for a, b in pairwise(edges)]:
        job.result()
