"""Kernels from generated text, and the threads that run them."""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import pairwise
from types import CodeType, ModuleType
from typing import Any

import numba

from simlab.core.files import write_bytes
from simlab.core.kernel_cache import cache_folder


class _Text(importlib.abc.InspectLoader):
    """Loads a module from a text in memory: what runs is the text that was asked for, whatever a file holds."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self.text

    @staticmethod
    def source_to_code(data: Any, path: Any = "<a kernel of simlab>") -> CodeType:
        """The text compiled, under the name that tracebacks show."""
        return compile(data, path, "exec", dont_inherit=True)


@cache
def load(text: str, *imports: ModuleType) -> Any:
    """The module of a kernel text, which gives its functions to `kernel_cache.disk_cached` with `*IMPORTS`.

    imports: what the text takes numba functions or numbers from. A copy of the text lies beside the cached kernels, at
    `__file__`, to be read.
    """
    name = "simlab_" + hashlib.sha256("\0".join([text, *map(inspect.getsource, imports)]).encode()).hexdigest()[:20]
    spec = importlib.util.spec_from_loader(name, _Text(text))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update(IMPORTS=imports, __file__=_copy(name, text))
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _copy(name: str, text: str) -> str | None:
    """The path of a file with this text in the kernel cache, which is written unless it is there; None without one."""
    folder = cache_folder()
    if folder is None:
        return None
    path, content = folder / f"{name}.py", text.encode()
    try:
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
    except OSError:
        return None
    return str(path)


def thread_count() -> int:
    """As many threads as this process may use: NUMBA_NUM_THREADS or the processors it is allowed."""
    return max(1, int(numba.config.NUMBA_NUM_THREADS))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="simlab")


# The threads of a pool do not come along into a forked process: waiting for them there would never end.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_in_threads(kernel: Callable[[int, int], Any], items: int, block: int = 1) -> None:
    """kernel(first, last) over 0 ... items, cut at multiples of `block`, in parts for so many threads.

    The caller's thread and those of a pool take one part after the other until none is left; where the pool gives no
    thread, at the end of the interpreter or at the user's limit, the caller does them all. An exception of a part, or
    Ctrl-C, keeps further parts from being begun, and is raised when all that were have ended: none writes into the
    caller's arrays any more.
    """
    blocks = -(-items // block)
    count = max(1, min(blocks, thread_count()))
    edges = [min(items, (blocks * p // count) * block) for p in range(count + 1)]
    # The next of an iterator is taken under the lock of the interpreter: no two threads get the same part.
    parts = iter(list(pairwise(edges)))

    def work() -> None:
        try:
            for first, last in parts:
                kernel(first, last)
        except BaseException:
            for _ in parts:  # left
                pass
            raise

    helpers: list[Future[None]] = []
    try:
        with suppress(RuntimeError):  # the system gives no more threads
            helpers.extend(_pool().submit(work) for _ in range(count - 1))
        work()
    finally:
        begun = [job for job in helpers if not job.cancel()]
        try:
            _wait(begun)
        except KeyboardInterrupt:
            _wait(begun)
            raise
    for job in begun:
        job.result()


def _wait(jobs: list[Future[None]]) -> None:
    """Until all have ended, well or not."""
    for job in jobs:
        job.exception()
