"""A signal at any moment ends a program of simlab in one line, with status 128 + signal, and nothing half-written."""

from __future__ import annotations

import functools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from simlab.core import interrupts
from simlab.core.interrupts import Stopped
from simlab.lab import cli, results
from tests.cli_helpers import HANGS, MODULE, WALK, Answer, Terminal, contents, process

LINES = {
    signal.SIGINT: (130, "simlab: interrupted; nothing was written."),
    signal.SIGTERM: (143, "simlab: terminated; nothing was written."),
}
MOMENTS = 8
# A shell starts what runs in the background with SIGINT ignored, and a child would inherit that.
HEED = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux which signals are caught")


def catches(process: subprocess.Popen[str]) -> bool:
    """Whether a process has a handler for SIGTERM, as simlab sets one with its first line."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


def stopped(words: list[str], cwd: Path, number: int, seconds: float, again: float | None = None) -> Answer:
    """What becomes of `python WORDS` that gets a signal so many seconds after simlab's first line, and once more."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": HEED}
    with subprocess.Popen([sys.executable, *words], cwd=cwd, **pipes) as running:
        while running.poll() is None and not catches(running):
            time.sleep(0.002)
        time.sleep(seconds)
        running.send_signal(number)
        if again is not None:
            time.sleep(again)
            running.send_signal(number)
        out, err = running.communicate(timeout=HANGS)
    return Answer(running.returncode, out, err)


