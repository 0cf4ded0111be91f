"""numba functions whose machine code is cached on disk, each compiled once and verified before it runs again.

numba's own cache unpickles whatever lies beside a source file, and knows a function by that file alone. Here the
code of a function for some types of arguments is one file. Its name is a hash of all that decides the code: the texts
of the function's module and of those it takes numba functions or numbers from, the types, the versions of Python, numba
and llvmlite, the compiler's switches, and the name and features of the processor. Its first bytes are a hash of name
and content. A file that does not match its hash, being damaged, half-written, edited or put there by another program,
is not read any further: it is deleted, and the function compiled again.

What is trusted is the folder: whoever may write in it could forge a hash as well, and what lies in it runs as the
user. So it is made for the user alone, and one that belongs to another user or that others may write in is refused.
Where no folder can be made or written nothing is cached, and every process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
from numba.core import config, sigutils
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from simlab.core.errors import InputError
from simlab.core.files import write_bytes

FORM = b"simlab kernel 1\n"
"""What a file begins with; a change of the form gets a new number."""
SWITCHES = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "FULL_TRACEBACKS")
PATIENCE = 120.0
"""Seconds to wait for another process that compiles the same function, before compiling it here as well."""

NO_COMPILER = "NUMBA_DISABLE_JIT is set, but kernels do not run uncompiled; unset it."


def require_compiler() -> None:
    """InputError where the environment forbids numba to compile."""
    if config.DISABLE_JIT:
        raise InputError(NO_COMPILER)


require_compiler()

# A child forked while another thread compiles would find the compiler's lock taken and never released.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def cache_folder() -> Path | None:
    """Where kernels are cached: in $SIMLAB_CACHE, else in the user's cache folder; None where no folder can be made.

    InputError where the folder belongs to another user or others may write in it.
    """
    try:
        named = os.environ.get("SIMLAB_CACHE")
        home = Path(named or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simlab").absolute()
        folder = home / "kernels"
        for place in (home, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            _require_own(home, sticky=True)
            _require_own(folder, sticky=False)
    except (OSError, RuntimeError):  # RuntimeError: no home
        return None
    return folder


def _require_own(folder: Path, sticky: bool) -> None:
    """InputError where someone else could put a file into a folder, or, of a sticky one, change it under our hands."""
    found = folder.stat()
    others = found.st_mode & 0o022 and not (sticky and found.st_mode & 0o1000)
    if found.st_uid not in (os.geteuid(), 0):
        raise InputError(f"the kernel cache {folder} belongs to another user; let SIMLAB_CACHE name a folder of yours.")
    if others:
        raise InputError(
            f"others may write in {folder}, and what lies in a kernel cache is run: "
            f"chmod go-w {folder}, or let SIMLAB_CACHE name another folder."
        )


def disk_cached(*modules: ModuleType, signatures: tuple[Any, ...] = (), **options: Any) -> Callable[[Any], Any]:
    """Compile as numba's njit does, with this cache.

    modules: what the function's own module takes numba functions or numbers from, at whatever distance. signatures:
    compile for these at once, and for no others later.
    """

    def decorate(function: Any) -> Any:
        dispatcher = numba.njit(no_cfunc_wrapper=True, **options)(function)
        cache = KernelCache(function.__name__, (sys.modules[function.__module__], *modules), options)
        compile_ = dispatcher.compile

        def once(signature: Any) -> Any:
            with global_compiler_lock, cache.turn(signature, dispatcher.targetctx.codegen()):
                return compile_(signature)

        dispatcher._cache, dispatcher.compile = cache, once
        for signature in signatures:
            dispatcher.compile(signature)
        dispatcher.disable_compile(bool(signatures))
        return dispatcher

    return decorate


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _text(module: ModuleType) -> str:
    """The source of a module, from wherever it was loaded."""
    text = module.__loader__.get_source(module.__name__)  # type: ignore[union-attr]
    if text is None:
        raise InputError(f"the source of {module.__name__} is missing, without which kernels cannot be distinguished.")
    return str(text)


class KernelCache(_Cache):
    """The cache of one function, as numba's dispatcher asks for it."""

    def __init__(self, name: str, modules: tuple[ModuleType, ...], options: dict[str, Any]) -> None:
        self.name, self.modules = name, modules
        # A set has no order of its own.
        chosen = sorted((key, sorted(value) if isinstance(value, set) else value) for key, value in options.items())
        self.depends = _hash([*map(_text, (sys.modules[__name__], *modules)), repr(chosen)])

    def path(self, signature: Any, codegen: Any) -> Path | None:
        """The file for these types of arguments on this processor."""
        folder = cache_folder()
        if folder is None:
            return None
        types, result = sigutils.normalize_signature(signature)
        versions = sys.version, numba.__version__, llvmlite.__version__
        switches = [repr(getattr(config, name, None)) for name in SWITCHES]
        parts = [self.depends, str(types), str(result), *versions, *switches, *map(str, codegen.magic_tuple())]
        return folder / f"{self.name}-{_hash(parts)[:32]}.kernel"

    @contextmanager
    def turn(self, signature: Any, codegen: Any) -> Iterator[None]:
        """Hold the lock of a function that is not there yet, so that of several processes one compiles it."""
        path = self.path(signature, codegen)
        if path is None or path.exists() or sys.platform == "win32":
            yield
            return
        import fcntl

        try:
            file = path.with_suffix(".lock").open("ab")
        except OSError:
            yield
            return
        with file:
            until = time.monotonic() + PATIENCE
            while not path.exists() and time.monotonic() < until:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.05)
                except OSError:  # a file system without locks
                    break
            try:
                yield
            finally:
                # Said, not left to closing: a child forked meanwhile has the file open as well.
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_UN)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The cached code, None where there is none that matches its hash."""
        target_context.refresh()
        path = self.path(signature, target_context.codegen())
        content = None if path is None else read(path)
        if path is None or content is None:
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(content))
        except Exception:  # what cannot be built again, for whatever reason, is compiled again
            _remove(path)
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep the code; where there is no room for it the next process compiles again."""
        path = self.path(signature, result.codegen)
        if path is not None and not result.lifted and not result.library.has_dynamic_globals:
            write(path, dumps(result._reduce()))

    @property
    def cache_path(self) -> str:
        """The folder, for numba's statistics."""
        return str(cache_folder())

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It never is."""

    def flush(self) -> None:
        """Nothing is buffered."""


def read(path: Path) -> bytes | None:
    """The content of a file; None where there is none, or none that matches its hash: that file is deleted."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(FORM) + hashlib.sha256().digest_size
    if data[:head] == _head(path, data[head:]):
        return data[head:]
    _remove(path)
    return None


def write(path: Path, content: bytes) -> None:
    """Write a file with its hash, whole or not at all; a full or broken disk is no reason to stop."""
    with suppress(OSError):
        write_bytes(path, _head(path, content) + content)


def _head(path: Path, content: bytes) -> bytes:
    """What stands before the content: the hash of another kernel's file does not match either."""
    return FORM + hashlib.sha256(path.name.encode() + b"\0" + content).digest()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
