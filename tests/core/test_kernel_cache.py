"""Kernels on disk: verified before they run, made anew when damaged, and no reason to stop where there is no room.

What a folder of kernels may suffer is tried on the cache of a tiny function in this process, and once on whole walks.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simlab.core import jit, kernel_cache
from simlab.core.errors import InputError
from simlab.core.kernel_cache import KernelCache
from tests.cli_helpers import MODULE, QUICK, process
from tests.processor import PROCESSORS, environment
from tests.small_run import trained, walked

ROOT = Path(__file__).parents[2]
TEXT = """
from simlab.core.kernel_cache import disk_cached


@disk_cached(*IMPORTS, signatures=("int64(int64)",), nogil=True)
def twice(x):
    return 2 * x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SIMLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def compilations(text: str = TEXT, *imports: Any) -> int:
    """Load a module as a new process would, and see that it is right; how often it was compiled."""
    module = jit.load.__wrapped__(text, *imports)
    assert module.twice(21) == 42
    return sum(module.twice._cache_misses.values())


class Trap:
    """What a pickle can do to whoever reads it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def damages(sound: bytes, trap: bytes) -> dict[str, bytes]:
    """Contents that a file may be found with."""
    flipped = bytearray(sound)
    flipped[len(flipped) // 2] ^= 1
    return {
        "empty": b"", "short": sound[:20], "cut": sound[:-1], "longer": sound + b"\0", "flipped": bytes(flipped),
        "planted": trap, "planted behind the form": sound[: len(kernel_cache.FORM)] + trap,
        "planted behind another hash": sound[: len(kernel_cache.FORM) + 32] + trap, "no code": b"raise SystemExit(7)",
    }  # fmt: skip


def test_a_second_process_finds_what_the_first_compiled(folder: Path) -> None:
    assert compilations() == 1
    assert compilations() == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_whatever_happens_to_a_file_it_is_not_run_and_is_made_anew(folder: Path, tmp_path: Path) -> None:
    compilations()
    (path,) = folder.glob("*.kernel")
    sound, trap = path.read_bytes(), tmp_path / "sprung"
    for name, content in damages(sound, pickle.dumps(Trap(trap))).items():
        path.write_bytes(content)
        assert compilations() == 1, name
        assert compilations() == 0, name
    assert not trap.exists()


def test_a_kernel_under_the_name_of_another_is_not_run(folder: Path) -> None:
    compilations()
    (path,) = folder.glob("*.kernel")
    other = TEXT.replace("2 * x", "3 * x")
    module = jit.load.__wrapped__(other)
    assert module.twice(21) == 63
    (new,) = set(folder.glob("*.kernel")) - {path}
    shutil.copy(path, new)
    assert jit.load.__wrapped__(other).twice(21) == 63


def test_a_text_that_was_edited_is_not_run(folder: Path) -> None:
    compilations()
    (path,) = folder.glob("*.py")
    assert path.read_text("utf-8") == TEXT
    path.write_text(TEXT.replace("2 * x", "3 * x"), "utf-8")
    assert compilations() == 0
    assert path.read_text("utf-8") == TEXT


def test_a_change_in_what_a_kernel_imports_makes_another_kernel(folder: Path) -> None:
    def library(text: str) -> Any:
        return jit.load.__wrapped__(text)

    assert compilations(TEXT, library("factor = 2\n")) == 1
    assert compilations(TEXT, library("factor = 2\n")) == 0
    assert compilations(TEXT, library("factor = 3\n")) == 1


def test_another_processor_means_another_file(folder: Path) -> None:
    (cache, x) = (KernelCache("f", (), {}), ("x86_64-linux", "znver3", "+avx2"))
    names = set()
    for magic in (x, ("aarch64-linux", *x[1:]), (x[0], "znver4", x[2]), (*x[:2], "+avx2,+avx512f")):
        names.add(cache.path("int64(int64)", SimpleNamespace(magic_tuple=lambda magic=magic: magic)))
    assert len(names) == 4


def test_every_kept_function_names_all_modules_that_decide_its_code() -> None:
    from simlab.nn.kernels.cpu import kernel as fused_kernel
    from simlab.nn.layers import outer
    from simlab.random import kernels
    from simlab.random import shuffle as order

    functions = [v for m in (fused_kernel, order, outer, kernels) for v in vars(m).values()]
    kept = {id(v): v for v in functions if isinstance(getattr(v, "_cache", None), KernelCache)}
    assert len(kept) == 9
    for function in kept.values():
        named = {module.__name__ for module in function._cache.modules}
        assert named >= set(deciding(function.py_func.__module__)), function


def deciding(name: str) -> Iterator[str]:
    """A module and those of simlab from which it takes numba functions or their numbers, by its imports."""
    yield name
    tree = ast.parse(Path(sys.modules[name].__file__ or "").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("simlab."):
            for other in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                module = sys.modules.get(other)
                if module is not None and not hasattr(module, "__path__") and module is not kernel_cache:
                    yield from deciding(other)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("inner", [False, True])
def test_a_folder_that_others_may_write_is_refused(folder: Path, mode: int, inner: bool) -> None:
    folder.mkdir(parents=True)
    place = folder if inner else folder.parent
    place.chmod(mode)
    with pytest.raises(InputError, match=f"others may write in {place}.* chmod go-w {place}"):
        compilations()
    place.chmod(0o755)
    assert compilations() == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chown(folder, 12345, 12345)
    with pytest.raises(InputError, match="belongs to another user"):
        compilations()


def test_a_folder_beside_those_of_others_is_none_of_theirs(folder: Path) -> None:
    folder.parent.mkdir()
    folder.parent.chmod(0o1777)  # as /tmp is: nobody renames what is another's
    assert compilations() == 1


def test_refused_at_the_command_line_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    answer = process(
        "-m", MODULE, *QUICK, "--scenes", "walk", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith("simlab: others may write in ")
    assert "Traceback" not in answer.err


def test_without_a_folder_kernels_are_made_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary, file = tmp_path / "tmp", tmp_path / "file"
    temporary.mkdir()
    file.write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for place in (file, file / "below", Path("/proc/none")):
        monkeypatch.setenv("SIMLAB_CACHE", str(place))
        assert compilations() == 1
        assert compilations() == 1
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_full_disk_costs_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert compilations() == 1
        assert not [path for path in folder.iterdir() if path.suffix != ".lock"]
    assert compilations() == 1
    assert compilations() == 0


def test_a_file_half_written_by_a_killed_process_is_no_kernel(folder: Path) -> None:
    compilations()
    (path,) = folder.glob("*.kernel")
    path.rename(folder / ".writing-1234.kernel")
    assert compilations() == 1
    assert compilations() == 0


def test_a_folder_in_place_of_a_file_costs_no_result(folder: Path) -> None:
    compilations()
    for path in list(folder.iterdir()):
        path.unlink()
        path.mkdir()
    assert compilations() == 1


def test_who_waits_too_long_compiles_for_himself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    compilations()
    (path,) = folder.glob("*.kernel")
    path.unlink()
    monkeypatch.setattr(kernel_cache, "PATIENCE", 0.1)
    with path.with_suffix(".lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert compilations() == 1
    assert compilations() == 0


# -- whole processes


def start(cache: Path, *work: str, **more: str) -> subprocess.Popen[str]:
    """A process with this work."""
    words = [sys.executable, "-m", "tests.small_run", *work]
    return subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, "SIMLAB_CACHE": str(cache), **more}, stdout=subprocess.PIPE, text=True
    )


def end(running: subprocess.Popen[str]) -> dict[str, Any]:
    """What it found."""
    with running:
        out, _ = running.communicate(timeout=300)
    assert running.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_of_several_processes_one_compiles_and_damage_to_every_file_is_mended(tmp_path: Path) -> None:
    """Two begin with an empty cache; then every file is damaged, and again, and the numbers are always the same."""
    first, second = (end(one) for one in [start(tmp_path, "walked"), start(tmp_path, "walked")])
    kept = sorted(first["compiled"] + second["compiled"])
    kernels = sorted((tmp_path / "kernels").glob("*.kernel"))
    assert kept == sorted(path.name.split("-")[0] for path in kernels)
    assert kept.count("advance") == 4
    trap = tmp_path / "sprung"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for k, path in enumerate(files):
        kinds = list(damages(path.read_bytes() or b"0", pickle.dumps(Trap(trap))).values())
        path.write_bytes(kinds[k % len(kinds)])
    third, fourth = (end(start(tmp_path, "walked")) for _ in range(2))
    assert first["walked"] == second["walked"] == third["walked"] == fourth["walked"]
    assert sorted(third["compiled"]) == kept
    assert not fourth["compiled"]
    assert not trap.exists()


@pytest.mark.parametrize("name", PROCESSORS)
def test_another_processor_finds_the_same_numbers(name: str) -> None:
    from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]

    if not features.get("AVX2"):
        pytest.skip("a processor can play a lesser one only, and this one has no AVX2")
    home = Path(os.environ.get("SIMLAB_CACHE") or Path.home() / ".cache" / "simlab")
    found = end(start(home, "walked", "trained", **environment(name)))
    # As in tests/sde: a few eps of numbers of order 10 a step, here 8 of them, of which half are in single precision.
    eps = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(found["walked"][:10], walked()[:10], rtol=0, atol=200 * 8 * np.finfo(float).eps)
    np.testing.assert_allclose(found["walked"], walked(), rtol=0, atol=200 * 8 * eps)
    # Sums of at most 16 products of order 1, through two layers and back, in each of 6 steps.
    np.testing.assert_allclose(found["trained"], trained(), rtol=0, atol=6 * 4 * 16 * eps)


def test_kernels_that_may_not_be_compiled_are_refused(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
    for name in ("langevin_drift", "random_features"):
        words = ("-m", "simlab", "run", name, "--preset", "smoke", "--out", "out")
        answer = process(*words, cwd=tmp_path, env=variables)
        assert answer == (2, "", f"simlab: {kernel_cache.NO_COMPILER}\n")
        assert not list(tmp_path.iterdir())
    modules = ["sde", "random.kernels", "random.shuffle", "nn.kernels.cpu.kernel", "nn.layers.outer", "core.jit"]
    script = """
import importlib
for name in MODULES:
    try:
        importlib.import_module(f"simlab.{name}")
    except ValueError as error:
        print(error)
"""
    answer = process("-c", script.replace("MODULES", repr(modules)), cwd=tmp_path, env=variables)
    assert answer.out.splitlines() == [kernel_cache.NO_COMPILER] * len(modules)
