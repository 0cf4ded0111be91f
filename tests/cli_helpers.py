"""The command line in this process or as one of its own, and the rule that bad input is held to."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from simlab import __main__ as laboratory
from simlab.lab import cli
from simlab.studies.langevin_drift import STUDY

MODULE = "simlab.studies.langevin_drift"
QUICK = ("--preset", "smoke", "--walkers", "1024", "--out", "out")
WALK = (*QUICK, "--scenes", "walk")
HANGS = 900.0
"""Seconds after which nobody waits any longer: no measure of work, for the machine may be busy with other things."""
FILES = {"result.nc", "figure.png", "figure.svg", "walk.png", "walk.svg"}
"""Of a run of the scene walk."""


class Answer(NamedTuple):
    """What a command line came to."""

    status: int
    out: str
    err: str


class Terminal:
    """The study's command line in this process, at work in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def study(self, *argv: str, work: float = 120) -> Answer:
        """`python -m simlab.studies.langevin_drift ARGV`, in so many seconds of the processor."""
        with at_most(work):
            status = cli.main(STUDY, argv)
        return Answer(status, *self.capsys.readouterr())

    def laboratory(self, *argv: str) -> Answer:
        """`python -m simlab ARGV`."""
        try:
            with at_most(120):
                status = laboratory.main(argv)
        except SystemExit as leave:  # argparse leaves this way
            status = int(leave.code or 0)
        return Answer(status, *self.capsys.readouterr())

    def refuses(self, argv: Sequence[str], *fragments: str, base: Sequence[str] = QUICK, lines: int = 1) -> str:
        """Status 2, a sentence a line that holds the fragments, nothing on stdout, and the folder as it was."""
        before = contents(self.folder)
        answer = self.study(*base, *argv, work=20)
        self.is_refusal(answer, *fragments, lines=lines)
        assert contents(self.folder) == before, "something was left behind"
        return answer.err

    @staticmethod
    def is_refusal(answer: Answer, *fragments: str, lines: int = 1) -> None:
        """Status 2 and a sentence a line."""
        assert answer.status == 2, answer
        assert answer.out == ""
        said = answer.err.splitlines()
        assert len(said) == lines, answer.err
        assert all(line.startswith("simlab: ") for line in said)
        assert answer.err.endswith("\n")
        missing = [f for f in fragments if f not in answer.err]
        assert not missing, f"{missing} not in: {answer.err}"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder; None for a folder in it."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def process(*argv: str, cwd: Path, **options: Any) -> Answer:
    """`python ARGV` as a process of its own."""
    done = subprocess.run(
        [sys.executable, *argv], cwd=cwd, capture_output=True, text=True, timeout=HANGS, check=False, **options
    )
    return Answer(done.returncode, done.stdout, done.stderr)


class _Late(BaseException):
    """No Exception, so that nobody on the way takes it for bad input."""


@contextmanager
def at_most(work: float) -> Iterator[None]:
    """Fail a test that takes more seconds of the processor, however many others it is shared with; or that hangs."""

    def late(*_: object) -> None:
        raise _Late

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, work), signal.SIGALRM: (signal.ITIMER_REAL, HANGS)}
    old = {number: signal.signal(number, late) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    except _Late:
        pytest.fail(f"still at work after {work:g} s of the processor")
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, old[number])
