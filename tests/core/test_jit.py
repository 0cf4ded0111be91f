"""Kernels on threads: in processes that are forked, at the end of the interpreter, and when a part goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from simlab.core import jit
from simlab.core.jit import run_in_threads

ROOT = Path(__file__).parents[2]
LIMIT = 200
"""Seconds after which a script hangs: it takes a few, and more while others compile."""


def script(text: str) -> str:
    """What a script prints; with all its children it is killed at the limit."""
    words = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(text)]
    # Two threads in any case: with one there is no pool to lose.
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            out, _ = running.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            pytest.fail("hangs")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0
    return out


BEGIN = """
    import multiprocessing, sys, threading
    from concurrent.futures import ProcessPoolExecutor
    from tests.small_run import trained, walked

    def work(_=0):
        return walked(), trained()

    expected = work()
    fork = multiprocessing.get_context("fork")
"""
FORKED = {
    "a pool": "with fork.Pool(2) as pool: found = pool.map(work, range(3))",
    "an executor": "with ProcessPoolExecutor(2, mp_context=fork) as pool: found = list(pool.map(work, range(3)))",
    "joblib's processes": """
    from joblib import Parallel, delayed
    found = Parallel(2, backend="multiprocessing")(delayed(work)(k) for k in range(3))
    """,
    "joblib's threads": """
    from joblib import Parallel, delayed
    found = Parallel(3, backend="threading")(delayed(work)(k) for k in range(3))
    """,
    "threads of a daemon": """
    from concurrent.futures import ThreadPoolExecutor

    def many(pipe):
        with ThreadPoolExecutor(3) as threads: pipe.send(list(threads.map(work, range(3))))

    here, there = fork.Pipe()
    child = fork.Process(target=many, args=(there,), daemon=True)
    child.start()
    found = here.recv()
    child.join()
    """,
    "a child of a child": """
    def again(_):
        with ProcessPoolExecutor(1, mp_context=fork) as pool: return pool.submit(work).result()

    with ProcessPoolExecutor(1, mp_context=fork) as pool: found = list(pool.map(again, range(1)))
    """,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("kind", FORKED)
def test_a_process_that_was_forked_after_work_does_the_same_work(kind: str) -> None:
    text = textwrap.dedent(BEGIN) + textwrap.dedent(FORKED[kind])
    assert script(text + "\nprint(all(one == expected for one in found), len(found) > 0)") == "True True\n"


COMPILE = """
    import multiprocessing, threading
    from simlab.core import jit

    TEXT = '''
    from simlab.core.kernel_cache import disk_cached

    @disk_cached(signatures=("int64(int64)",))
    def f(x):
        return x + NUMBER
    '''

    def new(k):
        return jit.load(TEXT.replace("NUMBER", str(k))).f(1)

    def others():
        k = 0
        while not over.is_set():
            new(k)
            k += 1

    over = threading.Event()
    thread = threading.Thread(target=others)
    thread.start()
    fork = multiprocessing.get_context("fork")
    for k in range(3):
        child = fork.Process(target=new, args=(-1 - k,))
        child.start()
        child.join()
        assert child.exitcode == 0
    over.set()
    thread.join()
    print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_while_a_thread_compiles_can_compile(tmp_path: Path) -> None:
    """Unless the lock of the compiler is free in the child, it waits for a thread that is not there."""
    assert script(f"import os; os.environ['SIMLAB_CACHE'] = {str(tmp_path)!r}\n" + textwrap.dedent(COMPILE)) == "done\n"


def test_work_at_the_end_of_the_interpreter_is_done() -> None:
    text = """
    import atexit
    from tests.small_run import walked

    expected = walked()
    atexit.register(lambda: print(walked() == expected))
    """
    assert script(text) == "True\n"


def test_every_item_is_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in (1, 2, 7):
        monkeypatch.setattr(jit, "thread_count", lambda threads=threads: threads)
        for items, block in ((1, 1), (5, 2), (100, 8), (64, 64), (65, 64), (0, 4)):
            seen = np.zeros(items, int)

            def visit(first: int, last: int, seen: np.ndarray = seen, block: int = block) -> None:
                assert first % block == 0
                seen[first:last] += 1

            run_in_threads(visit, items, block)
            assert (seen == 1).all()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """One thread beside the caller's, in the place of the pool."""
    with ThreadPoolExecutor(1) as found:
        monkeypatch.setattr(jit, "thread_count", lambda: 2)
        monkeypatch.setattr(jit, "_pool", lambda: found)
        yield found


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("mistake", [ValueError("of one part"), KeyboardInterrupt()])
@pytest.mark.parametrize("own", [True, False])
def test_what_goes_wrong_in_a_part_is_raised_when_all_that_were_begun_have_ended(
    own: bool, mistake: BaseException
) -> None:
    both, working = threading.Barrier(2, timeout=60), []

    def part(first: int, last: int) -> None:
        both.wait()
        if own is (threading.current_thread() is threading.main_thread()):
            raise mistake
        working.append(first)
        time.sleep(0.2)  # still at work while the other has failed
        working.clear()

    with pytest.raises(type(mistake)):
        run_in_threads(part, 2)
    assert not working


@pytest.mark.usefixtures("pool")
def test_parts_not_begun_are_left_after_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "thread_count", lambda: 50)
    begun = []

    def part(first: int, last: int) -> None:
        begun.append(first)
        time.sleep(0.01)
        raise ValueError("every one")

    with pytest.raises(ValueError, match="every one"):
        run_in_threads(part, 50)
    assert len(begun) <= 2


def test_without_threads_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        def submit(self, work: object) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(jit, "thread_count", lambda: 4)
    monkeypatch.setattr(jit, "_pool", Exhausted)
    seen = np.zeros(10, int)

    def visit(first: int, last: int) -> None:
        seen[first:last] += 1

    run_in_threads(visit, 10)
    assert (seen == 1).all()


@pytest.mark.usefixtures("pool")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no such signal")
def test_ctrl_c_while_waiting_is_heard_when_the_others_have_ended() -> None:
    both, ended = threading.Barrier(2, timeout=60), []

    def part(first: int, last: int) -> None:
        both.wait()
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.2)
            ended.append(first)

    with pytest.raises(KeyboardInterrupt):
        run_in_threads(part, 2)
    assert len(ended) == 1
