"""Runs in miniature that are killed and go on, again and again: `python -m tests.lab.killed moments STUDY FLAGS`.

Each attempt is a child of this process, which has made the imports already: what is left is the run. Prints the folders
of all runs that came to their end, the first of which nobody disturbed, and how many attempts were killed.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from simlab import studies
from simlab.lab import cells, cli, figure, plot
from simlab.lab.study import Study
from tests.studies.small import SMALL, shrink

KILLS = int(os.environ.get("SIMLAB_TEST_KILLS", "6"))
"""For each study; the suite has no time for more, but a change of `simlab.lab.cells` should be tried with twenty."""
OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
"""What Python tells of files, before it is done."""


def start(study: Study, words: Sequence[str], before: Callable[[], None] = lambda: None) -> int:
    """A child that runs the study's command line and does something before it; its process number."""
    if number := os.fork():
        return number
    status = 70
    try:
        log = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        before()
        status = cli.main(study, words)
    finally:
        os._exit(status)


def ended(number: int, seconds: float = 1e9) -> bool:
    """Whether a child ends by itself in this time; it is killed otherwise."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            return _well(status)
        time.sleep(0.002)
    os.kill(number, signal.SIGKILL)
    return _well(os.waitpid(number, 0)[1])


def _well(status: int) -> bool:
    """Whether a child came to its end; a failure that nobody has planned ends everything."""
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status) not in (0, 1):
        raise SystemExit(f"status {status}:\n{Path('log').read_text('utf-8')}")
    return True


def again(words: Sequence[str], folder: str, resume: bool) -> list[str]:
    """The words that go on with the run in a folder, or start it there."""
    if resume and Path(folder, "cells/config.toml").exists():
        return ["--resume", folder]
    return [*words, "--out", folder]


def finished(folder: str) -> bool:
    """Whether a run was killed when all was done, but for removing an empty folder."""
    return Path(folder, "result.nc").exists() and not Path(folder, "cells/config.toml").exists()


def moments(study: Study, words: Sequence[str]) -> tuple[list[str], int]:
    """Kill at random moments of a run, most of them early, for what is finished is not done again."""
    chance = random.Random(study.name)
    folders, started = ["undisturbed"], time.monotonic()
    ended(start(study, again(words, folders[0], False)))
    whole, kills = time.monotonic() - started, 0
    while kills < KILLS:
        folders.append(f"run{len(folders)}")
        while True:
            moment = whole * chance.random() ** 2 if kills < KILLS else 1e9
            if ended(start(study, again(words, folders[-1], chance.random() < 0.5)), moment):
                break
            kills += 1
            if finished(folders[-1]):
                break
    return folders, kills


def operations(study: Study, words: Sequence[str]) -> tuple[list[str], int]:
    """Kill before every single thing that a run does to the files in its folder, and go on at once."""
    # Figures are files here and need not be drawn.
    figure.figure = lambda *_, **__: None  # type: ignore[assignment]
    plot.save_figure = lambda _, path, kind: Path(str(path)).write_text(kind, "utf-8")  # type: ignore[assignment]
    folders = ["undisturbed"]
    ended(start(study, again(words, folders[0], False)))
    while True:
        folders.append(f"run{len(folders)}")
        folder, number = folders[-1], len(folders) - 2
        if ended(start(study, again(words, folder, False), partial(before_operation, number, folder))):
            return folders, number
        if not finished(folder):
            ended(start(study, again(words, folder, number % 2 == 1)))


def before_operation(number: int, folder: str) -> None:
    """Kill this process before it does so many things to the files in a folder."""
    left = [number]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and any(isinstance(a, str | os.PathLike) and folder in str(a) for a in arguments):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(hook)


def flag(field: tuple[str, Any]) -> list[str]:
    """A field of the config as words of a command line."""
    name, value = field
    return [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]


def main() -> None:
    """As said above."""
    how, name, *words = sys.argv[1:]
    if name == "casino":
        from tests.lab.casino import STUDY as study
    else:
        study = studies.load(name)
        small = SMALL[name]
        shrink(study, pytest.MonkeyPatch())
        words = ["--preset", "smoke", *chain.from_iterable(map(flag, small.changes.items())), *words]
    study.load(cli.parse(study, words)[1])
    importlib.import_module("simlab.lab.runner")  # what every child needs, once
    cells.sources_of(study.package.partition(".")[0])
    folders, kills = {"moments": moments, "operations": operations}[how](study, words)
    sys.stdout.write(json.dumps({"folders": folders, "kills": kills}))


if __name__ == "__main__":
    main()
