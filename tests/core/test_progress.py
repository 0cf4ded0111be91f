"""Progress is sparse in a log, silent where nobody asked, a bar on a terminal."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from simlab.core.progress import QUIET_SECONDS, Progress


class Clock:
    """A clock that a test moves."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr("simlab.core.progress.time", SimpleNamespace(monotonic=lambda: self.now))


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("lines").task("walking", total=1000) as task:
        for _ in range(1000):
            clock.now += 0.1
            task.advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 100 // QUIET_SECONDS + 1
    assert lines[0] == "walking: 30 % after 30 s, 70 s left"
    assert lines[-1] == "walking: done in 100.0 s"


def test_a_short_task_gets_one_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("lines").task("walking", total=2) as task:
        clock.now += 0.5
        task.advance(1)
        task.advance(1)
    assert capsys.readouterr().err == "walking: done in 0.5 s\n"


def test_quiet_time_starts_anew_with_every_task(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("lines")
    for name in ("one", "two"):
        with progress.task(name, total=2) as task:
            clock.now += 0.7 * QUIET_SECONDS
            task.advance(2)
    assert capsys.readouterr().err.splitlines() == ["one: done in 21.0 s", "two: done in 21.0 s"]


@pytest.mark.parametrize("mode", ["lines", "bar"])
def test_work_that_fails_is_not_called_done(
    mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress("lines" if mode == "lines" else "bar")
    with pytest.raises(ZeroDivisionError), progress.task("walking", total=2):
        raise ZeroDivisionError
    assert "done" not in capsys.readouterr().err


def test_silence_is_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress.silent()
    with progress.task("walking", total=2) as task:
        clock.now += 10 * QUIET_SECONDS
        task.advance(1)
        progress.note("something to know")
    assert task.done == 1
    assert capsys.readouterr() == ("", "")


def test_a_note_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("lines").note("something to know")
    assert capsys.readouterr() == ("", "something to know\n")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress.to_stderr()
    assert progress.mode == "bar"
    for name in ("walking", "resting"):
        with progress.task(name, total=2) as task:
            task.advance(1)
            progress.note("something to know")
            task.advance(1)
        assert task.done == 2
    for text in ("walking", "resting", "something to know"):
        assert text in terminal.getvalue()
    assert capsys.readouterr() == ("", "")


def test_a_stderr_that_is_no_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert Progress.to_stderr().mode == "lines"


def test_a_task_that_has_not_begun_has_a_line_and_so_has_one_without_work(clock: Clock) -> None:
    with Progress.silent().task("walking", total=4) as task:
        assert task.line() == "walking: 0 % after 0 s, nan s left"
    with Progress.silent().task("nothing", total=0) as task:
        assert task.line() == "nothing: 0 % after 0 s, nan s left"
