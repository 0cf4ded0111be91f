"""Progress of long work: a bar on a terminal, sparse plain lines in a log, nothing where nobody asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal, cast

from simlab.core import terminal

QUIET_SECONDS = 30.0
"""At most one line in this time while a task runs in a log."""


class Task:
    """One piece of work of known size; `advance` says how much of it was just done."""

    def __init__(self, name: str, total: float, show: Any) -> None:
        self.name, self.total, self.done = name, total, 0.0
        self.started = time.monotonic()
        self._show = show

    def advance(self, amount: float) -> None:
        """Count an amount of work as done."""
        self.done += amount
        self._show(self)

    def line(self) -> str:
        """Share done, time taken, time left."""
        seconds = time.monotonic() - self.started
        left = seconds * (self.total / self.done - 1) if self.done else float("nan")
        return (
            f"{self.name}: {100 * self.done / max(self.total, 1e-300):.0f} % after {seconds:.0f} s, {left:.0f} s left"
        )


class Progress:
    """Where progress goes: `Progress.to_stderr()` picks a bar or lines, `Progress.silent()` says nothing."""

    def __init__(self, mode: Literal["bar", "lines", "silent"]) -> None:
        self.mode = mode
        self._bar: Any = None
        self._said = 0.0

    @classmethod
    def to_stderr(cls) -> Progress:
        """A bar if stderr is a terminal, else lines."""
        return cls("bar" if terminal.is_terminal(sys.stderr) else "lines")

    @classmethod
    def silent(cls) -> Progress:
        """For notebooks and tests."""
        return cls("silent")

    @contextmanager
    def task(self, name: str, total: float) -> Iterator[Task]:
        """A piece of work; on leaving it a line stays with the time it took."""
        if self.mode == "bar":
            with self._rich_task(name, total) as task:
                yield task
            return
        self._said = time.monotonic()
        task = Task(name, total, self._line if self.mode == "lines" else lambda task: None)
        yield task
        if self.mode == "lines":
            terminal.write_stderr(f"{name}: done in {time.monotonic() - task.started:.1f} s\n")

    def note(self, text: str) -> None:
        """One line that a person should know about."""
        if self.mode != "silent":
            terminal.write_stderr(f"{text}\n")

    @contextmanager
    def _rich_task(self, name: str, total: float) -> Iterator[Task]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Console(file=cast(IO[str], terminal.Errors()))) as bar:
            number = bar.add_task(name, total=total)
            yield Task(name, total, lambda task: bar.update(number, completed=task.done))
            bar.update(number, completed=total)

    def _line(self, task: Task) -> None:
        if time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            terminal.write_stderr(f"{task.line()}\n")