@linux
@pytest.mark.parametrize("number", LINES)
@pytest.mark.parametrize("words", [["-m", MODULE, *WALK], ["-m", "simlab", "run", "langevin_drift", *WALK]])
def test_a_signal_at_any_moment_leaves_one_line_and_no_half_written_file(
    tmp_path: Path, number: int, words: list[str]
) -> None:
    moments = random.Random(f"{number} {words}")
    for i in range(MOMENTS // 2):
        folder = tmp_path / str(i)
        folder.mkdir()
        # Half of the moments lie in the imports, the others anywhere in the run and after it.
        seconds = moments.uniform(0, 0.3 if i % 2 else 5.0)
        answer = stopped(words, folder, number, seconds, again=0.02 if moments.random() < 0.3 else None)
        told = [line for line in answer.err.splitlines() if not line.startswith("walk: ")]
        about = f"{seconds} s: {answer}"
        if answer.status in (0, 1):  # it was done
            assert results.load(folder / "out/result.nc").attrs["simlab_study"] == "langevin_drift", about
            assert told == [], about
            continue
        status, line = LINES[signal.Signals(number)]
        assert (answer.status, len(told)) == (status, 1), about
        if "whole" in told[0]:
            assert told[0] == line.replace("nothing was written", "the result is whole in out/result.nc"), about
            results.load(folder / "out/result.nc")
        else:
            assert told == [line], about
            assert contents(folder) == {}, about


@linux
@pytest.mark.parametrize(
    "words", [["-m", "simlab", "list"], ["-m", "simlab", "derive", "sgd"], ["-m", MODULE, "--help"]]
)
@pytest.mark.parametrize("number", LINES)
def test_commands_without_a_run_end_in_one_line(tmp_path: Path, words: list[str], number: int) -> None:
    answer = stopped(words, tmp_path, number, 0.0)
    assert (answer.status, answer.out, answer.err) == (LINES[signal.Signals(number)][0], "", answer.err)
    assert answer.err == LINES[signal.Signals(number)][1] + "\n"


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    program = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.argv = ['simlab']; import simlab;"
    answer = process("-c", f"{program} signal.raise_signal(signal.SIGTERM); print('on')", cwd=tmp_path)
    assert answer == Answer(0, "on\n", "")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["-c", "PROGRAM"], False), (["script.py"], False), (["-m", "mine", "simlab"], False),
        (["-m", "simlab.there", "x"], True), (["-OOm", "simlab.there"], True), (["-msimlab.there"], True),
        (["simlab"], True), (["-X", "dev", "-Wignore", "-m", "simlab.there"], True), (["-m", "simlabs"], False),
    ],
)  # fmt: skip
def test_only_a_program_of_simlab_takes_the_signals(tmp_path: Path, words: list[str], program: bool) -> None:
    """What `import simlab` does to handlers in somebody's own program, and in simlab's."""
    source = (Path(interrupts.__file__).parent / "interrupts.py").read_text("utf-8")
    (tmp_path / "simlab/core").mkdir(parents=True)
    show = "import signal\nprint(signal.getsignal(signal.SIGTERM) != signal.SIG_DFL)\n"
    (tmp_path / "simlab/core/interrupts.py").write_text(source)
    (tmp_path / "simlab/core/__init__.py").touch()
    (tmp_path / "simlab/__init__.py").write_text("from simlab.core import interrupts\ninterrupts.from_the_start()\n")
    (tmp_path / "simlab/there.py").write_text(show)
    for name in ("mine.py", "simlabs.py", "script.py"):
        (tmp_path / name).write_text(f"import simlab\n{show}")
    if words == ["simlab"]:  # a script of that name, as pip makes it
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/simlab").write_text(
            f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport simlab\n{show}"
        )
        words = ["bin/simlab"]
    words = [w.replace("PROGRAM", f"import simlab\n{show}") for w in words]
    answer = process(*words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert answer == Answer(0, f"{program}\n", "")


def test_the_package_takes_no_signals_of_who_imports_it(tmp_path: Path) -> None:
    program = "import simlab.lab.study, signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    assert process("-c", program, cwd=tmp_path).out == "True\n"


@pytest.mark.parametrize("number", LINES)
def test_inside_a_signal_is_an_exception_and_afterwards_what_it_was(number: int) -> None:
    before = {n: signal.getsignal(n) for n in LINES}
    with pytest.raises(Stopped) as stop, interrupts.raised():
        signal.raise_signal(number)
    assert stop.value.number == number
    with pytest.raises(ValueError), interrupts.raised():
        raise ValueError
    with interrupts.raised():
        assert signal.getsignal(number) != before[signal.Signals(number)]
    assert {n: signal.getsignal(n) for n in LINES} == before


def test_a_second_signal_does_not_disturb_the_cleaning_up() -> None:
    cleaned = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(Stopped), interrupts.raised():
        work()
    assert cleaned == [True]


def test_a_stopped_program_that_does_not_end_ends_at_the_next_signal(tmp_path: Path) -> None:
    program = """
import signal, sys, threading, time
sys.argv = ["simlab"]
from simlab.core import interrupts
try:
    with interrupts.raised():
        signal.raise_signal(signal.SIGTERM)
except interrupts.Stopped:
    threading.Thread(target=time.sleep, args=(1000,)).start()  # such as a kernel that has not returned
signal.raise_signal(signal.SIGTERM)  # counts as the first
print("on", flush=True)
time.sleep(1.1 * interrupts.REPEATED)
signal.raise_signal(signal.SIGTERM)
"""
    assert process("-c", program, cwd=tmp_path) == Answer(143, "on\n", "")


def test_a_second_signal_in_the_last_moments_changes_nothing(tmp_path: Path) -> None:
    program = """
import signal, sys
sys.argv = ["simlab"]
from simlab.core import interrupts
class Late:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)  # Python has taken its handlers away
sys.modules["late"] = Late()
try:
    with interrupts.raised():
        signal.raise_signal(signal.SIGTERM)
except interrupts.Stopped as stop:
    raise SystemExit(128 + stop.number)
"""
    assert process("-c", program, cwd=tmp_path) == Answer(143, "", "")


def test_a_finished_program_only_has_to_end(tmp_path: Path) -> None:
    program = """
import signal, sys
sys.argv = ["simlab"]
from simlab.core import interrupts
with interrupts.raised():
    pass
signal.raise_signal(signal.SIGINT)
print("on")
"""
    assert process("-c", program, cwd=tmp_path) == Answer(0, "on\n", "")


def test_a_library_that_turns_it_into_its_own_error_changes_nothing() -> None:
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("numpy.core failed to import") from None

    with pytest.raises(Stopped) as stop, interrupts.raised():
        work()
    assert stop.value.number == signal.SIGTERM


def test_a_signal_that_is_lost_in_a_callback_comes_again() -> None:
    class Thing:
        pass

    def work() -> None:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        del thing  # the callback raises where no exception can go
        assert reference() is None
        threading.Event().wait(HANGS)

    with pytest.raises(Stopped), interrupts.raised():
        work()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal here")
def test_a_terminal_that_is_closed_terminates() -> None:
    with pytest.raises(Stopped) as stop, interrupts.raised():
        signal.raise_signal(signal.SIGHUP)
    assert interrupts.last_line(stop.value.number) == "terminated; nothing was written."


def test_threads_other_than_the_main_one_run_without_handlers() -> None:
    done = []

    def work() -> None:
        with interrupts.raised():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]


def test_sigterm_in_a_run_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "run", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert Terminal(tmp_path, capsys).study(*WALK) == Answer(143, "", LINES[signal.SIGTERM][1] + "\n")
    assert contents(tmp_path) == {}
