"""Streams that are closed, full or unheard cost neither a result nor the status that its claims give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simlab.core import terminal
from simlab.core.progress import Progress
from simlab.lab import results
from simlab.lab.claim import exit_status
from tests.cli_helpers import FILES, HANGS, MODULE, WALK, Answer

RUN = f"-m {MODULE} {' '.join(WALK)}"
NO_RUN = [f"-m {MODULE} --dry-run", f"-m {MODULE} --help", "-m simlab list", "-m simlab derive sgd"]


def shell(words: str, where: str, cwd: Path) -> Answer:
    """`python WORDS WHERE` in a shell, whose status is that of Python even at the head of a pipe."""
    script = f"set -o pipefail; {sys.executable} {words} {where}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=HANGS, check=False
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def claims_of_run(folder: Path) -> int:
    """The status that the claims of the result in `out` ask for, if its files are all there."""
    assert {p.name for p in (folder / "out").iterdir()} == FILES
    return exit_status(results.claims_of(results.load(folder / "out/result.nc")))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (">&-", "simlab: cannot write to stdout: it is closed. The claims are in out/result.nc."),
        ("> /dev/full", "simlab: cannot write to stdout (No space left on device). The claims are in out/result.nc."),
        ("| head -0", None), ("2>&-", None), ("2> /dev/full", None), ("<&- >&- 2>&-", None),
    ],
)  # fmt: skip
def test_a_finished_run_has_the_status_of_its_claims(tmp_path: Path, where: str, said: str | None) -> None:
    answer = shell(RUN, where, tmp_path)
    assert answer.status == claims_of_run(tmp_path), answer
    assert "Traceback" not in answer.err
    assert "Exception ignored" not in answer.err
    told = [line for line in answer.err.splitlines() if "done in" not in line]
    assert told == ([] if said is None else [said])
    if where == "2>&-" or where.startswith("2>"):
        assert "done in" not in answer.out, "progress is not for stdout"
        assert answer.out.startswith("Langevin dynamics")


@pytest.mark.parametrize("words", NO_RUN)
def test_what_was_asked_for_arrives_or_the_status_says_so(tmp_path: Path, words: str) -> None:
    answer = shell(words, "> /dev/full", tmp_path)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "simlab: cannot write to stdout (No space left on device).\n"
    unheard = shell(words, "| true", tmp_path)
    assert unheard.status in (0, 141)
    assert unheard.err == ""
    good = shell(words, "", tmp_path)
    assert (good.status, good.err) == (0, "")
    assert good.out


def test_a_closed_stdout_is_told(tmp_path: Path) -> None:
    answer = shell(NO_RUN[0], ">&-", tmp_path)
    assert (answer.status, answer.err) == (2, "simlab: cannot write to stdout: it is closed.\n")
    refused = shell(f"-m {MODULE} --walkers 1", ">&-", tmp_path)
    assert refused.status == 2
    assert refused.err.startswith("simlab: walkers = 1")
    assert shell(f"-m {MODULE} --walkers 1", "2>&-", tmp_path) == Answer(2, "", "")
    assert shell(f"-m {MODULE} --walkers 1", "2> /dev/full", tmp_path) == Answer(2, "", "")


class Broken:
    """A stderr whose terminal is gone."""

    def write(self, *_: str) -> None:
        raise OSError(5, "Input/output error")

    flush = isatty = fileno = write


@pytest.mark.parametrize("stream", [None, Broken()])
@pytest.mark.parametrize("mode", ["bar", "lines"])
def test_progress_goes_on_without_a_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: Any, mode: Any
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    assert Progress.to_stderr().mode == "lines"
    progress = Progress(mode)
    with progress.task("walking", total=2) as task:
        progress.note("something to know")
        task.advance(1)
    terminal.write_stderr("a word")
    assert task.done == 1
    assert capsys.readouterr().out == ""


def test_a_closed_descriptor_is_not_given_to_a_file(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['simlab']; import simlab, os; "
        "file = open('precious', 'w'); os.write(2, b'a warning of some library'); print(file.fileno(), file=file)"
    )
    script = f'{sys.executable} -c "{program}" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True, env=os.environ)
    assert int((tmp_path / "precious").read_text()) > 2
